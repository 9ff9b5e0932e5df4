#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who only knows the original's fields reads our sessions: protoc with the original's messages finds
# the same events in events.pb as events.jsonl has, and nothing it does not know in a way that hurts.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
need protoc jq python3
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
[ -x "$TOOL" ] || fail "$TOOL is not built"

cat >"$T/original.proto" <<'P'
syntax = "proto3";
message RuntimeEvent {
	uint64 timestamp = 1;
	uint64 event_type = 2;
	uint32 goroutine = 3;
	uint32 parent_goroutine = 4;
	repeated uint64 attributes = 5;
}
message RuntimeEventBatch { repeated RuntimeEvent events = 1; }
P
id=$("$TOOL" record "$T/s" protobuf 5000 700) || fail "no recording"
"$TOOL" convert "$T/s" "$id" jsonl >"$T/ours.jsonl" || fail "no conversion"

# The framing is not protobuf's: cut it into messages.
mkdir "$T/records"
python3 - "$T/s/$id/events.pb" "$T/records" <<'P' || fail "not framed as the original frames"
import struct, sys
data = open(sys.argv[1], "rb").read()
at = n = 0
while at < len(data):
    marker, length = struct.unpack_from("<II", data, at)
    assert marker == 0xFFFFFFFF and at + 8 + length <= len(data)
    open("%s/%06d" % (sys.argv[2], n), "wb").write(data[at + 8 : at + 8 + length])
    at += 8 + length
    n += 1
P
for record in "$T"/records/*; do
	protoc --proto_path="$T" --decode=RuntimeEventBatch original.proto <"$record" || fail "an old reader cannot read $record"
done >"$T/decoded"

# Its text form back into lines; numbered fields are what it does not know.
python3 - "$T/decoded" >"$T/old.jsonl" <<'P' || fail "cannot read what protoc wrote"
import json, sys
depth = 0
for line in open(sys.argv[1], errors="replace"):
    line = line.strip()
    if line.endswith("{"):
        depth += 1
        if depth == 1 and line == "events {":
            event = {"timestamp": 0, "event_type": 0, "goroutine": 0, "parent_goroutine": 0, "attributes": []}
        elif depth == 1:
            event = None
    elif line == "}":
        depth -= 1
        if depth == 0 and event is not None:
            event["attributes"] = (event["attributes"] + [0] * 5)[:5]
            print(json.dumps(event, separators=(",", ":")))
    elif depth == 1 and event is not None:
        key, value = line.split(": ", 1)
        assert not key.isdigit(), "an unknown field inside an event: " + line
        if key == "attributes":
            event[key].append(int(value))
        else:
            event[key] = int(value)
P
jq -c '{timestamp,event_type,goroutine,parent_goroutine,attributes}' "$T/ours.jsonl" >"$T/want.jsonl"
expect "events an old reader finds" "$(wc -l <"$T/old.jsonl")" 5000
cmp "$T/old.jsonl" "$T/want.jsonl" || fail "an old reader finds other events"
