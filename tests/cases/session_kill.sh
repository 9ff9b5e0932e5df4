#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# kill -9 while recording, at random moments: the session is readable up to its last whole batch, a
# JSONL one to its last whole line; the lock is gone, and the session counts as cut off.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
[ -x "$TOOL" ] || fail "$TOOL is not built"

has_some() { [ -s "$1" ] && [ "$(stat -c %s "$1")" -gt "$2" ]; }
for format in protobuf jsonl; do
	file=$([ $format = protobuf ] && echo events.pb || echo events.jsonl)
	for bytes in 1 20000 300000 1000000; do
		fresh "$T/id"
		"$TOOL" record "$T/s" $format 100000000 1000 1000000 >"$T/id" &
		pid=$!
		on_exit "end -KILL $pid"
		wait_for 20 has_some "$T/id" 30 || fail "it does not start"
		id=$(cat "$T/id")
		wait_for 20 has_some "$T/s/$id/$file" "$bytes" || fail "it does not record"
		kill -KILL $pid
		wait $pid 2>/dev/null
		"$TOOL" replay "$T/s" "$id" >"$T/replayed" || fail "no replay after kill -9"
		grep -q '^state done' "$T/replayed" || fail "the replay does not end"
		[ "$(sed -n 's/^events //p' "$T/replayed")" -gt 0 ] || fail "nothing was replayed"
		"$TOOL" list "$T/s" | grep "$id" | grep -q "cut off" || fail "not listed as cut off"
	done
done
