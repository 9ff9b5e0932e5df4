#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A disk that fills up: one message, the rest of the program goes on, the session stays readable, and
# health, stats, metrics, the API, the statistics line and the exit status say it.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
need_root
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
[ -x "$TOOL" ] || fail "$TOOL is not built"
mkdir "$T/small"
mount -t tmpfs -o size=512k tmpfs "$T/small" || skip "no tmpfs here"
on_exit "umount $T/small"

for format in protobuf jsonl; do
	"$TOOL" record "$T/small/s" $format 200000 1000 >"$T/id" 2>"$T/log" && fail "it did not notice"
	expect "messages" "$(grep -c 'recording stopped' "$T/log")" 1
	grep -q 'No space left on device' "$T/log" || fail "it does not say why: $(cat "$T/log")"
	id=$(cat "$T/id")
	"$TOOL" replay "$T/small/s" "$id" >"$T/replayed" || fail "no replay"
	expect "missing bytes" "$(sed -n 's/^missing_bytes //p' "$T/replayed")" 0
	[ "$(sed -n 's/^events //p' "$T/replayed")" -gt 0 ] || fail "nothing was replayed"
	rm -rf "$T/small/s"
done

# The program itself says so wherever one would look, at once and at its end.
"$XGOTOPFS" -doctor >"$T/doctor" 2>&1 || exit 0 # this machine cannot trace
. "$(dirname "$0")/../app_lib.sh"
need curl jq
own_demo "" stripped
start_demo "$DEMO_BINARY"
REASON="No space left on device"
began=$(date +%s)
head -c 200k /dev/zero >"$T/small/filler"
mount_demo -s -web -web-port 0 -storage-dir "$T/small/s"
wait_web
id=$(ls -I settings.json "$T/small/s")
expect "recording" "$(curl -s "${WEB}api/sessions" | jq '.[0].recording')" true
expect "health while it goes on" "$(sed -n 's/^recording //p' "$MNT/health")" running
expect "metrics while it goes on" "$(sed -n 's/^xgotopfs_recording_running //p' "$MNT/metrics")" 1
load -n 3000 -c 2 >"$T/load.out"
stopped() { grep -q "recording stopped: $REASON" "$LOG"; }
wait_for 20 stopped || fail "the disk does not fill up"
load -n 100 -c 2 >"$T/load.out" # what is not recorded
wait_for 5 grep -q '^verdict incomplete' "$MNT/health" || fail "health: $(cat "$MNT/health")"
wait_for 5 grep -q "^warning recording stopped: $REASON; [1-9][0-9]* events that came since" "$MNT/health" || fail "health: $(cat "$MNT/health")"
for file in health stats; do
	not_recorded() { [ "$(sed -n 's/^not_recorded_events //p' "$MNT/$file")" -gt 100 ]; }
	wait_for 5 not_recorded || fail "$file: $(cat "$MNT/$file")"
	expect "$file" "$(sed -n 's/^recording //p' "$MNT/$file")" stopped
	expect "$file: by what" "$(sed -n 's/^recording_stopped_by //p' "$MNT/$file")" "$REASON"
	at=$(sed -n 's/^recording_stopped_unix_ns //p' "$MNT/$file")
	[ $((at / 1000000000)) -ge "$began" ] && [ $((at / 1000000000)) -le "$(date +%s)" ] || fail "$file: stopped at '$at'"
done
curl -s "${WEB}metrics" >"$T/metrics"
for want in "recording_running 0" "recording_stopped 1" 'not_recorded_events_total [1-9].*' 'recorded_events_total [1-9].*' \
	"recording_stopped_timestamp_seconds $((at / 1000000000))[.][0-9]*"; do
	grep -qx "xgotopfs_$want" "$T/metrics" || fail "/metrics lacks $want: $(grep record "$T/metrics")"
done
for path in api/sessions "api/sessions/$id"; do
	curl -s "$WEB$path" | jq -c 'if type == "array" then .[0] else . end' >"$T/session"
	expect "$path" "$(jq -c '[.id, .recording, .state, .stopped]' "$T/session")" "[\"$id\",false,\"stopped\",\"$REASON\"]"
	[ "$(jq .not_recorded "$T/session")" -gt 100 ] || fail "$path: $(cat "$T/session")"
	expect "$path: when" "$(date -d "$(jq -r .stopped_time "$T/session")" +%s)" $((at / 1000000000))
done
expect "/api/info" "$(curl -s "${WEB}api/info" | jq -c '.recording | [.state, .session, .stopped]')" "[\"stopped\",\"$id\",\"$REASON\"]"
rm "$T/small/filler"
written() { jq -e .stopped_time "$T/small/s/$id/metadata.json" >/dev/null; }
wait_for 20 written || fail "metadata.json does not say it: $(cat "$T/small/s/$id/metadata.json")"
kill -INT "$XPID"
ended 1
grep -q "recording stopped: $REASON; [1-9][0-9]* events are missing from it" "$LOG" || fail "at the end: $(cat "$LOG")"
expect "metadata.json" "$(jq -c '[.stopped, .end_time == .stopped_time]' "$T/small/s/$id/metadata.json")" "[\"$REASON\",true]"
[ "$(jq .not_recorded_events "$T/small/s/$id/metadata.json")" -gt 100 ] || fail "$(cat "$T/small/s/$id/metadata.json")"
"$XGOTOPFS" -sessions -storage-dir "$T/small/s" | grep -q "^$id .* stopped  " || fail "-sessions does not say it"
# What cannot be written is what it is converted to, not the session.
for form in jsonl protobuf perfetto; do
	"$XGOTOPFS" -convert "$id" -to "$form" -storage-dir "$T/small/s" >/dev/full 2>"$T/log" && fail "$form is written to a full device"
	grep -q "^xgotopfs: session $id: what it is converted to cannot be written: $REASON$" "$T/log" || fail "$form: $(cat "$T/log")"
done

# A replay of it says what it lacks.
start_xgotopfs -replay "$id" -speed 0 -s -storage-dir "$T/small/s" "$MNT"
wait_ready
expect "health of the replay" "$(sed -n 's/^recording_stopped_by //p' "$MNT/health")" "$REASON"
stop_xgotopfs

# The statistics line, and the status without a mount.
rm -rf "$T/small/s"
head -c 300k /dev/zero >"$T/small/filler"
start_xgotopfs -pid "$DEMO" -s -record -storage-dir "$T/small/s"
wait_ready
load -n 3000 -c 2 >"$T/load.out"
wait_for 20 stopped || fail "the disk does not fill up"
line() { grep -q "RPS .* of a CPU (most by [a-z]*, [0-9.]*%)  audit [a-z ,.0-9]*  recording stopped: $REASON\$" "$LOG"; }
wait_for 10 line || fail "the statistics line: $(cat "$LOG")"
kill -TERM "$XPID"
ended 1
unharmed "$DEMO"
