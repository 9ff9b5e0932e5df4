#!/bin/bash
# A disk that fills up: one message, the rest of the program goes on, the session stays readable.
# timeout: 60
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
