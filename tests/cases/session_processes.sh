#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A recording of several processes of a binary (-b), one of which comes later and one of which ends:
# in a replay each has its own, in either format, and converted.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
cp "$DEMO_BINARY" "$T/server" # others may run the demo at the same time
control_is_done() { grep -q '^state done' "$MNT/control/replay"; }

# check FOLDER ONE TWO: replays it, and holds it against its own lines of JSON.
check() {
	local pid
	"$XGOTOPFS" -convert "$1" -out "$T/lines" || fail "no conversion of $1"
	expect "lines without a pid in $1" "$(jq -c 'select(.pid == null)' "$T/lines" | wc -l)" 0
	start_xgotopfs -replay "$1" -speed 0 -s "$MNT"
	wait_ready
	wait_for 30 control_is_done || fail "no end: $(cat "$MNT/control/replay")"
	expect "processes of $1" "$(ls "$MNT/processes" | sort | xargs)" "$(printf '%s\n' "$2" "$3" | sort | xargs)"
	for pid in "$2" "$3"; do
		expect "events of $pid in $1" "$(sed -n 's/^events_total //p' "$MNT/processes/$pid/stats")" \
			"$(grep -c "\"pid\":$pid[,}]" "$T/lines")"
		expect "lines of $pid in $1" "$(wc -l <"$MNT/processes/$pid/events")" "$(grep -c " pid=$pid\b" "$MNT/events")"
	done
	stop_xgotopfs
}

for format in protobuf jsonl; do
	rm -rf "$T/s"
	start_demo "$T/server"
	one=$DEMO
	load -n 50 -c 1
	start_xgotopfs -b "$T/server" -s -record -storage-dir "$T/s" -storage-format $format "$MNT"
	wait_ready
	load -n 50 -c 1
	start_demo "$T/server"
	two=$DEMO
	follows() { [ -d "$MNT/processes/$two" ]; }
	wait_for 10 follows || fail "the second process is not followed: $(cat "$LOG")"
	load -n 50 -c 1
	kill "$one"
	has_ended() { grep -q '^state exited' "$MNT/processes/$one/stats"; }
	wait_for 10 has_ended || fail "it does not notice the end"
	load -n 50 -c 1
	stop_xgotopfs
	end "$two"
	check "$T/s"/* "$one" "$two"
	rm -rf "$T/other"
	mkdir "$T/other"
	cp "$T/s"/*/metadata.json "$T/other"
	if [ $format = protobuf ]; then
		"$XGOTOPFS" -convert "$T/s"/* -out "$T/other/events.jsonl" || fail "no conversion"
	else
		"$XGOTOPFS" -convert "$T/s"/* -to protobuf -out "$T/other/events.pb" || fail "no conversion"
	fi
	check "$T/other" "$one" "$two"
done
