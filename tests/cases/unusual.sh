#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program whose code may be written, where the kernel puts no breakpoint, and one whose main thread has ended while
# others go on, whose memory cannot be read by its number: said, with what can be done, and never `good`.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
binary=$("$ROOT/tests/targets/build.sh" local plain unusual 2>"$T/build.log") || fail "no target: $(cat "$T/build.log")"
objects() { sed -n 's/^events_newobject //p' "$MNT/stats"; }
health_says() { grep -q "$1" "$MNT/health"; }
go_on() { [ "$(objects)" -gt "$1" ]; }
ask() {
	echo "$1" >&8
	wait_for 20 grep -q "did $1" "$T/target.out" || fail "it does not do $1: $(cat "$T/target.out")"
}

# --- code that may be written
start_target "$binary"
ask rwx
mount_demo
health_says '^verdict incomplete' || fail "nothing is wrong with code that may be written: $(head -n 3 "$MNT/health")"
health_says '^warning not seen: all that probes tell .*(rwx), where the kernel puts no breakpoint' ||
	fail "it does not say why: $(head -n 3 "$MNT/health")"
expect "objects" "$(objects)" 0
ask rx
echo 1 >"$MNT/control/pause"
echo 0 >"$MNT/control/pause"
wait_for 20 go_on 0 || fail "a pause does not put them in: $(head -n 3 "$MNT/health")"
seen() { ! health_says '^warning not seen'; }
wait_for 20 seen || fail "it goes on saying so: $(head -n 3 "$MNT/health")"

# --- its main thread ends
echo leave >&8
wait_for 20 health_says '^warning not seen: what is in its memory .* its main thread has ended while others go on' ||
	fail "the end of the main thread is not said: $(head -n 4 "$MNT/health")"
health_says '^verdict incomplete' || fail "nothing is wrong without its memory: $(head -n 3 "$MNT/health")"
grep -q '^state running' "$MNT/stats" || fail "it is taken for ended: $(head -n 4 "$MNT/stats")"
wait_for 20 go_on "$(objects)" || fail "events do not go on"
stop_xgotopfs
grep -q "warning: process $DEMO: its main thread has ended" "$LOG" || fail "not in the log: $(cat "$LOG")"
[ "$(ls "/proc/$DEMO/task" | wc -l)" -gt 1 ] || fail "the other threads were harmed"
refuses 3 "process $DEMO: its main thread has ended while others go on" -pid "$DEMO"
exec 8>&-
