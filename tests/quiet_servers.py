#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Is `problems` quiet on servers that work?

Usage: quiet_servers.py XGOTOPFS PROGRAMS FOLDER SECONDS EVERY LEVEL...

Starts each server of leaks_servers.py under xgotopfs, once at each level, keeps clients at it, reads
`problems` every so many seconds from the first one to after its end, and prints each new kind of line. What
xgotopfs says of itself (cost, lost), and of a machine that is short of processors (a notice of latency), is
counted apart. Fails when anything else was said, but that a server which was asked to end has ended."""
import collections
import os
import re
import sys
import threading
import time

from leaks_servers import Run, find, servers

OURS = ("cost", "lost")
MACHINE = ("notice", "latency")


class Quiet(Run):
    def __init__(self, xgotopfs, program, server, folder, level):
        super().__init__(xgotopfs, program, server, folder, ["-probes", level])
        self.level, self.begun = level, time.monotonic()
        self.looks, self.said, self.ours, self.asked = 0, collections.Counter(), collections.Counter(), False
        self.slowest, self.machine = 0, collections.Counter()

    def problems(self):
        began = time.monotonic()
        try:
            with open(os.path.join(self.mount, "problems"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            return
        if not text.startswith("problems "):
            return
        self.looks += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        for severity, kind, what in re.findall(r"^(notice|warning|critical) (\w+): (.*)$", text, re.M):
            if kind == "target" and self.asked:
                continue
            to = self.ours if kind in OURS else self.machine if (severity, kind) == MACHINE else self.said
            # Once for each thing that is told of, whatever the figures are.
            key = severity, kind, re.sub(r"\d+", "#", what).split(";")[0]
            to[key] += 1
            if to is self.said and to[key] == 1:
                print(f"{time.monotonic() - self.begun:.0f} s: {self.level} {self.name}: {severity} {kind}: {what}",
                      flush=True)


def watch(runs, seconds, every):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        for run in runs:
            run.problems()
        time.sleep(max(0.1, every - (time.monotonic() - began)))


def main():
    xgotopfs, programs, folder, seconds, every, *levels = sys.argv[1:]
    runs, wrong = [], False
    for level in levels:
        place = os.path.join(folder, level)
        os.makedirs(place)
        for server in servers(place):
            program = find(programs, server[0])
            if program:
                runs.append(Quiet(xgotopfs, program, server, place, level))
    threads = [threading.Thread(target=lambda run=run: run.works() and run.clients()) for run in runs]
    for thread in threads:
        thread.start()
    watch(runs, float(seconds), float(every))
    ends = []
    for run in runs:
        run.asked = True
        ends.append(threading.Thread(target=run.ask_to_end))
        ends[-1].start()
    while any(end.is_alive() for end in ends):
        watch(runs, 1, float(every) / 3)
    watch(runs, 3 * float(every), float(every))
    for thread in threads:
        thread.join()
    print("| level | server | requests | looks | slowest look | false | of the machine | of ourselves |\n|---|---|---|---|---|---|---|---|")
    for run in runs:
        run.stop()
        ours = ", ".join(f"{kind} {n}" for kind, n in collections.Counter(
            {kind: sum(n for (_, k, _), n in run.ours.items() if k == kind) for kind in OURS}).items() if n) or "0"
        print(f"| {run.level} | {run.name} | {run.requests} | {run.looks} | {run.slowest:.1f} s | "
              f"{sum(run.said.values())} | {sum(run.machine.values())} | {ours} |")
        if not run.requests or not run.looks:
            print(f"{run.level} {run.name}: not tried: {run.failed}, {run.looks} looks", file=sys.stderr)
            wrong = True
        wrong |= bool(run.said)
    sys.exit(1 if wrong else 0)


main()
