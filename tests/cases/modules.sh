#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Go that is not, or not only, a process's executable: started by ld.so, a c-shared library in a C
# program, and code that was copied to memory of another kind.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
. "$(dirname "$0")/../modules_lib.sh"
need_tracing

LOADER=$XGOTOPFS_BUILD/tests/targets/so_loader

# --- started by ld.so
for ldso in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do [ ! -x "$ldso" ] || break; done
program=$(target local cgo workload) || fail "no workload"
MINOR=$(minor_of local "$program")
for how in -pid -b; do
	run "$ldso" "$program"
	"$XGOTOPFS" -doctor -pid "$PID" >"$T/doctor" 2>&1 || fail "doctor of ld.so: $(cat "$T/doctor")"
	grep -q "ok    target         $program" "$T/doctor" || fail "doctor of ld.so: $(cat "$T/doctor")"
	[ "$how" = -pid ] && trace -pid "$PID" || trace -b "$program"
	expect "processes before the first event" "$(ls "$MNT/processes")" "$PID"
	expect "goroutine 1" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
	wait_for 5 grep -q 'main.main(' "$MNT/stacks" || fail "no stacks"
	[ "$how" = -b ] && { stop_xgotopfs && end "$PID" && exec 8>&- && rm -rf "$T/s" && continue; }
	exactly "ld.so, $how"
done

# --- a c-shared library in a C program
for version in ${VERSIONS:-1.27}; do
	library=$(target "$version" shared workload) || fail "no library"
	MINOR=$(minor_of "$version" "$library")
	run "$LOADER" "$library"
	"$XGOTOPFS" -doctor -pid "$PID" >"$T/doctor" 2>&1 || fail "doctor of a library: $(cat "$T/doctor")"
	grep -q "ok    target         $library" "$T/doctor" || fail "doctor of a library: $(cat "$T/doctor")"
	trace -b "$library"
	expect "processes before the first event" "$(ls "$MNT/processes")" "$PID"
	wait_for 5 grep -q 'main.main(' "$MNT/stacks" || fail "no stacks"
	exactly "c-shared, $version"
done

# --- two of them, two runtimes: the first is followed, the other named, never are they mixed
other=$(target 1.19 shared workload)
run "$LOADER" "$library" "$other"
trace -pid "$PID"
grep -q "$other has a Go runtime of its own" "$LOG" || fail "the second is not said: $(cat "$LOG")"
wait_verdict "verdict" "incomplete"
wait_for 5 grep -q "^not_covered the Go runtime of $other" "$MNT/health" || fail "health says: $(grep ^not_covered "$MNT/health")"
"$XGOTOPFS" -doctor -pid "$PID" >"$T/doctor" 2>&1 && fail "doctor sees no second: $(cat "$T/doctor")"
grep -q "FAIL  second Go      $other" "$T/doctor" || fail "doctor of two: $(cat "$T/doctor")"
exactly "two runtimes"

# --- code that was moved
moved=$(target local plain remapped) || fail "no remapped"
run "$moved"
"$XGOTOPFS" -doctor -pid "$PID" >"$T/doctor" 2>&1 && fail "doctor sees nothing: $(cat "$T/doctor")"
grep -q 'FAIL  code .*KiB' "$T/doctor" || fail "doctor says: $(cat "$T/doctor")"
trace -pid "$PID"
wait_verdict "verdict" "incomplete"
wait_for 5 grep -q '^not_covered what runs in the [0-9]* KiB of Go code that were moved' "$MNT/health" ||
	fail "health says: $(cat "$MNT/health")"
grep -q 'cannot be probed' "$LOG" || fail "not said: $(cat "$LOG")"
wait_for 5 grep -q 'main.main(' "$MNT/stacks" || fail "no stacks of moved code"
expect "goroutine 1" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
stop_xgotopfs
exec 8>&-
# Pages that are dropped are read from the file again, and what was in them of ours is gone: one probe, or all.
run "$moved" -drop
trace -pid "$PID"
wait_verdict "nothing dropped yet" "good"
seen_again() { ! grep -q '^warning not seen' "$MNT/health"; }
say_and_see() {
	echo "$1" >&8
	wait_for "$PATIENCE" grep -q "$2" "$MNT/health" || fail "$1: health says: $(head -n 4 "$MNT/health")"
	wait_verdict "$1" "incomplete"
	wait_for 5 says "process $PID: not seen: .* it dropped the pages" || fail "$1: not said: $(cat "$LOG")"
	echo 1 >"$MNT/control/pause"
	echo 0 >"$MNT/control/pause"
	wait_for 20 seen_again || fail "$1, paused: $(head -n 4 "$MNT/health")"
	objects=$(sed -n 's/^events_newobject //p' "$MNT/stats")
	echo >&8
	more_objects() { [ "$(sed -n 's/^events_newobject //p' "$MNT/stats")" -gt "$objects" ]; }
	wait_for 20 more_objects || fail "$1: no probe is in again"
}
say_and_see drop "^warning not seen: what is told by [1-9] of [0-9]* breakpoints, of runtime.newobject.*: it dropped the pages"
say_and_see "drop all" "^warning not seen: all that probes tell of this process: it dropped the pages"
stop_xgotopfs
exec 8>&-
# While nothing is probed: a breakpoint that a program copies is nobody's, and it dies of it.
run "$moved" -wait
trace -pid "$PID"
wait_verdict "not moved yet" "good"
echo 1 >"$MNT/control/pause"
echo >&8
wait_for 20 grep -q ready "$T/said" || fail "the code was not moved: $(cat "$T/err")"
echo 0 >"$MNT/control/pause"
wait_verdict "moved under our eyes" incomplete
stop_xgotopfs
exec 8>&-
