#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A target in a mount and pid namespace of its own, whose binary cannot be seen from here; and
# xgotopfs itself inside such a namespace.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
need unshare
unshare -m -p -f --mount-proc true 2>/dev/null || skip "no namespaces here"
binary=$(target local pie-stripped workload) || fail "no workload"
minor=$(minor_of local "$binary")
exactly() { # TRUTH EVENTS LOG
	python3 "$ROOT/tests/exact.py" "$1" "$2" --go "$minor" --lost "$(lost_of "$3")" >"$T/found" ||
		fail "$2: $(cat "$T/found")"
}

# --- the target in its own
mkdir "$T/box" "$T/empty"
mkfifo "$T/in"
# shellcheck disable=SC2016
unshare -m -p -f --mount-proc sh -c '
	mount -t tmpfs none "$1" && cp "$2" "$1/hidden" && exec "$1/hidden"' - "$T/box" "$binary" \
	<"$T/in" >"$T/said" 2>"$T/err" &
outer=$!
on_exit "end $outer"
exec 8>"$T/in"
wait_for 20 grep -q ready "$T/said" || fail "the target does not start: $(cat "$T/err")"
pid=$(pgrep -P "$outer")
[ "$(readlink "/proc/$pid/exe")" = "$T/box/hidden" ] || fail "not the process: $(readlink "/proc/$pid/exe")"
[ ! -e "$T/box/hidden" ] || fail "its binary can be seen from here"
[ "$(sed -n 's/^NSpid:.*\t//p' "/proc/$pid/status")" = 1 ] || fail "not in a pid namespace of its own"
start_xgotopfs -pid "$pid" -record -storage-format jsonl -storage-dir "$T/s" "$MNT"
wait_ready
wait_for 5 grep -q 'main.main(' "$MNT/stacks" || fail "no stacks"
expect "goroutine 1" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
expect "processes" "$(ls "$MNT/processes")" "$pid"
echo >&8
wait_for 60 grep -q go_version "$T/said" || fail "no result: $(cat "$T/err")"
echo >&8
exec 8>&-
wait "$outer" || fail "the target failed: $(cat "$T/err")"
stop_xgotopfs
sed -n '/^{/p' "$T/said" >"$T/truth"
exactly "$T/truth" "$T"/s/*/events.jsonl "$LOG"
expect "pid that the target believes to have" "$(sed -n 's/.*"pid":\([0-9]*\),"newobject.*/\1/p' "$T/truth")" 1

# --- xgotopfs in its own, with a target it starts, and with one that is there
cat >"$T/inside.sh" <<'SH'
set -eu
mount -t tmpfs none /sys/fs/bpf 2>/dev/null || true
"$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$T/s1" -- "$binary" -wait=false >"$T/truth1" 2>"$T/log1"
mkfifo "$T/in2"
"$binary" <"$T/in2" >"$T/said2" &
target=$!
exec 8>"$T/in2"
until grep -q ready "$T/said2"; do :; done
"$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$T/s2" -pid $target >"$T/xout" 2>"$T/log2" &
tracer=$!
until grep -q "Ctrl-C ends" "$T/log2"; do kill -0 $tracer; done
mkdir "$T/m3"
rm -f "$T/xout"
"$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$T/s3" -b "$binary" "$T/m3" >"$T/xout" 2>"$T/log3" &
second=$!
until grep -q "Ctrl-C ends" "$T/log3"; do kill -0 $second; done
echo >&8
until grep -q go_version "$T/said2"; do :; done
echo >&8
wait $target
wait $tracer
cat "$T/m3/metrics" >"$T/metrics3"
kill -INT $second
wait $second
echo $target >"$T/inner_pid"
SH
export XGOTOPFS T binary
# Another process of the binary, outside: not one that can be named in there.
mkfifo "$T/in9"
"$binary" <"$T/in9" >"$T/said9" 2>&1 &
alien=$!
on_exit "end $alien"
exec 9>"$T/in9"
wait_for 20 grep -q ready "$T/said9" || fail "the other process does not start"
timeout $((100 * SLACK)) unshare -m -p -f --mount-proc bash "$T/inside.sh" >"$T/inside.log" 2>&1 &
inside=$!
on_exit "end $inside"
attached() { grep -q "Ctrl-C ends" "$T/log3" 2>/dev/null || gone "$inside"; }
wait_for 60 attached || fail "it did not come to that"
echo >&9
wait "$inside" || fail "inside: status $?: $(cat "$T/inside.log" "$T"/log[123])"
echo >&9
exec 9>&-
wait "$alien" || fail "the process outside was harmed"
exactly "$T/truth1" "$T"/s1/*/events.jsonl "$T/log1"
sed -n '/^{/p' "$T/said2" >"$T/truth2"
exactly "$T/truth2" "$T"/s2/*/events.jsonl "$T/log2"
exactly "$T/truth2" "$T"/s3/*/events.jsonl "$T/log3"
[ "$(sed -n 's/^xgotopfs_losses_total{way="outside_namespace",.*} //p' "$T/metrics3")" -gt 0 ] ||
	fail "the hits of the process outside are not counted: $(grep losses_total "$T/metrics3")"
grep -q "\"pid\": $(cat "$T/inner_pid")," "$T"/s2/*/metadata.json || fail "not its number in there: $(cat "$T"/s2/*/metadata.json)"

# In a time namespace the clock is not the one of the kernel's events: every time would be wrong, so it says so.
if unshare -T --monotonic 100000 true 2>/dev/null; then
	own_demo "" stripped
	start_demo "$DEMO_BINARY"
	unshare -T --monotonic 100000 "$XGOTOPFS" -s -pid "$DEMO" >"$T/out" 2>"$LOG"
	expect "status in a time namespace" $? 3
	grep -q "time namespace" "$LOG" || fail "it does not say why: $(cat "$LOG")"
	unshare -T --monotonic 100000 "$XGOTOPFS" -doctor >"$T/doctor" 2>&1 && fail "-doctor finds nothing wrong"
	grep -q "FAIL.*time namespace" "$T/doctor" || fail "-doctor: $(cat "$T/doctor")"
fi
