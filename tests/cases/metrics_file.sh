#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The metrics file at exit has exactly the shape of the original's (tests/data/original): a reader
# written from the original's documentation takes both, and the figures fit what was recorded.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
own_demo "" stripped
start_demo "$DEMO_BINARY"
cd "$T" || exit 1

mount_demo -s -record -storage-dir "$T/s" -mfp run1
ticks() { [ "$(sed -n 's/^uptime_ns //p' "$MNT/stats")" -gt $(($1 * 1000000000)) ]; }
load -n 1500 -c 2
wait_for 30 ticks 4 || fail "time does not pass"
stop_xgotopfs
ours=$(ls "$T"/metrics_*__run1.json) || fail "no metrics file"
[[ ${ours##*/} =~ ^metrics_[0-9]{4}(-[0-9]{2}){5}__run1\.json$ ]] || fail "its name: $ours"

cat >"$T/reader.py" <<'P'
import datetime
import json
import os
import sys

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh

# In the order of the file. Only batches a second have a fraction.
COLUMNS = {"rps": int, "pps": int, "ewp": int, "lat": int, "prc": int, "bps": float, "bfl": int, "qwl": int, "ts": int}


def pairs(found):
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), "a key twice"
    return dict(found)


def read(path):
    run = json.load(open(path), object_pairs_hook=pairs)
    assert list(run) == list(COLUMNS) + ["event_counts"], list(run)
    seconds = len(run["ts"])
    assert seconds > 0
    for name, kind in COLUMNS.items():
        assert len(run[name]) == seconds, name
        for value in run[name]:
            # bool is an int to Python; 0 may stand for 0.0.
            assert type(value) in ((int, float) if kind is float else (int,)), (name, value)
            assert value >= 0, (name, value)
    # What came after the last full second is an entry, too. One each second: on a busy machine some are late by a part of
    # one, and the next comes so much sooner.
    steps = [b - a for a, b in zip(run["ts"], run["ts"][1:])]
    assert all(step < 1.25e9 * SLACK for step in steps[:-1]) and all(step > 0 for step in steps), steps
    assert all(t - run["ts"][0] > (i - 1.1) * 1e9 for i, t in enumerate(run["ts"][:-1])), steps
    assert all(1.5e18 < t < 4e18 for t in run["ts"]), "not UNIX time in ns"
    assert list(run["event_counts"]) == [str(i) for i in range(6)], run["event_counts"]
    assert all(type(n) is int for n in run["event_counts"].values())
    return run


original = read(sys.argv[1])
ours = read(sys.argv[2])
assert sum(original["event_counts"].values()) == sum(original["rps"])
meta = json.load(open(sys.argv[3]))
assert ours["event_counts"] == meta["event_counts"], (ours["event_counts"], meta["event_counts"])
# Rates are of the time since the entry before, which on a busy machine is not a second.
started = datetime.datetime.fromisoformat(meta["start_time"][:26].rstrip("Z") + "+00:00").timestamp() * 1e9
lasted = [(b - a) / 1e9 for a, b in zip([started] + ours["ts"], ours["ts"])]
# A record is one event or, a creation or an exit, two.
events = sum(ours["event_counts"].values())
read_records, processed = (sum(rate * time for rate, time in zip(ours[c], lasted)) for c in ("rps", "pps"))
# The first second begins when all is attached, some time after the session.
least = read_records - ours["rps"][0] * max(0, lasted[0] - 1)
assert events * 0.5 < read_records and least < events * 1.1, (events, least, read_records)
assert read_records * 0.95 <= processed <= read_records * 1.05, (read_records, processed)
busy = [i for i, n in enumerate(ours["rps"]) if n > 1000]
assert busy, ours["rps"]
for i in busy:
    assert 20 < ours["lat"][i] < 1e6, ours["lat"]
    assert 1 < ours["prc"][i] < 1e6, ours["prc"]
    assert ours["bps"][i] > 1, ours["bps"]
    assert 100 < ours["bfl"][i] < 1e9 and ours["qwl"][i] < 10e9, (ours["bfl"], ours["qwl"])
P
python3 "$T/reader.py" "$ROOT/tests/data/original/metrics.json" "$ours" "$T"/s/*/metadata.json ||
	fail "not the original's shape: $(cat "$ours")"

# -mft: without the time in the name; the arrays are there when nothing was recorded, too.
mount_demo -s -mft
wait_for 30 ticks 1 || fail "time does not pass"
stop_xgotopfs
jq -e '(.bps | length) == (.ts | length) and (.bps | add) == 0' metrics.json >/dev/null || fail "$(cat metrics.json)"
