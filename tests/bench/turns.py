#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a way of tracing costs that hardly costs anything, beside its goal: to half a percent, where runs of their own
(costs.py) differ by ten.

usage: turns.py XGOTOPFS LOADS [-ways none,demand,light,bounded] [-work lost,http,http-new,alloc,pingpong,spawn,caddy]
                [-seconds N] [-window S]

LOADS (tests/bench/loads), or caddy, works without a pause, in windows that turn: traced, not traced, traced, … For that the
tracer is told to pause (control/pause: nothing is in then) and is stopped, with all processes of it (SIGSTOP); and goes on.
Each window with it is held against the two beside it, and as a control every second window without against those that are
next to it; see windows.py. CPU time is that of the program's threads by operations done; beside it the 99th percentile of an
operation's time. A way and a kind of work take N seconds (60).

`lost` is told by seconds where the others take minutes: a thread, thirty calls deep, looks at the clock without a pause, and
what lies between two looks further apart than others (0.5 to 100 us) something took of it. What it pushed out of the caches
is not in that.

A window lasts 0.3 s, and 4 s with `light` and `bounded` (-max-overhead 3), which are at work now and then; these go on for
some time before each window, as what they find new they look at more closely. What the tracer does once a second is due
when it goes on, and would be missed: so its own CPU time in windows is shown beside what it takes when it is left alone.

A way may have more options behind it: -ways "demand,demand -sample-cpu 0".

The goals: `none` and `demand` that nobody reads 0.5 % at most, `light` 2, `bounded` 4."""
import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

from costs import WORK, Targets, Tracer, scheduled_ns
from windows import losses, ratios, tell

# Options, at most so much (%), a window's seconds, seconds after a switch.
WAYS = {
    "none": (["-probes", "none"], 0.5, 0.3, 0.1),
    "demand": (["-probes", "demand"], 0.5, 0.3, 0.1),
    "light": (["-probes", "light"], 2, 4, 2),
    "bounded": (["-max-overhead", "3"], 4, 4, 2),
}
SETTLES = 0.1  # after it was stopped
WARMS = 2  # before the first window
LOST = "lost"


def processes(pid):
    """It, and what it has started."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
            for child in f.read().split():
                found += processes(int(child))
    return found


class Turns:
    def __init__(self, args, way, targets, work, folder):
        name, *more = way.split()
        options, _, window, self.settles = WAYS[name]
        self.targets, self.work, self.window = targets, work, args.window or window
        self.tracer = Tracer(args.xgotopfs, targets.pid(work), options + more, folder, None)
        self.pids = processes(self.tracer.process.pid)
        self.spent = self.passed = 0  # by the tracer in windows

    def switch(self, on):
        if on:
            self.signal(signal.SIGCONT)
        with open(os.path.join(self.tracer.mount, "control/pause"), "w", encoding="ascii") as f:
            f.write(f"{int(not on)}\n")
        if not on:
            self.signal(signal.SIGSTOP)
            time.sleep(SETTLES)
        elif self.settles > 1:
            self.go_on(self.settles)
        else:
            time.sleep(self.settles)

    def signal(self, signo):
        for pid in self.pids:
            os.kill(pid, signo)

    def once(self, on):
        self.switch(on)
        before, began = self.took(), time.monotonic()
        got = self.lost() if self.work == LOST else self.looked()
        if on:
            self.spent += self.took() - before
            self.passed += time.monotonic() - began
        return got

    def lost(self):
        ran, away, _ = map(int, self.targets.program.ask(f"{LOST} {self.window}s").split())
        return away / ran, None

    def looked(self):
        got = self.targets.run(self.work, self.window)
        return got["cpu"], got["p99"]

    def go_on(self, seconds):
        if self.work == LOST:
            self.targets.program.ask(f"{LOST} {seconds}s")
        else:
            self.targets.run(self.work, seconds)

    def took(self):
        return scheduled_ns(self.tracer.process.pid) / 1e9

    def alone(self):
        """What the tracer takes of a CPU when it is left alone."""
        before, began = self.took(), time.monotonic()
        self.go_on(3 * max(self.window, 1))
        return (self.took() - before) / (time.monotonic() - began)

    def end(self):
        self.switch(True)
        self.tracer.end()


def measure(args, way, work, targets):
    with tempfile.TemporaryDirectory() as folder:
        if work != LOST:
            targets.run(work, WARMS)
        turns = Turns(args, way, targets, work, folder)
        try:
            end = time.monotonic() + args.seconds
            turns.once(True)
            alone = turns.alone()
            windows = [turns.once(False)]
            while time.monotonic() < end or len(windows) < 7:
                windows.append(turns.once(True))
                windows.append(turns.once(False))
        finally:
            turns.end()
    print(f"{way}, {WORK.get(work, 'what is taken of a thread')} (the tracer: {turns.spent / turns.passed:.2%} of a CPU in windows, "
          f"{alone:.2%} when left alone):")
    if work == LOST:
        show(way, [(losses(windows), None), (losses(windows, True), None)], "time")
        return None
    both = ratios(windows), ratios(windows, True)
    show(way, both)
    return both


def show(way, both, what="CPU an operation"):
    tell("traced", what, *both[0], goal=WAYS[way.split()[0]][1])
    tell("control", what, *both[1])


def together(way, found):
    """All work, of which each says little by itself."""
    print(f"{way}, all of that, but for {LOST}:")
    show(way, [tuple(sum((row[which][of] for row in found), []) for of in (0, 1)) for which in (0, 1)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("xgotopfs")
    parser.add_argument("loads")
    parser.add_argument("-ways", default="none,demand")
    parser.add_argument("-work", default=",".join(w for w in [LOST, *WORK] if w != "caddy" or shutil.which("caddy")))
    parser.add_argument("-seconds", type=float, default=60)
    parser.add_argument("-window", type=float)
    args = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before it began", flush=True)
    names = args.work.split(",")
    with tempfile.TemporaryDirectory() as folder:
        targets = Targets(args.loads, names, folder)
        try:
            ways = {way: [] for way in args.ways.split(",")}
            for work in names:
                for way, found in ways.items():
                    found.append(measure(args, way, work, targets))
            for way, found in ways.items():
                found = [f for f in found if f]
                if len(found) > 1:
                    together(way, found)
        finally:
            targets.end()


sys.exit(main())
