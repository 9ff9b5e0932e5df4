#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A binary that is watched is changed in place: new code, emptied, cut, stripped, replaced by what is no
# Go program and back. No process dies of it, nobody waits, the new code is traced exactly.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../redeploy_lib.sh"
need_tracing
build_versions
APP=$T/app
cp "$V1" "$APP"
watch_app
runs 1
traced_exactly
wait_for 10 healthy || fail "health: $(health)"

# The fault that was: the old probes stood in the middle of the new code's instructions.
for new in "$V3" "$V2" "$V1"; do
	deploy "$new"
	echo "a writer waited $DELAY_MS ms"
	runs 3
	retraced
	traced_exactly
done
expect "Go version of a process of the third" \
	"$(sed -n 's/^go_version //p' "$MNT/health" | sed 's/ .*//')" "$("$(bash "$ROOT/scripts/go.sh")" env GOVERSION)"

# Written to, but as it was: the probes come back without a word.
cp "$APP" "$T/copy"
cat "$T/copy" 1<>"$APP" >&1
traced_exactly
says_times $((RETRACED + 1)) "was changed" && fail "it was not changed: $(cat "$LOG")"

# What is no program any more. The tracer read a mapping of the file, and died of the first.
BROKEN=0
broken() {
	BROKEN=$((BROKEN + 1))
	wait_for "$PATIENCE" says_times "$BROKEN" "cannot be traced now" || fail "not a word of $1: $(cat "$LOG")"
	expect "lines about $1" "$(grep -c 'cannot be traced now' "$LOG")" "$BROKEN"
	in_health "^verdict incomplete" || fail "$1: $(health | head -n 1)"
	in_health "^warning nothing is traced: the file is another" || fail "$1: $(health | head -n 3)"
	in_health "^probes_attached 0$" || fail "probes in $1: $(health | grep '^probes_attached')"
	kill -0 "$XPID" || fail "ended by $1"
}
: >"$APP"
broken "an emptied file"
deploy "$V2"
retraced
runs 1
# truncate opens without waiting (O_NONBLOCK): it is told to come again, and can soon.
wait_for 20 truncate -s 300000 "$APP" 2>/dev/null || fail "truncate never succeeds"
broken "a truncated file"
printf '#!/bin/sh\necho a script\n' >"$APP"
broken "a script"
expect "the script" "$("$APP")" "a script"
cp /bin/true "$APP"
broken "a C program"
runs_true() { "$APP" || fail "the C program: status $?"; }
runs_true
deploy "$V1"
retraced
runs 3
traced_exactly
wait_for 10 healthy || fail "health after all that: $(health)"

# Who starts at the very moment a writer is done begins before his probes are in: he is in the tree, also when he
# does nothing, once; the audit compares from when they are, and accuses nobody.
compared() { grep -qE '^comparisons ([2-9]|[1-9][0-9])' "$MNT/processes/$PID/audit" 2>/dev/null; }
for round in "$V1" "$V2" "$V2" "$V1" "$V1"; do
	deploy "$round"
	start_app
	wait_for 20 compared || fail "it is not compared: $(cat "$MNT/processes/$PID/audit" "$LOG")"
	wait_for 5 grep -q '^differences_total 0$' "$MNT/processes/$PID/audit" ||
		fail "the audit accuses: $(head -n 12 "$MNT/processes/$PID/audit")"
	expect "how often it is followed" "$(grep -c "following process $PID$" "$LOG")" 1
	! grep "process $PID is not traced any more" "$LOG" || fail "it is traced"
	stop_app
done
for _ in V2 V1; do retraced; done

# The tools that write in place.
dd if="$V2" of="$APP" conv=notrunc status=none || fail "dd"
wait_for 20 truncate -s "$(stat -c %s "$V2")" "$APP" 2>/dev/null || fail "truncate never succeeds"
runs 1
retraced
traced_exactly
strip "$APP" 2>"$T/strip.err" || fail "strip: $(cat "$T/strip.err")"
runs 3
stop_xgotopfs
