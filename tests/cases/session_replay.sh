#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Replaying into a mounted tree: sessions the original recorded (tests/data/original), and one of
# ours. Pause, speed, and seek both ways through control/replay: the tree shows the state of that
# moment, exactly; tail -f lives through it; sizes stay true.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_root
need jq curl
[ -c /dev/fuse ] || skip "no /dev/fuse"
TYPES="casgstatus makeslice makemap newobject newgoroutine goexit"

control() { echo "$*" >"$MNT/control/replay" || fail "control/replay refuses: $*"; }
replay_key() { sed -n "s/^$1 //p" "$MNT/control/replay"; }
replay_is() { [ "$(replay_key "$1")" = "$2" ]; }
stats_key() { sed -n "s/^$1 //p" "$MNT/stats"; }
start_replay() { start_xgotopfs -replay "$@" -s "$MNT"; wait_ready; }
wait_done() { wait_for 60 replay_is state done || fail "no end: $(cat "$MNT/control/replay")"; }

# counts_are LINES: what the tree has counted is what these lines of JSON hold.
counts_are() {
	local type=0 name
	total_is() { [ "$(stats_key events_total)" = "$1" ]; } # a text may be a moment old
	wait_for 20 total_is "$(wc -l <"$1")" || fail "$(stats_key events_total) events, wanted those of $1"
	for name in $TYPES; do
		expect "$name of $1" "$(stats_key "events_$name")" "$(grep -c "\"event_type\":$type," "$1")"
		type=$((type + 1))
	done
}

# --- the original's, in both formats, and converted to the other -----------------------------------
for session in "$ROOT"/tests/data/original/*/; do
	"$XGOTOPFS" -convert "$session" -out "$T/lines" || fail "no conversion of $session"
	[ ! -f "$session/events.jsonl" ] || cmp "$session/events.jsonl" "$T/lines" || fail "not as recorded"
	mkdir -p "$T/pb"
	cp "$session/metadata.json" "$T/pb"
	"$XGOTOPFS" -convert "$session" -to protobuf -out "$T/pb/events.pb" || fail "no conversion to protobuf"
	"$XGOTOPFS" -convert "$T/pb" | cmp - "$T/lines" || fail "changed by converting to protobuf and back"
	for folder in "$session" "$T/pb"; do
		start_replay "$folder" -speed 0
		wait_done
		expect "events of $folder" "$(replay_key events)" "$(wc -l <"$T/lines")"
		expect "lines of events" "$(wc -l <"$MNT/events")" "$(wc -l <"$T/lines")"
		expect "goroutine and kind of the events" \
			"$(sed 's/^[^ ]* \([0-9]*\) \([a-z]*\).*/\1 \2/' "$MNT/events" | md5sum)" \
			"$(jq -r --arg types "$TYPES" '"\(.goroutine) \(($types / " ")[.event_type])"' "$T/lines" | md5sum)"
		counts_are "$T/lines"
		[ "$(ls "$MNT/goroutines" | wc -l)" -gt 100 ] || fail "few goroutines"
		expect "pid" "$(stats_key pid)" "$(jq .pid "$session/metadata.json")"
		stop_xgotopfs
	done
	rm -r "$T/pb"
done

# --- two processes: lines of the first may name none ------------------------------------------------
mkdir "$T/two"
echo '{"pid":71,"binary_path":"/bin/x","wall_offset_ns":0,"go_version":"go1.26.8"}' >"$T/two/metadata.json"
line() { # TIME GOROUTINE SIZE [PID]
	echo "{\"timestamp\":$1,\"event_type\":3,\"goroutine\":$2,\"parent_goroutine\":0,\"attributes\":[$3,25,0,0,0]${4:+,\"pid\":$4}}"
}
{ line 1000 5 16; line 2000 5 32 72; line 3000 6 64 71; line 4000 7 128 72; } >"$T/two/events.jsonl"
for folder in "$T/two" "$T/two.pb"; do
	start_replay "$folder" -speed 0
	wait_done
	expect "processes" "$(echo $(ls "$MNT/processes"))" "71 72"
	expect "goroutines of 71" "$(echo $(ls "$MNT/processes/71/goroutines"))" "5 6"
	expect "goroutines of 72" "$(echo $(ls "$MNT/processes/72/goroutines"))" "5 7"
	expect "events of 72" "$(sed -n 's/^events_newobject //p' "$MNT/processes/72/stats")" 2
	stop_xgotopfs
	[ -d "$T/two.pb" ] && break
	mkdir "$T/two.pb"
	cp "$T/two/metadata.json" "$T/two.pb"
	"$XGOTOPFS" -convert "$T/two" -to protobuf -out "$T/two.pb/events.pb" || fail "no conversion"
done
"$XGOTOPFS" -convert "$T/two.pb" | jq -c '[.timestamp, .pid]' >"$T/pids"
expect "pids" "$(echo $(cat "$T/pids"))" "[1000,null] [2000,72] [3000,null] [4000,72]"

# --- one of ours: 300,000 events ------------------------------------------------------------------
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
[ -x "$TOOL" ] || fail "$TOOL is not built"
id=$("$TOOL" record "$T/s" protobuf 300000 1000) || fail "no recording"
"$XGOTOPFS" -convert "$id" -storage-dir "$T/s" -out "$T/lines" || fail "no conversion"
first=$(head -n 1 "$T/lines" | jq .timestamp)
last=$(tail -n 1 "$T/lines" | jq .timestamp)
length=$((last - first))
# before NS: the lines up to there, as a seek applies them.
before() { awk -F'[:,]' -v t=$((first + $1)) '$2 < t' "$T/lines"; }
third=$((length / 3)) half=$((length / 2))
before $third >"$T/third"
before $half >"$T/half"

# Printed as fast as it goes, with little memory: every event, in order; then it ends by itself.
timeout $((60 * SLACK)) "$XGOTOPFS" -replay "$id" -storage-dir "$T/s" -speed 0 -retain 1000 2>"$LOG" >"$T/printed" || fail "$(cat "$LOG")"
grep -q "replayed 300000 events" "$LOG" || fail "it does not say how many: $(cat "$LOG")"
expect "what it printed" \
	"$(sed 's/^[^ ]* \([0-9]*\) \([a-z]*\).*/\1 \2/' "$T/printed" | md5sum)" \
	"$(jq -r --arg types "$TYPES" '"\(.goroutine) \(($types / " ")[.event_type])"' "$T/lines" | md5sum)"
timeout $((60 * SLACK)) "$XGOTOPFS" -replay "$id" -storage-dir "$T/s" -speed 0 -retain 1000 2>"$LOG" | head -n 10 >/dev/null
expect "status of | head" "${PIPESTATUS[0]}" 0

start_replay "$id" -storage-dir "$T/s" -speed 0.000001
control pause
wait_for 10 replay_is state paused || fail "it does not pause"
expect "duration" "$(replay_key duration_ns)" "$length"

# state_at FILE: all the tree says of its goroutines, but for how long ago that is.
state_at() {
	cat "$MNT/goroutines.tsv" >"$1"
	for goid in $(ls "$MNT/goroutines" | head -n 50); do cat "$MNT/goroutines/$goid"/{status,stats,allocations}; done >>"$1"
}
stripped() { sed -E '/^(.*_ago|age|state_for|.*_since)[a-z_]* /d' "$1"; }
at() { replay_is events "$(wc -l <"$1")"; }
seek() { # seek NS LINES
	control "seek ${1}ns"
	wait_for 30 at "$2" || fail "after seek $1: $(cat "$MNT/control/replay"), wanted $(wc -l <"$2") events"
	counts_are "$2"
}
seek $third "$T/third"
state_at "$T/first_time"
size=$(stat -c %s "$MNT/events")
fresh "$T/followed"
tail -n +1 -s 0.05 -f "$MNT/events" >"$T/followed" 2>"$T/tail.err" &
TAIL=$!
on_exit "end $TAIL"
has_read() { [ "$(stat -c %s "$T/followed")" -ge "$1" ]; }
wait_for 10 has_read "$size" || fail "tail reads nothing"
expect "lines of events" "$(wc -l <"$T/followed")" "$(wc -l <"$T/third")"

exec 5<"$MNT/events"
head -c 1000 <&5 >/dev/null # a reader in the middle of the file
seek $half "$T/half"
[ "$(stat -c %s "$MNT/events")" -gt "$size" ] || fail "it does not grow"
size=$(stat -c %s "$MNT/events")
expect "lines of events" "$(wc -l <"$MNT/events")" "$(wc -l <"$T/half")"

# Back: the earlier state, to the letter; the text goes on, and what went is told.
seek $third "$T/third"
state_at "$T/second_time"
cmp <(stripped "$T/first_time") <(stripped "$T/second_time") || fail "another state: $(diff "$T/first_time" "$T/second_time" | head)"
[ "$(stat -c %s "$MNT/events")" -gt "$size" ] || fail "its size went back"
expect "lines of a new reader" "$(cat "$MNT/events" | wc -l)" "$(wc -l <"$T/third")"
cat <&5 >"$T/rest"
exec 5<&-
grep -q ' 0 trimmed count=[1-9]' "$T/rest" || fail "the reader in the middle is not told what went"

# On to the end, from a pause: tail follows through all of it.
control speed 0
control resume
wait_done
counts_are "$T/lines"
tail_is_there() { [ "$(tail -n 1 "$T/followed")" = "$(tail -n 1 "$MNT/events")" ]; }
wait_for 20 tail_is_there || fail "tail -f lost it: $(cat "$T/tail.err")"
[ ! -s "$T/tail.err" ] || fail "tail complains: $(cat "$T/tail.err")"
kill -0 $TAIL || fail "tail has ended"

# From the end back to the start and through again.
control pause
control seek 0
wait_for 10 replay_is events 0 || fail "not at the start: $(cat "$MNT/control/replay")"
wait_for 20 total_is 0 || fail "events at the start: $(stats_key events_total)"
control resume
wait_done
expect "events" "$(replay_key events)" 300000
wait_for 20 tail_is_there || fail "tail -f lost it"
before=$(cat "$MNT/control/replay")
for bad in "seek" "seek -1" "seek x" "speed -1" "speed" "stop" "pause 1" "speed nan" "speed inf" "speed 1e400" "speed 0x1" \
	"speed 18446744073709551616" "seek 18446744073.709551616s" "seek 99999999999999999999" "seek nan" "seek 1s,speed 2" \
	"speed 2 seek 1s"; do
	{ echo "$bad" >"$MNT/control/replay"; } 2>/dev/null && fail "control/replay took '$bad'"
	expect "after '$bad'" "$(cat "$MNT/control/replay")" "$before"
done
stop_xgotopfs

# --- somebody writes over it, in place and to the same length, while it is looked at: it is said, and what is then in the
# file is not mixed with what was read. Another one by the same name is none of that.
mkdir "$T/over"
cp "$T/two/metadata.json" "$T/over"
for n in $(seq 3000); do line $((1000 * n)) 5 16; done >"$T/over/events.jsonl"
sed 's/"goroutine":5,/"goroutine":8,/' "$T/over/events.jsonl" >"$T/other"
changed() { grep -q '^warning the session.s file was changed in place while it was read' "$MNT/health"; }
start_replay "$T/over" -speed 0
wait_done
control pause
control seek 0
mv "$T/other" "$T/over/events.jsonl"
control resume
wait_done
! changed || fail "another file in its place: $(cat "$MNT/health")"
expect "goroutines" "$(echo $(ls "$MNT/goroutines"))" 5
stop_xgotopfs
start_replay "$T/over" -speed 0
wait_done
! changed || fail "before: $(cat "$MNT/health")"
control pause
control seek 0
sed 's/"goroutine":8,/"goroutine":9,/' "$T/over/events.jsonl" >"$T/other"
cat "$T/other" >"$T/over/events.jsonl"
control resume
wait_done
wait_for 10 changed || fail "not told: $(cat "$MNT/health")"
wait_for 5 grep -q '^verdict incomplete' "$MNT/health" || fail "the verdict: $(cat "$MNT/health")"
grep -q 'changed in place' "$LOG" || fail "not logged: $(cat "$LOG")"
[ ! -d "$MNT/goroutines/9" ] || fail "both are mixed: $(ls "$MNT/goroutines")"
stop_xgotopfs

# All at once, and more than is retained: the timeline misses none of it, however long it takes.
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
id=$("$TOOL" record "$T/long" protobuf 1500000 300) || fail "nothing is recorded"
start_xgotopfs -replay "$T/long/$id" -speed 0 -retain 50000 -s -web -web-port 0 "$MNT"
wait_ready
wait_web
wait_done
expect "what the timeline missed" "$(awk -F'\t' '$1 == "timeline_missed" { print $2 }' "$MNT/losses.tsv")" 0
expect "pyramid_missed" "$(curl -fs "${WEB}api/info" | jq .pyramid_missed)" 0
stop_xgotopfs
