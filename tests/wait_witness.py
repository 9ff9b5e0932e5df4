#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds blame and ran_instead of a recording against the execution trace that the program wrote of itself.

Usage: wait_witness.py MOVES URL [--procs N]

MOVES: what tests/targets/tracecount -moves printed. URL: a server that replays the recording, to its end.
Prints each difference, and what was compared; 0 when there is none.

Who ended a wait, and who ran, both know, and must agree on. When, both know as well as the kernel let the
thread go on between the two notes of it: of how long somebody ran the median is held.
Go's trace knows processors of its own, not CPUs: that no more run at once than there are, both know."""
import argparse
import bisect
import collections
import json
import sys
import urllib.error
import urllib.request

RUNNABLE, RUNNING, WAITING = 1, 2, 4
# Who is stopped so that the collector looks at its stack waits by Go's trace all of that time; by its state it is
# preempted, and waits for a moment at the end of it, or not at all (preempt.go suspendG()).
PREEMPTED = "preempted"
ASKED = 60       # waits of each kind that the server is asked about one by one
NOTABLE = 0.05   # of a wait: who ran for so much of it is in both
BESIDE = 0.25    # of the waits, at most, when there is more than one processor: below
ALONE = 0.05     # on one
LONG_NS = 200e3  # shorter waits for a processor are as long as what it takes to note them


class Wait:
    """From waiting until it ran again: `ended` by `by`; then it could run, until it `ran`."""

    def __init__(self, begin, reason):
        self.begin, self.reason = begin, reason
        self.ended = self.by = self.ran = None


class Trace:
    def __init__(self, lines):
        self.waits = collections.defaultdict(list)  # by goid, only such as began while it was written
        self.runs = []                              # (begin, end, goid)
        self.created = set()
        since, self.begin, self.end = {}, None, 0
        for move in map(json.loads, lines):
            goid, at, to = move["goid"], move["time"], move["to"]
            self.begin, self.end = at if self.begin is None else self.begin, at
            if move["from"] == "running" and goid in since:
                self.runs.append((since.pop(goid), at, goid))
            if to == "running":
                since[goid] = at
            waits = self.waits[goid]
            if move["from"] == "none":
                self.created.add(goid)
            elif move["from"] == "running" and to == "waiting" and move["reason"] != PREEMPTED:
                waits.append(Wait(at, move["reason"]))
            elif move["from"] == "waiting" and to == "runnable" and waits and waits[-1].ended is None:
                waits[-1].ended, waits[-1].by = at, max(move["by"], 0)
            elif move["from"] == "runnable" and to == "running" and waits and waits[-1].ended and not waits[-1].ran:
                waits[-1].ran = at
        self.runs.sort()

    def who_ran(self, begin, end, but):
        found = collections.Counter()
        for since, until, goid in self.runs:
            if since >= end:
                break
            if until > begin and goid != but:
                found[goid] += min(until, end) - max(since, begin)
        return found


class Ours:
    def __init__(self, url):
        self.url = url
        status = self.get("status")
        self.now = status["now_ns"]
        self.spans = {}

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/api/live/{path}", timeout=60) as answer:
            return json.load(answer)

    def waits(self, goid):
        """Its waits, as its spans have them: those that it came back from to run."""
        spans = self.get(f"goroutines/{goid}/spans?from=0&to={self.now}&limit=20000")["spans"]
        found = []
        for i, (begin, end, state, reason, by) in enumerate(spans):
            after = spans[i + 1] if i + 1 < len(spans) else None
            if state != WAITING or reason == PREEMPTED or after and after[2] == RUNNING:  # the collector's helpers come back by themselves
                continue
            wait = Wait(begin, reason)
            if end:
                wait.ended, wait.by = end, by
            if after and after[2] == RUNNABLE and after[1]:
                wait.ran = after[1]
            found.append(wait)
        return found


def spread(items, n):
    """n of them, over all."""
    return items if len(items) <= n else [items[i * len(items) // n] for i in range(n)]


class Compare:
    def __init__(self, trace, ours, procs):
        self.trace, self.ours, self.procs = trace, ours, procs
        self.pairs = []  # (goid, ours, theirs)
        self.bad = 0

    def differ(self, text):
        self.bad += 1
        if self.bad <= 20:
            print(text)

    def pair(self):
        """The same wait is the same number of a goroutine's: from its first on, or from the trace's."""
        for goid, theirs in sorted(self.trace.waits.items()):
            if not theirs:
                continue
            try:
                mine = self.ours.waits(goid)
            except urllib.error.HTTPError as error:
                self.differ(f"goroutine {goid}: {error}")
                continue
            if goid not in self.trace.created:
                mine = mine[bisect.bisect([w.begin for w in mine], self.trace.begin):]
            ended = [w for w in theirs if w.ended]
            if len(mine) < len(ended) or len([w for w in mine if w.begin < self.trace.end - 1e6]) > len(theirs) + 1:
                self.differ(f"goroutine {goid} waited {len(mine)} times, by Go's trace {len(theirs)}")
                continue
            self.pairs += [(goid, w, t) for w, t in zip(mine, ended)]

    def wakers(self):
        by = collections.Counter()
        for goid, mine, theirs in self.pairs:
            if mine.by != theirs.by:
                self.differ(f"goroutine {goid}, {mine.reason} at {mine.begin}: ended by {mine.by}, by Go's trace {theirs.by} ({theirs.reason} at {theirs.begin})")
            by["nobody" if not theirs.by else theirs.reason] += 1
        return by

    def blame(self):
        """From each in a chain to the next: who ended the wait that it goes on with."""
        who = {(goid, mine.begin): theirs.by for goid, mine, theirs in self.pairs}
        links = 0
        for goid, mine, _ in spread(self.pairs, ASKED):
            answer = self.ours.get(f"goroutines/{goid}/blame?at={mine.begin}")
            chain = answer["chain"]
            for one, after in zip(chain, chain[1:] + [None]):
                wait = one["wait"]
                key = wait and (one["goid"], wait["begin"])
                if key not in who:
                    continue
                links += 1
                want, got = who[key], after["goid"] if after and after["by"] == "woke" else 0
                if want != got:
                    self.differ(f"blame of {goid} at {mine.begin}: {one['goid']} was woken by {got}, by Go's trace by {want}: {json.dumps(chain)}")
        return links

    def instead(self):
        """Who ran in each wait for a processor."""
        asked = [(goid, mine) for goid, mine, _ in self.pairs if mine.ran and mine.ran - mine.ended > LONG_NS]
        off, other = [], []
        for goid, mine in spread(asked, ASKED):
            what = f"goroutine {goid}, which could run from {mine.ended}"
            answer = self.ours.get(f"goroutines/{goid}/ran_instead?at={mine.ended}")
            if not answer["stay"] or (answer["stay"]["begin"], answer["stay"]["end"]) != (mine.ended, mine.ran):
                self.differ(f"{what}: {answer['stay']}")
                continue
            waited, want = mine.ran - mine.ended, self.trace.who_ran(mine.ended, mine.ran, goid)
            got = {row["goid"]: row["ns"] for row in answer["ran"]}
            if answer["ran_ns"] > self.procs * waited:
                self.differ(f"{what}: others ran {answer['ran_ns']} ns of {waited} on {self.procs} processors")
            for alone, has, lacks in (("Go's trace", want, got), ("ran_instead", got, want)):
                of = [f"{one} ran {has[one]} ns" for one in has.keys() - lacks.keys() if has[one] > NOTABLE * waited]
                if of:
                    other.append(f"{what} for {waited} ns: {', '.join(of)}, says {alone} alone")
            off.append(sum(abs(want.get(one, 0) - got.get(one, 0)) for one in want.keys() | got.keys()) / waited)
        off.sort()
        median = off[len(off) // 2] if off else 0
        if median > NOTABLE:
            self.differ(f"in half of the waits for a processor who ran for how long differs by {median:.2f} of the wait and more")
        # A thread that the kernel stops between the two notes of it is a while where one of them has it and the other has
        # not: on one processor, where all that runs is in one order, for one who waits; on more for all who wait then.
        if len(other) > (BESIDE if self.procs > 1 else ALONE) * len(off):
            for text in other:
                self.differ(text)
        return len(off), median


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moves")
    parser.add_argument("url")
    parser.add_argument("--procs", type=int, default=1)
    args = parser.parse_args()
    with open(args.moves, encoding="utf-8") as lines:
        trace = Trace(lines)
    compare = Compare(trace, Ours(args.url.rstrip("/")), args.procs)
    compare.pair()
    by = compare.wakers()
    links = compare.blame()
    waits, off = compare.instead()
    print(f"{sum(by.values())} waits ({', '.join(f'{n} {what}' for what, n in by.most_common())}), {links} links of blame, "
          f"{waits} waits for a processor, half within {off:.4f} of the wait; {compare.bad} differences")
    if len(by) < 5 or links < 50 or waits < 20:
        compare.differ("too little to compare")
    return 1 if compare.bad else 0


if __name__ == "__main__":
    sys.exit(main())
