#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Recorded sessions in the tree: events.jsonl of the running one for cat, tail, wc and cp, whatever
# the storage format; the finished one is what -convert makes of it; rm -r deletes a finished session
# and leaves a running one alone. What begins a recording, and what lists it.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
own_demo "" stripped
start_demo "$DEMO_BINARY"
cd "$T" || exit 1

# fails TEXT COMMAND...: fails, and says so with TEXT.
fails() {
	local text=$1
	shift
	! "$@" 2>"$T/err" || fail "worked: $*"
	grep -q "$text" "$T/err" || fail "$*: '$(cat "$T/err")' lacks '$text'"
}
is_prefix() { cmp -n "$(stat -c %s "$1")" "$1" "$2" || fail "$1 is not how $2 begins"; }
grown() { [ "$(stat -c %s "$1")" -gt "$2" ]; }
followed() { [ "$(tail -n 1 "$T/followed")" = "$(tail -n 1 "$1")" ]; }

for format in protobuf jsonl; do
	rm -rf "$T/s"
	mount_demo -s -record -storage-dir "$T/s" -storage-format $format
	id=$(ls "$MNT/sessions")
	dir=$MNT/sessions/$id
	want="events.jsonl metadata.json"
	[ $format = jsonl ] || want="events.jsonl events.pb metadata.json"
	expect "files of a $format session" "$(echo $(ls "$dir"))" "$want"
	load -n 2000 -c 2 >/dev/null &
	LOAD=$!
	wait_for "$PATIENCE" grown "$dir/events.jsonl" 100000 || fail "nothing is recorded"
	fresh "$T/followed"
	tail -n +1 -s 0.1 -f "$dir/events.jsonl" >"$T/followed" &
	TAIL=$!
	on_exit "end $TAIL"
	for round in 1 2 3; do
		size=$(stat -c %s "$dir/events.jsonl")
		cp "$dir/events.jsonl" "$T/copy$round" || fail "no copy"
		cat "$dir/events.jsonl" >"$T/cat$round" || fail "no cat"
		[ "$(stat -c %s "$T/cat$round")" -ge "$size" ] || fail "less than its size: $size"
		[ "$(wc -c <"$dir/events.jsonl")" -ge "$size" ] || fail "it became shorter"
		[ "$(wc -l <"$dir/events.jsonl")" -gt 100 ] || fail "few lines"
		tail -n 3 "$dir/events.jsonl" | jq -e .timestamp >/dev/null || fail "no whole lines at its end"
	done
	jq -e .event_type "$T/cat3" >/dev/null || fail "no events"
	fails "Device or resource busy" rm -r "$dir"
	fails "Device or resource busy" rmdir "$dir"
	expect "files after rm -r of the running session" "$(echo $(ls "$dir"))" "$want"
	wait $LOAD || fail "the load failed"
	wait_for "$PATIENCE" followed "$dir/events.jsonl" || fail "tail -f does not follow"
	"$XGOTOPFS" -sessions -storage-dir "$T/s" | grep -q "^$id .* running" || fail "not listed as running"
	end $TAIL
	wait $TAIL 2>/dev/null
	stop_xgotopfs

	"$XGOTOPFS" -convert "$id" -storage-dir "$T/s" -out "$T/converted" || fail "no conversion"
	for part in "$T"/copy? "$T"/cat? "$T/followed"; do is_prefix "$part" "$T/converted"; done
	"$XGOTOPFS" -sessions -storage-dir "$T/s" >"$T/table"
	grep -q "^$id .* $(jq .pid "$T/s/$id/metadata.json") .* $(wc -l <"$T/converted") .* $format .* done " "$T/table" ||
		fail "not in the table: $(cat "$T/table")"

	# From another mount it is a finished one.
	mount_demo -s -record -storage-dir "$T/s"
	cmp "$dir/events.jsonl" "$T/converted" || fail "not what -convert makes of it"
	expect "its size" "$(stat -c %s "$dir/events.jsonl")" "$(stat -c %s "$T/converted")"
	cmp "$dir/metadata.json" "$T/s/$id/metadata.json" || fail "other metadata"
	[ $format = jsonl ] || cmp "$dir/events.pb" "$T/s/$id/events.pb" || fail "another events.pb"
	fails "Directory not empty" rmdir "$dir"
	fails "Operation not permitted" rm -f "$MNT/stats"
	fails "Operation not permitted" rmdir "$MNT/sessions"
	fails "" sh -c "echo x >$dir/events.jsonl"
	rm -r "$dir" </dev/null || fail "rm -r of a finished session"
	[ ! -e "$dir" ] && [ ! -e "$T/s/$id" ] || fail "it is still there"
	expect "sessions left" "$(ls "$MNT/sessions" | wc -l)" 1
	stop_xgotopfs
done

# In the storage folder, too: then it is gone from the tree.
other=$(ls "$T/s")
mount_demo -s -record -storage-dir "$T/s"
[ -s "$MNT/sessions/$other/metadata.json" ] || fail "no metadata"
rm -r "$T/s/$other"
is_gone() { [ ! -e "$MNT/sessions/$1" ] && ! ls "$MNT/sessions" | grep -q "$1"; }
wait_for 20 is_gone "$other" || fail "deleted, and still in the tree"
stop_xgotopfs
rm -rf "$T/s" "$T/sessions"

# Each of these begins a recording, and nothing else does.
n=0
for option in -record "-web -web-port 0" "-storage-format protobuf" "-storage-dir $T/sessions" \
	"-storage-max-size 1G" "-storage-max-age 7d"; do
	start_xgotopfs -pid "$DEMO" -s $option
	wait_ready
	stop_xgotopfs
	n=$((n + 1))
	expect "sessions after $option" "$(ls "$T/sessions" | wc -l)" $n
done
start_xgotopfs -pid "$DEMO" -s -batch-size 2000
wait_ready
stop_xgotopfs
expect "sessions after a run that does not record" "$(ls "$T/sessions" | wc -l)" $n
expect "modes" "$(stat -c %a "$T/sessions"/* "$T/sessions"/*/* | sort | uniq -c | xargs)" "$((2 * n)) 600 $n 700"
expect "rows of -sessions" "$("$XGOTOPFS" -sessions | wc -l)" $((n + 1))

# A conversion is written whole or not at all; a device is written to.
id=$(ls "$T/sessions" | head -n 1)
"$XGOTOPFS" -convert "$id" -to protobuf -out "$T/pb" || fail "no conversion to protobuf"
"$XGOTOPFS" -convert "$id" -to perfetto -out /dev/null || fail "no conversion to /dev/null"
[ -c /dev/null ] || fail "/dev/null was replaced"
refuses 1 "no such session" -convert 00000000-0000-0000-0000-000000000000 -out "$T/none"
[ ! -e "$T/none" ] && [ ! -e "$T/none.partial" ] || fail "a failed conversion left a file"
