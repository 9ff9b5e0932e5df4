# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced after lib.sh and app_lib.sh: one cell of the matrix, which is one Go release in one way of
# linking. Each check prints the differences it finds, and nothing when everything is exact:
#   first    the workload traced from its first instruction, with the runtime's own execution trace and
#            heap profile as witnesses
#   attach   the workload attached to by -pid before it begins
#   lives    the same, with only newgoroutine and goexit wanted: other probes tell of them then
#   allocs   the same, with only allocations wanted
#   stacks   tests/targets/parked: what is read from its memory, against its own dump of itself
#   waits    tests/targets/waits: what its goroutines wait on, against its own account
# shellcheck shell=bash
TARGETS=$ROOT/tests/targets
TRACED_GO=${TRACED_GO:-1.26} # builds the tools that read Go's traces and dumps
SCALE=${SCALE:-1}
TIMERS=

# target VERSION MODE PROGRAM: prints its path; 77 when there is no such mode.
target() {
	local status
	nice -n 10 "$TARGETS/build.sh" "$1" "$2" "$3" 2>"$T/build.log"
	status=$?
	[ "$status" = 0 ] || [ "$status" = 77 ] || { echo "does not build: $(tail -n 3 "$T/build.log")" >&2; }
	return "$status"
}

minor_of() {
	local version
	case $1 in
	local) version=$(strings -n 6 "$2" | sed -n 's/^go1\.\([0-9][0-9]*\)[.0-9]*$/\1/p' | head -n 1) ;;
	*) version=${1#1.} version=${version%%.*} ;;
	esac
	echo "$version"
}

# lost_of LOG: what xgotopfs says it lost, or "?" when it did not say.
lost_of() {
	local n
	n=$(sed -n 's/^xgotopfs: [0-9]* events in .* \([0-9]*\) lost.*/\1/p' "$1")
	echo "${n:--1}"
}

# audit_of DIR: what the audit of the session recorded there found; nothing when that is nothing.
audit_of() {
	python3 - "$1"/*/metadata.json <<'E'
import json, sys
meta = json.load(open(sys.argv[1], encoding="utf-8"))
found = {k: v for k, v in meta.items() if k.startswith("audit_") and k != "audit_comparisons"}
if found or meta.get("audit") in ("differs", "blind"):
    print(f"the audit {meta.get('audit')}, {meta.get('audit_comparisons', 0)} comparisons: {found}")
    sys.exit(1)
E
}

# audited MOUNT: prints what its audit says unless it agrees after two comparisons more, and found nothing.
compared() { [ "$(sed -n 's/^comparisons //p' "$1/audit")" -ge "$2" ]; }
audited() {
	if ! wait_for "$PATIENCE" compared "$1" $(($(sed -n 's/^comparisons //p' "$1/audit") + 2)) ||
		! grep -q '^state agrees' "$1/audit" || ! grep -q '^differences_total 0' "$1/audit"; then
		grep -E '^(audit|comparisons|difference) ' "$1/audit"
		return 1
	fi
}

check_first() {
	local version=$1 mode=$2 dir=$3 binary minor counts=() tool
	binary=$(target "$version" "$mode" workload) || return
	minor=$(minor_of "$version" "$binary")
	timeout -k 5 $((120 * SLACK)) "$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$dir" -- \
		"$binary" -wait=false -scale "$SCALE" -heap -trace "$dir/gotrace" \
		>"$dir/truth.json" 2>"$dir/log" || { echo "status $?: $(tail -n 3 "$dir/log")"; return 1; }
	# The format before 1.22 cannot tell the order of what C threads do.
	if [ "$minor" -ge 22 ] || [[ $mode != *cgo* ]]; then
		tool=$(target "$TRACED_GO" plain tracecount) || return
		"$tool" "$dir/gotrace" >"$dir/counts.json" 2>"$dir/tracecount.log" ||
			{ echo "Go's trace: $(cat "$dir/tracecount.log")"; return 1; }
		counts=(--gotrace "$dir/counts.json")
	fi
	audit_of "$dir" || return
	python3 "$ROOT/tests/exact.py" "$dir/truth.json" "$dir"/*/events.jsonl --go "$minor" \
		--lost "$(lost_of "$dir/log")" "${counts[@]}"
}

# check_sampled RATES ONLY VERSION MODE DIR ARG...
check_sampled() {
	local rates=$1 only=$2 version=$3 mode=$4 dir=$5 binary
	shift 5
	binary=$(target "$version" "$mode" workload) || return
	timeout -k 5 $((120 * SLACK)) "$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$dir" -sample "$rates" "$@" -- \
		"$binary" -wait=false -scale "$SCALE" >"$dir/truth.json" 2>"$dir/log" ||
		{ echo "status $?: $(tail -n 3 "$dir/log")"; return 1; }
	audit_of "$dir" || return
	python3 "$ROOT/tests/exact.py" "$dir/truth.json" "$dir"/*/events.jsonl \
		--go "$(minor_of "$version" "$binary")" --lost "$(lost_of "$dir/log")" --only "$only"
}
check_lives() { check_sampled newgoroutine:1,goexit:1 lives "$@" -rw 1 -pw 1; }
check_allocs() { check_sampled newobject:1,makeslice:1,makemap:1 allocations "$@" -rw 8 -pw 8; }

check_attach() {
	local version=$1 mode=$2 dir=$3 binary pid tracer status=0
	binary=$(target "$version" "$mode" workload) || return
	mkfifo "$dir/in" && mkdir "$dir/mnt" || return
	fresh "$dir/out" "$dir/err"
	"$binary" -scale "$SCALE" <"$dir/in" >"$dir/out" 2>"$dir/err" &
	pid=$!
	exec 8>"$dir/in"
	wait_for 20 grep -q ready "$dir/out" || { echo "does not start"; status=1; }
	if [ "$status" = 0 ]; then
		fresh "$dir/xout" "$dir/log"
		timeout -k 5 $((120 * SLACK)) "$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$dir/s" -pid "$pid" "$dir/mnt" \
			>"$dir/xout" 2>"$dir/log" &
		tracer=$!
		wait_for "$PATIENCE" grep -q "Ctrl-C ends" "$dir/log" || { echo "not ready: $(cat "$dir/log")"; status=1; }
		echo >&8
		wait_for 100 grep -q go_version "$dir/out" || { echo "no result: $(cat "$dir/err")"; status=1; }
		[ "$status" != 0 ] || audited "$dir/mnt" || status=1
		echo >&8
	fi
	exec 8>&-
	[ "$status" = 0 ] || end "$pid" ${tracer:-}
	wait "$pid" || { echo "the workload failed: $(tail -n 3 "$dir/err")"; status=1; }
	[ -z "${tracer:-}" ] || { end -INT "$tracer"; wait "$tracer"; }
	[ "$status" = 0 ] || return 1
	audit_of "$dir/s" || return
	sed -n '/^{/p' "$dir/out" >"$dir/truth.json"
	python3 "$ROOT/tests/exact.py" "$dir/truth.json" "$dir"/s/*/events.jsonl \
		--go "$(minor_of "$version" "$binary")" --lost "$(lost_of "$dir/log")"
}

# at_rest PROGRAM COMPARE VERSION MODE DIR: runs it until it says END, mounts, and has COMPARE print what differs.
at_rest() {
	local program=$1 compare=$2 version=$3 mode=$4 dir=$5 binary pid tracer status=1
	binary=$(target "$version" "$mode" "$program") || return
	mkdir -p "$dir/mnt"
	fresh "$dir/dump" "$dir/err"
	GODEBUG=tracebacklabels=1${TIMERS:+,$TIMERS} "$binary" >"$dir/dump" 2>"$dir/err" &
	pid=$!
	if ! wait_for 30 grep -q '^END' "$dir/dump"; then
		echo "does not come to rest: $(tail -n 3 "$dir/err")"
		end -KILL "$pid"
		return 1
	fi
	fresh "$dir/xout" "$dir/log"
	timeout -k 5 $((120 * SLACK)) "$XGOTOPFS" -pid "$pid" "$dir/mnt" >"$dir/xout" 2>"$dir/log" &
	tracer=$!
	if wait_for "$PATIENCE" grep -q "Ctrl-C ends" "$dir/log"; then
		"$compare" "$dir" "$(minor_of "$version" "$binary")"
		status=$?
		audited "$dir/mnt" || status=1
	else
		echo "not ready: $(cat "$dir/log")"
	fi
	end -INT "$tracer"
	wait "$tracer" || { echo "xgotopfs: status $?: $(tail -n 3 "$dir/log")"; status=1; }
	end -KILL "$pid"
	wait "$pid" 2>/dev/null
	return "$status"
}

compare_stacks() {
	local tool
	tool=$(target "$TRACED_GO" plain stackparse) || return
	cat "$1/mnt/stacks" >"$1/stacks"
	"$tool" <"$1/stacks" >"$1/parsed.json"
	sed '/^END$/,$d' "$1/dump" | "$tool" >"$1/parsed_dump.json"
	python3 "$ROOT/tests/stacks.py" "$1/dump" "$1/mnt" "$1/stacks" "$1/parsed.json" "$1/parsed_dump.json" --go "$2"
}
check_stacks() { at_rest parked compare_stacks "$@"; }

compare_waits() { python3 "$ROOT/tests/waits_compare.py" "$1/dump" "$1/mnt" --go "$2"; }
# The programs' module is of an old release, which has them use the timers of old unless told otherwise.
check_waits() {
	local status=0
	at_rest waits compare_waits "$@" || status=$?
	[ "$status" = 0 ] || return "$status"
	TIMERS=asynctimerchan=0 at_rest waits compare_waits "$@"
}

# cell VERSION MODE [CHECK]...: prints "exact", "-" (no such build) or the differences; its status.
cell() {
	local version=$1 mode=$2 check dir status=0 found
	shift 2
	[ $# -gt 0 ] || set -- first attach lives allocs stacks waits
	for check; do
		dir=$T/cells/$version-$mode/$check
		rm -rf "$dir"
		mkdir -p "$dir"
		found=$("check_$check" "$version" "$mode" "$dir")
		case $? in
		0) rm -rf --one-file-system "$dir" ;;
		77) echo "-"; return 77 ;;
		*)
			status=1
			# shellcheck disable=SC2001
			sed "s/^/$check: /" <<<"${found:-failed}"
			;;
		esac
	done
	[ "$status" != 0 ] || echo exact
	return "$status"
}
