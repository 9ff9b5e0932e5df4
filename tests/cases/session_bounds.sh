#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What bounds a recording of a live program: -storage-max-size rotates old sessions away while it
# goes on, and a full disk ends it with one message and a count, and never the tracing.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
own_demo "" stripped
start_demo "$DEMO_BINARY"
total() { sed -n 's/^events_total //p' "$MNT/stats"; }

# --- at most 1 MiB of sessions ---------------------------------------------------------------------
for format in protobuf jsonl; do
	rm -rf "$T/s"
	mount_demo -s -storage-dir "$T/s" -storage-format $format -storage-max-size 1M
	first=$(ls "$T/s")
	rotated() { [ ! -e "$T/s/$first" ]; }
	for round in $(seq 40); do
		load -n 200 -c 2
		bytes=$(cat "$T/s"/*/* | wc -c)
		# A batch and the metadata may come on top before the recorder looks.
		[ "$bytes" -lt $((1024 * 1024 + 300000)) ] || fail "$bytes bytes of $format sessions"
		rotated && [ "$(ls "$T/s" | wc -l)" -gt 1 ] && break
	done
	rotated || fail "the first session stays"
	# Between the end of one and the beginning of the next there is a moment.
	newest() { "$XGOTOPFS" -sessions -storage-dir "$T/s" | tail -n 1; }
	newest_runs() { newest | grep -q " running "; }
	wait_for 10 newest_runs || fail "the newest is not the running one: $(newest)"
	stop_xgotopfs
	# Each goes on where the one before it ended.
	while read -r id; do
		[ -z "${before:-}" ] || expect "the one before $id" "$(jq -r .continues "$T/s/$id/metadata.json")" "$before"
		before=$id
		expect "lines of $id" "$("$XGOTOPFS" -convert "$T/s/$id" | wc -l)" "$(jq .event_count "$T/s/$id/metadata.json")"
	done < <("$XGOTOPFS" -sessions -storage-dir "$T/s" | sed '1d; s/ .*//')
	before=
done

# --- a disk of 512 KiB ----------------------------------------------------------------------------
mkdir "$T/small"
mount -t tmpfs -o size=512k tmpfs "$T/small" || skip "no tmpfs here"
on_exit "umount $T/small"
mount_demo -s -record -storage-dir "$T/small/s"
stopped() { grep -q "recording stopped: No space left on device" "$LOG"; }
for round in $(seq 40); do
	load -n 200 -c 2
	stopped && break
done
wait_for 5 stopped || fail "it does not notice: $(df "$T/small"; cat "$LOG")"
expect "messages" "$(grep -c "recording stopped" "$LOG")" 1
seen=$(total)
load -n 50 -c 1
goes_on() { [ "$(total)" -gt "$((seen + 500))" ]; }
wait_for 10 goes_on || fail "the tracing stopped, too"
wait_for 5 grep -q '^verdict' "$MNT/health" || fail "no health"
kill -INT "$XPID"
ended 1
grep -qE "recording stopped: No space left on device; [0-9]+ events are missing from it" "$LOG" || fail "it does not count what is missing: $(cat "$LOG")"
timeout $((60 * SLACK)) "$XGOTOPFS" -replay "$T/small/s"/* -speed 0 2>"$LOG" | wc -l >"$T/replayed"
[ "$(cat "$T/replayed")" -gt 1000 ] || fail "little of it can be replayed"
! grep -q "ends early" "$LOG" || fail "it ends in a torn record: $(cat "$LOG")"
unharmed "$DEMO"
