#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Recording a live program and replaying it, with the program itself: what was counted live is
# counted in the replay, names and all; the tree of a replay answers control/replay; a recording
# killed with -9 is still good.
# timeout: 240
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
own_demo "" stripped
start_demo "$DEMO_BINARY"
cd "$T" || exit 1

key_of() { sed -n "s/^$1 //p" "$MNT/stats"; }
# The last event may not have been read yet: it is not before the program was stopped that nothing is to come.
silent() { for since in "$(key_of last_event_unix_ns)" "$STOPPED"; do [ $(($(date +%s%N) - since)) -gt 1500000000 ] || return; done; }

for format in protobuf jsonl; do
	rm -rf "$T/s"
	mount_demo -s -record -storage-dir "$T/s" -storage-format $format
	id=$(ls "$T/s")
	load -n 300 -c 2
	wait_for 5 grep -q main.Request "$MNT/events" || fail "no type names live"
	kill -STOP "$DEMO"
	STOPPED=$(date +%s%N)
	wait_for 30 silent || fail "it goes on: $(cat "$MNT/stats")"
	expect "listed while it runs" "$(ls "$MNT/sessions" 2>/dev/null | head -n 1)" "$id"
	stop_xgotopfs
	kill -CONT "$DEMO"
	meta=$T/s/$id/metadata.json
	# A program that hangs does nothing, and has hung for as long as was recorded.
	until=$(jq .recorded_until_ns "$meta")
	[ $((until - $(jq .last_event_ns "$meta"))) -ge 1000000000 ] || fail "of a second without an event: $(cat "$meta")"
	expect "mode of metadata.json" "$(stat -c %a "$meta")" 600
	[ "$(jq .event_count "$meta")" -gt 10000 ] || fail "few events: $(cat "$meta")"
	expect "lost" "$(jq .lost_events "$meta")" 0
	expect "missed" "$(jq .missed_events "$meta")" 0
	expect "go version" "$(jq -r .go_version "$meta" | cut -c1-3)" go1
	jq -e .end_time "$meta" >/dev/null || fail "no end_time"

	start_xgotopfs -replay "$id" -storage-dir "$T/s" -speed 0 -s "$MNT"
	wait_ready
	ended_replay() { grep -q '^state done' "$MNT/control/replay"; }
	wait_for 30 ended_replay || fail "the replay does not end: $(cat "$MNT/control/replay")"
	expect "the present of a replay at its end" "$(($(key_of attached_unix_ns) + $(key_of uptime_ns)))" \
		"$((until + $(sed -n 's/.*"wall_offset_ns": \([0-9]*\).*/\1/p' "$meta")))" # jq rounds it
	# Its position and its length are up to there, too.
	duration=$((until - $(jq .first_event_ns "$meta")))
	expect "the end of a replay" "$(grep -E '^(position|duration)_ns' "$MNT/control/replay" | paste -sd' ')" \
		"position_ns $duration duration_ns $duration"
	for type in 0 1 2 3 4 5; do
		name=$(echo casgstatus makeslice makemap newobject newgoroutine goexit | cut -d' ' -f$((type + 1)))
		expect "$name" "$(sed -n "s/^events_$name //p" "$MNT/stats")" "$(jq ".event_counts.\"$type\"" "$meta")"
	done
	wait_for 5 grep -q 'newobject type=main.Request' "$MNT/events" || fail "no type names in the replay"
	wait_for 5 grep -q 'func=main.fill' "$MNT/events" || fail "no function names in the replay"
	if [ $format = protobuf ]; then # who was there before us is in the recording, too
		expect "goroutine 1" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
	fi
	echo pause >"$MNT/control/replay" || fail "no pause"
	echo "seek 0" >"$MNT/control/replay" || fail "no seek"
	at_start() { grep -q '^events 0$' "$MNT/control/replay"; }
	wait_for 10 at_start || fail "it does not go back: $(cat "$MNT/control/replay")"
	{ echo nonsense >"$MNT/control/replay"; } 2>/dev/null && fail "control/replay took nonsense"
	grep -q 'control/replay: "nonsense" is not taken: pause' "$LOG" || fail "nothing says why: $(cat "$LOG")"
	stop_xgotopfs
done

# kill -9 while it records.
rm -rf "$T/s"
mount_demo -s -record -storage-dir "$T/s"
id=$(ls "$T/s")
load -n 300 -c 2
recorded() { [ "$(stat -c %s "$T/s/$id/events.pb")" -gt 100000 ]; }
wait_for 10 recorded || fail "nothing is written"
kill_xgotopfs
start_xgotopfs -replay "$T/s/$id" -speed 0 -s "$MNT"
wait_ready
wait_for 30 ended_replay || fail "the replay does not end: $(cat "$MNT/control/replay")"
[ "$(sed -n 's/^events_newobject //p' "$MNT/stats")" -gt 1000 ] || fail "little was replayed"
stop_xgotopfs
