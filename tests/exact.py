#!/usr/bin/env python3
"""Holds a tracer's events against what the workload says it did.

usage: exact.py TRUTH.json EVENTS.jsonl [--go N] [--lost N]

TRUTH.json is the line that tests/targets/workload printed, EVENTS.jsonl the trace in the session form.
Prints one line a difference and nothing when everything is exact; the exit status is 1 when there was one.
"""
import argparse
import collections
import json
import sys

CASGSTATUS, MAKESLICE, MAKEMAP, NEWOBJECT, NEWGOROUTINE, GOEXIT = range(6)
DEAD = (6, 11)


def load(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


class Check:
    def __init__(self):
        self.differences = []

    def same(self, what, want, got):
        if want != got:
            self.differences.append(f"{what}: want {want}, got {got}")


def allocations(check, truth, events):
    got = {kind: collections.Counter() for kind in (NEWOBJECT, MAKESLICE, MAKEMAP)}
    caps = collections.Counter()
    small = 0
    for e in events:
        kind = e["event_type"]
        if kind not in got:
            continue
        got[kind][e.get("type", "")] += 1
        if kind == MAKESLICE:
            caps[e.get("type", "")] += e["attributes"][3]
        if kind == MAKEMAP and not e.get("type") and e.get("caller", "").startswith("main.maps"):
            small += 1
    for key, kind in (("newobject", NEWOBJECT), ("makeslice", MAKESLICE), ("makemap", MAKEMAP)):
        for name, n in truth[key].items():
            check.same(f"{key} {name}", n, got[kind][name])
    for name, n in truth["makeslice_cap"].items():
        check.same(f"makeslice {name} sum of capacities", n, caps[name])
    check.same("makemap_small in main.maps", truth["makemap_small"], small)


def goroutines(check, truth, events, go_minor):
    created, exited = collections.Counter(), collections.Counter()
    by_func = collections.Counter()
    parent_of = {}
    for e in events:
        if e["event_type"] == NEWGOROUTINE:
            creator, child = e["attributes"][:2]
            created[child] += 1
            by_func[e.get("func", "")] += 1
            parent_of[child] = creator
        elif e["event_type"] == GOEXIT:
            exited[e["attributes"][0]] += 1
    for name, n in truth["started"].items():
        if name == "coroutine":
            check.same("coroutines created", n, by_func["runtime.corostart"])
        elif name == "cgo_calls":
            continue
        else:
            check.same(f"newgoroutine {name}", n, by_func[name])
    for goid, parent in truth["parents"].items():
        goid = int(goid)
        if created[goid] != 1:
            check.same(f"goroutine {goid} creations", 1, created[goid])
        elif parent_of[goid] != parent:
            check.same(f"goroutine {goid} parent", parent, parent_of[goid])
        if exited[goid] != 1:
            check.same(f"goroutine {goid} exits", 1, exited[goid])
    cgo = truth["started"].get("cgo_calls")
    if cgo:
        # From Go 1.21 on a C thread keeps its M until it ends; before, every call came and went.
        want = cgo if go_minor < 21 else cgo // 3
        entered = sum(1 for e in events if e["event_type"] == CASGSTATUS
                      and e["attributes"][0] in DEAD and e["attributes"][1] == 3)
        left = sum(1 for e in events if e["event_type"] == CASGSTATUS
                   and e["attributes"][0] == 3 and e["attributes"][1] in DEAD)
        check.same("C threads that entered Go", want, entered)
        check.same("C threads that left Go", want, left)


def order(check, events):
    """A goroutine's events come in order, and its states join up."""
    last_time, state = {}, {}
    gaps = collections.Counter()
    back = 0
    for e in events:
        subject = e["attributes"][2] if e["event_type"] == CASGSTATUS else e["goroutine"]
        if e["timestamp"] < last_time.get(subject, 0):
            back += 1
        last_time[subject] = e["timestamp"]
        if e["event_type"] == CASGSTATUS:
            old, new, goid = e["attributes"][:3]
            if goid in state and state[goid] != old:
                gaps[(state[goid], old)] += 1
            state[goid] = new
    check.same("events out of order within a goroutine", 0, back)
    # Transitions that do not pass runtime.casgstatus (proc.go: preemptPark, suspendG, coroswitch_m).
    allowed = {(2, 4), (4, 2), (2, 9), (9, 4), (2, 1), (6, 6), (11, 6), (6, 11)}
    # A preempted goroutine is seen next when it becomes runnable: running, then waiting -> runnable.
    for (was, old), n in sorted(gaps.items()):
        if (was, old) not in allowed:
            check.differences.append(f"states do not join: was {was}, next says from {old}: {n} times")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("truth")
    parser.add_argument("events")
    parser.add_argument("--go", type=int, default=0, help="N of Go 1.N")
    parser.add_argument("--lost", type=int, default=0, help="events the tracer says it lost")
    args = parser.parse_args()
    with open(args.truth, encoding="utf-8") as f:
        truth = json.load(f)
    events = load(args.events)
    check = Check()
    check.same("lost", 0, args.lost)
    allocations(check, truth, events)
    goroutines(check, truth, events, args.go)
    order(check, events)
    for line in check.differences[:40]:
        print(line)
    if len(check.differences) > 40:
        print(f"... and {len(check.differences) - 40} more")
    return 1 if check.differences else 0


if __name__ == "__main__":
    sys.exit(main())
