#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds a tracer's events against what the workload says it did, and what Go's runtime says it did.

usage: exact.py TRUTH.json EVENTS.jsonl [--go N] [--lost N] [--gotrace COUNTS.json] [--only WHAT]

TRUTH.json is the line that tests/targets/workload printed ("-": another program, only what Go's trace says
is compared), EVENTS.jsonl the trace in the session form,
COUNTS.json what tests/targets/tracecount made of the workload's own execution trace (-trace). With -heap
the workload's line also holds the runtime's count of allocations by line. Prints one line a difference
and nothing when everything is exact; the exit status is 1 when there was one.
"""
import argparse
import collections
import json
import re
import sys

CASGSTATUS, MAKESLICE, MAKEMAP, NEWOBJECT, NEWGOROUTINE, GOEXIT = range(6)
RUNNABLE, RUNNING, SYSCALL, WAITING = 1, 2, 3, 4
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


class Life:
    """What the events say of one goroutine."""

    def __init__(self):
        self.created = self.exited = 0
        self.creator = None
        self.func = ""
        self.moves = collections.Counter()  # (from, to)
        self.gaps = collections.Counter()   # (was, from, to): a transition in between was not seen
        self.state = None


def lives_of(events):
    lives = collections.defaultdict(Life)
    for e in events:
        a = e["attributes"]
        if e["event_type"] == NEWGOROUTINE:
            life = lives[a[1]]
            life.created += 1
            life.creator = a[0]
            life.func = e.get("func", "")
        elif e["event_type"] == GOEXIT:
            lives[a[0]].exited += 1
        elif e["event_type"] == CASGSTATUS:
            life = lives[a[2]]
            life.moves[a[0], a[1]] += 1
            if life.state not in (None, a[0]):
                life.gaps[life.state, a[0], a[1]] += 1
            life.state = a[1]
    return lives


def for_c_entries(moves):
    """A C thread came into Go: needm."""
    return sum(moves[dead, SYSCALL] for dead in DEAD)


def for_c_exits(moves):
    return sum(moves[SYSCALL, dead] for dead in DEAD)


def allocations(check, truth, events):
    got = {kind: collections.Counter() for kind in (NEWOBJECT, MAKESLICE, MAKEMAP)}
    caps = collections.Counter()
    of_goroutine = collections.Counter()
    small = hints = 0
    for e in events:
        kind = e["event_type"]
        if kind not in got:
            continue
        name = e.get("type", "")
        got[kind][name] += 1
        if kind == MAKESLICE:
            caps[name] += e["attributes"][3]
        if kind == MAKEMAP and not name and e.get("caller", "").startswith("main.maps"):
            small += 1
            hints += e["attributes"][4]
        if kind == NEWOBJECT and name == "main.SmallPlain":
            of_goroutine[str(e["goroutine"])] += 1
    for key, kind in (("newobject", NEWOBJECT), ("makeslice", MAKESLICE), ("makemap", MAKEMAP)):
        for name, n in truth[key].items():
            check.same(f"{key} {name}", n, got[kind][name])
    for name, n in truth["makeslice_cap"].items():
        check.same(f"makeslice {name} sum of capacities", n, caps[name])
    check.same("makemap_small in main.maps", truth["makemap_small"], small)
    check.same("sum of their hints", 0, hints)
    for goid, n in truth["objects_of"].items():
        check.same(f"objects of goroutine {goid}", n, of_goroutine[goid])


def goroutines(check, truth, lives, go_minor, with_states):
    by_func = collections.Counter()
    for life in lives.values():
        by_func[life.func] += life.created
    for name, n in truth["started"].items():
        if name == "coroutine":
            check.same("coroutines created", n, by_func["runtime.corostart"])
            ended = sum(life.exited for life in lives.values() if life.func == "runtime.corostart")
            check.same("coroutines ended", n, ended)
        elif name != "cgo_calls":
            check.same(f"newgoroutine {name}", n, by_func[name])
    for goid, parent in truth["parents"].items():
        life = lives[int(goid)]
        check.same(f"goroutine {goid} creations", 1, life.created)
        check.same(f"goroutine {goid} parent", parent, life.creator)
        check.same(f"goroutine {goid} exits", 1, life.exited)
    cgo = truth["started"].get("cgo_calls")
    if cgo and with_states:
        # From Go 1.21 on a C thread keeps its M until it ends; before, every call came and went.
        want = cgo if go_minor < 21 else cgo // 3
        check.same("C threads that entered Go", want,
                   sum(for_c_entries(life.moves) for life in lives.values()))
        check.same("C threads that left Go", want,
                   sum(for_c_exits(life.moves) for life in lives.values()))


def parents(check, events, lives):
    """Every event names its goroutine's creator."""
    wrong = collections.Counter()
    for e in events:
        life = lives.get(e["goroutine"])
        if life and life.created == 1 and e["parent_goroutine"] != life.creator:
            wrong[e["goroutine"], life.creator, e["parent_goroutine"]] += 1
    for (goid, want, got), n in wrong.items():
        check.differences.append(f"goroutine {goid}, parent of {n} events: want {want}, got {got}")


def coroutines(lives):
    """Goroutines that switch by runtime.coroswitch, past casgstatus: coroutines, and who made them."""
    of = {goid for goid, life in lives.items() if life.func == "runtime.corostart"}
    return of | {lives[goid].creator for goid in of}


def order(check, events, lives, late):
    """A goroutine's events come in order, and its states join up, but for `late` of them."""
    last_time = {}
    back = 0
    for e in events:
        subject = e["attributes"][2] if e["event_type"] == CASGSTATUS else e["goroutine"]
        if e["timestamp"] < last_time.get(subject, 0):
            back += 1
        last_time[subject] = e["timestamp"]
    check.same("events out of order within a goroutine", 0, back)
    switching = coroutines(lives)
    gaps = collections.Counter()
    for goid, life in lives.items():
        for (was, old, new), n in life.gaps.items():
            # Stopped where it ran, by the collector: running to preempted to waiting are not seen
            # (proc.go: preemptPark; preempt.go: suspendG).
            if (was, old, new) == (RUNNING, WAITING, RUNNABLE):
                continue
            if goid in switching and {was, old} == {RUNNING, WAITING}:
                continue
            gaps[was, old, new] += n
    if sum(gaps.values()) <= late:
        return
    for (was, old, new), n in sorted(gaps.items()):
        check.differences.append(f"states do not join: was {was}, next {old} to {new}: {n} times")


def gotrace(check, counts, lives, go_minor):
    """The runtime's own trace: goroutines that began and ended while it ran."""
    switching = coroutines(lives)
    compared = 0
    for goid, theirs in counts["goroutines"].items():
        ours = lives.get(int(goid), Life())
        moves = ours.moves
        for_c = for_c_entries(moves) > 0
        if not theirs["created"]:
            continue
        what = f"Go's trace: goroutine {goid} {ours.func}"
        if ours.creator is None:
            check.differences.append(f"{what}: created by {theirs['parent']}, not seen here")
            continue
        if not for_c:
            check.same(f"{what} creator", theirs["parent"], ours.creator)
            starts = (theirs["start"], theirs["go_call"])
            if not ours.func or (ours.func not in starts and
                                 not any(w in theirs["start"] for w in ("gowrap", "dwrap"))):
                check.same(f"{what} start", theirs["start"], ours.func)
        if not theirs["ended"]:
            continue
        compared += 1
        check.same(f"{what} ended", 1, min(ours.exited, 1))

        def same(name, ours_n):
            n = theirs["moves"].get(name, 0)
            check.same(f"{what} {name}", n, ours_n)
        if for_c:
            same("none>syscall", for_c_entries(moves))
            same("syscall>none", for_c_exits(moves))
        if int(goid) in switching:
            continue
        preempted = sum(n for gap, n in ours.gaps.items() if gap == (RUNNING, WAITING, RUNNABLE))
        # The collector's helpers mark a goroutine waiting for a moment and take it back themselves.
        same("running>waiting", moves[RUNNING, WAITING] - moves[WAITING, RUNNING] + preempted)
        same("waiting>runnable", moves[WAITING, RUNNABLE])
        # Who comes back from a system call to find its P gone is runnable for a moment, says the trace,
        # whether or not it had to wait; casgstatus passes there (2 to 1 from Go 1.26 on) when it had.
        late = theirs["moves"].get("syscall>runnable", 0)
        stopped = theirs["moves"].get("running>runnable", 0)
        yielded = moves[RUNNING, RUNNABLE] if go_minor < 26 else stopped
        same("running>runnable", yielded)
        check.same(f"{what} comes back to run", True, stopped <= moves[RUNNING, RUNNABLE] <= stopped + late)
        check.same(f"{what} runnable>running",
                   theirs["moves"].get("runnable>running", 0) - stopped - late,
                   moves[RUNNABLE, RUNNING] - moves[SYSCALL, RUNNABLE] - moves[RUNNING, RUNNABLE])
        if go_minor >= 22:  # before, only system calls that blocked were traced
            same("running>syscall", moves[RUNNING, SYSCALL])
            check.same(f"{what} left system calls", moves[RUNNING, SYSCALL] + for_c_entries(moves),
                       moves[SYSCALL, RUNNING] + moves[SYSCALL, RUNNABLE] + for_c_exits(moves))
    if not compared:
        check.differences.append("Go's trace: no goroutine to compare")


def heap(check, sites, events):
    """The runtime's heap profile with every allocation in it: as many, from the same lines."""
    begin = next(i for i, e in enumerate(events) if e.get("type") == "main.MarkBegin")
    end = next(i for i, e in enumerate(events) if e.get("type") == "main.MarkEnd")
    got, tiny = collections.Counter(), set()
    for e in events[begin:end + 1]:
        if e["event_type"] in (NEWOBJECT, MAKESLICE):
            at = as_printed(e.get("caller", "")), e.get("line", 0)
            got[at] += 1
            if not big_enough(e):
                tiny.add(at)
    want = collections.Counter()
    for site in sites:
        want[site["caller"], site["line"]] += site["count"]
    compared = 0
    # A line that has events here: what it allocates is all new or make. (The profile has the other
    # lines too, of channels and strings, and does not tell what they are.)
    for at in sorted(got):
        caller = at[0]
        # The runtime's own frames and the compiler's wrappers are missing in its profile; a tiny
        # object that shares a block with others is not in it (malloc.go: mallocgc).
        if caller.startswith(("runtime.", "internal/runtime/")) or at in tiny or not caller \
                or ".gowrap" in caller:
            continue
        compared += got[at]
        check.same(f"heap profile: {caller} line {at[1]}", want[at], got[at])
    check.same("heap profile: most allocations compared", True, compared > 1000)


def as_printed(name):
    """As the runtime prints a name: without type arguments."""
    return re.sub(r"\[.*\]", "[...]", name)


def big_enough(e):
    a = e["attributes"]
    return (a[0] if e["event_type"] == NEWOBJECT else a[0] * a[3]) >= 16


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("truth")
    parser.add_argument("events")
    parser.add_argument("--go", type=int, default=0, help="N of Go 1.N")
    parser.add_argument("--lost", type=int, default=0, help="events the tracer says it lost")
    parser.add_argument("--late", type=int, default=0,
                        help="so many goroutines may have changed state in code that was not probed yet")
    parser.add_argument("--gotrace", help="what tracecount printed")
    parser.add_argument("--only", choices=["allocations", "lives"],
                        help="when the tracer was asked for these events only")
    args = parser.parse_args()
    truth = None
    if args.truth != "-":
        with open(args.truth, encoding="utf-8") as f:
            truth = json.load(f)
    events = load(args.events)
    lives = lives_of(events)
    check = Check()
    check.same("lost", 0, args.lost)
    kinds = {"allocations": (MAKESLICE, MAKEMAP, NEWOBJECT), "lives": (NEWGOROUTINE, GOEXIT)}
    if args.only:
        check.same("events of other kinds", set(),
                   {e["event_type"] for e in events} - set(kinds[args.only]))
    if truth and args.only != "lives":
        allocations(check, truth, events)
    if truth and args.only != "allocations":
        goroutines(check, truth, lives, args.go, not args.only)
    if truth and not args.only:
        parents(check, events, lives)
    order(check, events, lives, args.late)
    if args.gotrace:
        with open(args.gotrace, encoding="utf-8") as f:
            gotrace(check, json.load(f), lives, args.go)
    if truth and "heap" in truth:
        heap(check, truth["heap"], events)
    for line in check.differences[:40]:
        print(line)
    if len(check.differences) > 40:
        print(f"... and {len(check.differences) - 40} more")
    return 1 if check.differences else 0


if __name__ == "__main__":
    sys.exit(main())
