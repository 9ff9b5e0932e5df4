#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A converted session is a trace to Perfetto: its own Python messages read it, slices are nested and
# closed, every name and track is defined before it is used. Packets are in the order of time on each
# track, but for a time whose state was not known; those of a time are sorted in, as Perfetto does.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
[ -x "$TOOL" ] || fail "$TOOL is not built"
PYTHON=$(python_with perfetto==0.59.1 protobuf==7.36.2) || fail "Perfetto's messages cannot be installed from PyPI"
id=$("$TOOL" record "$T/s" protobuf 20000 1000) || fail "no recording"
"$TOOL" convert "$T/s" "$id" perfetto >"$T/trace" || fail "no conversion"
"$TOOL" convert "$T/s" "$id" jsonl >"$T/lines" || fail "no conversion"
# Of a session of which nothing can be read: how much that is is said, and the trace can be loaded.
empty=00000000-0000-4000-8000-000000000001
mkdir "$T/s/$empty"
cp "$T/s/$id/metadata.json" "$T/s/$empty" && : >"$T/s/$empty/events.pb"
"$TOOL" convert "$T/s" $empty perfetto >"$T/nothing" 2>"$T/said" || fail "no conversion of nothing"
grep -qE ': ([1-9][0-9]*) of the \1 events that it counts are not in what was read' "$T/said" || fail "what is unread: $(cat "$T/said")"
# So a replay says it that shows nothing.
timeout $((10 * SLACK)) "$XGOTOPFS" -replay "$T/s/$empty" -speed 0 -s >"$T/out" 2>"$T/said" || fail "no replay of nothing: $(cat "$T/said")"
grep -qE ': ([1-9][0-9]*) of the \1 events that it counts are not in what was read' "$T/said" || fail "a replay does not say it: $(cat "$T/said")"
"$PYTHON" - "$T/trace" "$T/lines" "$T/nothing" <<'P' || fail "not a good trace"
import json, sys
from collections import Counter
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as p
trace = p.Trace()
trace.ParseFromString(open(sys.argv[1], "rb").read())
tracks, names, notes, strings, open_slices = {}, {}, {}, {}, Counter()
seen, flows, last, late = Counter(), set(), {}, []
first = trace.packet[0]
assert first.sequence_flags & 1 and first.trace_packet_defaults.timestamp_clock_id == 3
assert first.clock_snapshot.primary_trace_clock == 3
events = []
for k in trace.packet:
    assert k.trusted_packet_sequence_id == 1
    for n in k.interned_data.event_names: names[n.iid] = n.name
    for n in k.interned_data.debug_annotation_names: notes[n.iid] = n.name
    for n in k.interned_data.debug_annotation_string_values: strings[n.iid] = n.str
    if k.HasField("track_descriptor"):
        d = k.track_descriptor
        assert not d.parent_uuid or d.parent_uuid in tracks
        tracks[d.uuid] = d
    if not k.HasField("track_event"): continue
    e = k.track_event
    assert e.track_uuid in tracks, e
    if e.type == p.TrackEvent.TYPE_COUNTER: continue
    begins = e.type == p.TrackEvent.TYPE_SLICE_BEGIN
    if begins or e.type == p.TrackEvent.TYPE_INSTANT: assert e.name_iid in names
    if k.timestamp < last.get(e.track_uuid, 0):
        late.append((e.track_uuid, k.timestamp, names[e.name_iid] if begins else ""))
    last[e.track_uuid] = max(k.timestamp, last.get(e.track_uuid, 0))
    events.append(k)
# What comes late is the end of one state and the begin of what is not known, at one time.
assert len(late) % 2 == 0
for (track, at, end), (track2, at2, begin) in zip(late[::2], late[1::2]):
    assert (track, at, end, begin) == (track2, at2, "", "unknown")
assert len(late) < len(events) / 20, (len(late), len(events))
for k in sorted(events, key=lambda k: k.timestamp):
    e = k.track_event
    if e.type == p.TrackEvent.TYPE_SLICE_END:
        open_slices[e.track_uuid] -= 1; assert open_slices[e.track_uuid] == 0
        continue
    assert e.name_iid in names and e.category_iids
    for a in e.debug_annotations:
        assert a.name_iid in notes
        assert a.WhichOneof("value") != "string_value_iid" or a.string_value_iid in strings
    if e.type == p.TrackEvent.TYPE_SLICE_BEGIN:
        open_slices[e.track_uuid] += 1; assert open_slices[e.track_uuid] == 1
        assert all(f in flows for f in e.terminating_flow_ids)
    else:
        flows.update(e.flow_ids)
        seen[names[e.name_iid].split()[0]] += 1
assert not any(open_slices.values())
want = Counter(json.loads(l)["event_type"] for l in open(sys.argv[2]))
assert seen["newobject"] == want[3] and seen["makeslice"] == want[1] and seen["makemap"] == want[2], (seen, want)
nothing = p.Trace()
nothing.ParseFromString(open(sys.argv[3], "rb").read())
assert any(k.HasField("track_descriptor") for k in nothing.packet) and not any(k.HasField("track_event") for k in nothing.packet)
assert seen["go"] == want[4] and seen["goexit"] == want[5], (seen, want)
P
