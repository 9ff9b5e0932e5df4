#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Very many processes of a binary that end at once: each is followed and counted, none is taken for another
# that had its number, and neither memory, descriptors nor folders grow. A slice; all 10,000:
# XGOTOPFS_PROCESSES=10000 tests/cases/brief_processes.sh
# timeout: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
N=${XGOTOPFS_PROCESSES:-$([ -n "${XGOTOPFS_SANITIZED:-}" ] && echo 700 || echo 1500)}
APP=$T/brief
cp "$("$ROOT/tests/targets/build.sh" local stripped brief)" "$APP" || fail "the program does not build"

# run N: so many processes of it, some at a time.
run() { seq "$1" | xargs -P 4 -I{} "$APP" || fail "a process failed"; }
seen() { sed -n 's/^processes_seen //p' "$MNT/stats" 2>/dev/null; }
seen_are() { [ "$(seen)" = "$1" ]; }
objects() { grep -c ' newobject type=main.Marker ' "$MNT/events"; }
objects_are() { [ "$(objects)" = "$1" ]; }
fds() { ls "/proc/$XPID/fd" | wc -l; }
rss() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$XPID/status"; }
all_ended() { ! grep -qs '^state running' "$MNT"/processes/*/stats; }

start_xgotopfs -b "$APP" -sample newobject:1,newgoroutine:1 -retain $((N * 60)) "$MNT"
wait_ready
half=$((N / 2))
run $half
wait_for 20 objects_are $half || fail "$(objects) objects of $half processes"
fds_before=$(fds) rss_before=$(rss)
run $((N - half))
wait_for 20 objects_are "$N" || fail "$(objects) objects of $N processes: $(tail -n 3 "$LOG")"
expect "processes" "$(seen)" "$N"
expect "goroutines of main.work" "$(grep -c ' newgoroutine .* func=main.work ' "$MNT/events")" "$N"
expect "main goroutines" "$(grep -c ' newgoroutine child=1 ' "$MNT/events")" "$N"
# The pid stands in each line, whether its process is still kept or not.
expect "lines without a pid" "$(grep -c ' newobject type=main.Marker ' "$MNT/events")" \
	"$(grep ' newobject type=main.Marker ' "$MNT/events" | grep -c ' pid=[1-9]')"
expect "processes followed, by the log" "$(grep -c "following process" "$LOG")" "$N"
! grep -q "not followed" "$LOG" || fail "$(grep -m 3 "not followed" "$LOG")"
wait_for 20 all_ended || fail "some do not end"
folders=$(ls "$MNT/processes" | wc -l)
[ "$folders" -le 513 ] || fail "$folders folders of processes"
expect "kept and dropped" $((folders + $(sed -n 's/^processes_dropped //p' "$MNT/stats"))) "$N"
# What is kept is of one process: one main goroutine, one object.
for p in $(ls "$MNT/processes" | tail -n 20); do
	expect "objects of $p" "$(grep -c ' newobject type=main.Marker ' "$MNT/processes/$p/events")" 1
	expect "main goroutines of $p" "$(grep -c ' newgoroutine child=1 ' "$MNT/processes/$p/events")" 1
done
[ "$(fds)" -le $((fds_before + 3)) ] || fail "descriptors: $fds_before, then $(fds)"
echo "memory: $rss_before kB after $half processes, $(rss) kB after $N"
# Of that, what the events themselves take.
[ -n "${XGOTOPFS_SANITIZED:-}" ] || [ "$(rss)" -le $((rss_before + 20000 + N * 60 * 80 / 1024)) ] || fail "memory grows"
kill -INT "$XPID"
ended 0
grep -q ", 0 lost" "$LOG" || fail "$(tail -n 3 "$LOG")"
