#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A slice of tests/faults.sh, what failed once in full, and what the shell can take away: descriptors and
# stdout.
# timeout: 400
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
own_demo ""
start_demo "$DEMO_BINARY"
mkdir -p "$MNT"

# --- few descriptors: works, or one line that says so
for files in 6 12 31 43 95; do
	(
		ulimit -n "$files"
		exec "$XGOTOPFS" -pid "$DEMO" "$MNT"
	) >"$T/out" 2>"$LOG" </dev/null
	status=$?
	expect "status with $files descriptors ($(cat "$LOG"))" "$status" 1
	expect "lines with $files descriptors" "$(grep -c '^xgotopfs: only .* files may be open' "$LOG")" 1
done
# --- a small stack: the soft limit is raised, for threads, too; where the hard one is too low, one line that says so
fresh "$T/out" "$LOG"
(
	ulimit -Ss 64
	exec "$XGOTOPFS" -pid "$DEMO" -web -web-port 0 -record=false "$MNT"
) >"$T/out" 2>"$LOG" </dev/null &
XPID=$!
wait_ready
for file in stats health stacks goroutines.tsv waits leaks problems; do
	timeout $((60 * SLACK)) cat "$MNT/$file" >"$T/out" || fail "$file with a stack of 64 KiB: $(cat "$LOG")"
done
kill -INT "$XPID"
ended 0
(
	ulimit -s 64
	exec timeout $((60 * SLACK)) setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource "$XGOTOPFS" -pid "$DEMO" "$MNT"
) >"$T/out" 2>"$LOG" </dev/null
expect "status with a stack of 64 KiB that may not grow" $? 1
grep -qx 'xgotopfs: a stack may have only 64 KiB here, .*' "$LOG" || fail "a stack that may not grow: $(cat "$LOG")"

ulimit -Sn 20 # the soft limit alone is raised, and a COMMAND has it as it was; of stacks, too
start_xgotopfs -s -- /bin/sh -c "ulimit -Sn; exec $DEMO_BINARY -n 1 -load $URL"
wait "$XPID"
status=$?
XPID=
case $status in 3) ;; *) fail "a shell is no Go program: status $status: $(cat "$LOG")" ;; esac
ulimit -Sn 1024 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"

# --- a stdout that is closed, or full: said, status 1, and never another file's descriptor
for command in "-help" "-version" "-doctor" "-sessions -storage-dir $T"; do
	# shellcheck disable=SC2086
	"$XGOTOPFS" $command >&- 2>"$LOG"
	expect "status of $command without stdout" $? 1
	grep -q "stdout: Bad file descriptor" "$LOG" || fail "$command without stdout: $(cat "$LOG")"
	# shellcheck disable=SC2086
	"$XGOTOPFS" $command >/dev/full 2>"$LOG"
	expect "status of $command on a full device" $? 1
	grep -q "stdout: No space left" "$LOG" || fail "$command on a full device: $(cat "$LOG")"
done
(cd "$T" && exec timeout $((60 * SLACK)) "$XGOTOPFS" -s -mft -- "$DEMO_BINARY" -h) >&- 2>"$LOG"
grep -q "stdout" "$LOG" && fail "-s prints nothing: $(cat "$LOG")"
"$DEMO_BINARY" -rate 20 -load "$URL" >/dev/null 2>&1 &
on_exit "end $!"
timeout $((60 * SLACK)) "$XGOTOPFS" -pid "$DEMO" >&- 2>"$LOG"
status=$?
expect "status of events without stdout ($(cat "$LOG"))" "$status" 1

# --- the process that unmounts, which we may not ourselves, was killed: said
start_xgotopfs -pid "$DEMO" "$MNT"
wait_ready
unmounter=$(child_of "$XPID" xgotop-umount) || fail "no process that unmounts"
kill -9 "$unmounter"
kill -INT "$XPID"
wait "$XPID"
expect "status with a mount that stays" $? 1
XPID=
expect "lines about it ($(cat "$LOG"))" "$(grep -c "still mounted.*umount -l $MNT\$" "$LOG")" 1
umount -l "$MNT" || fail "what it says to do does not help"

# --- each call failing once: a slice
"$ROOT/tests/faults.sh" -every 12 >"$T/faults" 2>&1 || fail "$(tail -n 40 "$T/faults")"
tail -n 1 "$T/faults"
# What waits for a word of ours in another process reads at a moment of its own.
for _ in 1 2; do
	"$ROOT/tests/faults.sh" -only live -kind read >"$T/faults" 2>&1 || fail "$(tail -n 40 "$T/faults")"
done
unharmed "$DEMO"
