#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Without a mount point: events on stdout, the statistics line, -s, the metrics file, closed pipes.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
own_demo
start_demo "$DEMO_BINARY"
cd "$T" || exit 1

# Every line is an event line; messages are on stderr.
start_xgotopfs -pid "$DEMO" -mfp run1
wait_ready
load -n 300 -path /spawn?n=5
sampled() { grep -q ' RPS ' "$LOG"; }
wait_for 10 sampled || fail "no statistics line"
stop_xgotopfs INT
odd=$(grep -vE '^[0-9]{10}\.[0-9]{9} [0-9]+ (casgstatus|newobject|makeslice|makemap|newgoroutine|goexit)( |$)' "$T/out" | head -n 3)
[ -z "$odd" ] || fail "odd lines: $odd"
# The 300 requests' own goroutines, each created and ended once.
expect "creations of main.fill" "$(grep -c ' newgoroutine .*func=main.fill' "$T/out")" 1500
for field in RPS PPS EWP LAT PRC BPS BFL QWL; do
	grep -qE " $field [0-9]" "$LOG" || fail "no $field in: $(grep RPS "$LOG" | head -n 1)"
done
grep -qE 'LAT [0-9]+ ns' "$LOG" || fail "LAT has no unit"

# A log, or any other file, that may grow no further does not kill it.
status=$(ulimit -f 0; "$XGOTOPFS" -help >"$T/no_room" 2>/dev/null; echo $?)
expect "status of -help with no room" "$status" 1
fresh "$T/no_room"
head -c 1M /dev/zero >>"$T/no_room"
(ulimit -f 1024; exec "$XGOTOPFS" -s -pid "$DEMO" "$MNT" >/dev/null 2>>"$T/no_room") &
XPID=$!
wait_for "$PATIENCE" test -s "$MNT/stats" || fail "a log that may not grow ends it"
kill -INT "$XPID"
wait "$XPID"
expect "its exit status" $? 0
XPID=
# None at all: it mounts, as nothing that it needs is a file's size.
(ulimit -f 0; exec "$XGOTOPFS" -s -pid "$DEMO" "$MNT" 2>&1) > >(cat >"$T/said") &
XPID=$!
wait_for "$PATIENCE" test -s "$MNT/stats" || fail "with ulimit -f 0: $(cat "$T/said")"
kill -INT "$XPID"
wait "$XPID"
expect "its exit status" $? 0
XPID=

# The metrics file: the original's arrays, all as long, and counts that fit what was printed.
file=$(ls metrics_????-??-??-??-??-??__run1.json) || fail "no metrics file: $(ls)"
expect "arrays" "$(jq -c '[.rps, .pps, .ewp, .lat, .prc, .bps, .bfl, .qwl, .ts | length] | unique | length' "$file")" 1
jq -e '.ts | length > 0' "$file" >/dev/null || fail "the metrics file has no samples"
type=0
for event in casgstatus makeslice makemap newobject newgoroutine goexit; do
	expect "event_counts of $event" "$(jq ".event_counts[\"$type\"]" "$file")" \
		"$(grep -cE "^[0-9.]+ [0-9]+ $event( |$)" "$T/out")"
	type=$((type + 1))
done
start_xgotopfs -pid "$DEMO" -s -mft
wait_ready
load -n 30
stop_xgotopfs INT
[ -f metrics.json ] || fail "-mft: no metrics.json"
[ ! -s "$T/out" ] || fail "-s prints events"
start_xgotopfs -pid "$DEMO" -s -mft -mfp x
wait_ready
stop_xgotopfs INT
[ -f metrics__x.json ] || fail "-mft -mfp: no metrics__x.json"

# Only what -sample names.
start_xgotopfs -pid "$DEMO" -sample newgoroutine:1
wait_ready
load -n 60
stop_xgotopfs INT
[ -s "$T/out" ] || fail "nothing sampled"
expect "other events" "$(grep -cv ' newgoroutine ' "$T/out")" 0

# | head: a closed pipe ends it, and that is no error. (Load, or it would not notice.)
"$DEMO_BINARY" -load "$URL" -rate 100 2>/dev/null &
loader=$!
on_exit "end $loader"
timeout $((60 * SLACK)) "$XGOTOPFS" -pid "$DEMO" 2>"$LOG" | head -n 5 >"$T/head"
expect "status under head" "${PIPESTATUS[0]}" 0
expect "lines" "$(wc -l <"$T/head")" 5
timeout $((60 * SLACK)) "$XGOTOPFS" -pid "$DEMO" 2>"$LOG" >/dev/full
status=$?
expect "status with a full disk ($(cat "$LOG"))" "$status" 1
grep -q "No space left" "$LOG" || fail "no word of the full disk: $(cat "$LOG")"

# The target ends: so do we, with everything printed.
start_xgotopfs -pid "$DEMO"
wait_ready
kill -INT "$DEMO"
ended 0
says "has exited" || fail "no word of the end"
