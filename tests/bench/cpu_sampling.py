#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What sampling the CPUs costs the traced program, beside the goal: its CPU time a request.

usage: cpu_sampling.py XGOTOPFS LOADS [-seconds N] [-window S] [-hz HZ] [-work lost,http,alloc] [-goal PERCENT]

LOADS (tests/bench/loads) works without a pause, in windows of S seconds (1) that turn: without samples, with, without,
with, … (control/pause; no probe is in at any time). Each window with samples is held against the geometric mean of the two
beside it, and, as a control, every second window without against the mean of the two without that are next to it:
what the machine does by itself. CPU time is that of the program's threads, as the scheduler counts it (schedstat), by
operations done; beside it the 99th percentile of an operation's time.

`lost` is the same more directly, and is told by seconds where the others take days on a virtual machine whose host does
other things: the program looks at the clock without a pause, thirty calls deep, and what lies between two looks that are
further apart than others (0.5 to 100 us) an interrupt took. What is lost of a second with samples, less what is lost
without (the kernel's own ticks), is what sampling takes: interrupt, program and the way back; not what that pushes out
of the caches, which the others have.

With -hz 4999 a sample costs what it does at 99, but for what it finds in the caches (`ns of ours a sample` tells how
much that is), and there are fifty times as many: -share 0.0198 prints the excess as a fiftieth.

Printed are the Hodges-Lehmann estimate of the ratio and its 95 % interval by signed ranks, the median and its interval
by bootstrap, whether the goal (0.5 % at most) is met, missed, or cannot be told from so few, and what the program of
ours in a sample took. All together takes N seconds (300). An idle machine tells more in less time; the control says
how idle it was."""
import argparse
import os
import re
import statistics
import sys
import tempfile
import time

from costs import Talker, scheduled_ns
from overhead_estimate import Bench
from windows import losses, ratios, tell

SETTLES = 0.1  # after a switch


class Work:
    """The target, traced, and who keeps it busy."""

    def __init__(self, args, name, folder):
        options = ["-probes", "demand", "-sample-cpu", str(args.hz)]
        self.name, self.window = name, args.window
        self.bench = Bench(args.xgotopfs, args.loads, folder, options, "control/pause")
        self.client = None
        if name == "http":
            self.client = Talker(args.loads)
            self.url = self.ask("serve")
        self.once = self.lost if name == "lost" else self.look
        self.once(True)  # what is slow the first time

    def ask(self, line):
        self.bench.loads.stdin.write(line + "\n")
        return self.bench.loads.stdout.readline().strip()

    def pause(self, on):
        with open(self.bench.path("control/pause"), "w", encoding="ascii") as f:
            f.write(f"{int(on)}\n")
        time.sleep(SETTLES)

    def look(self, on):
        """CPU time of an operation, and the 99th percentile of its time, in one window."""
        self.pause(not on)
        pid = self.bench.loads.pid
        before = scheduled_ns(pid)
        said = self.client.ask(f"get {self.url} {self.window}s") if self.client else self.ask(f"{self.name} {self.window}s")
        spent = scheduled_ns(pid) - before
        _, n, _, _, p99 = map(int, said.split())
        return spent / n, p99

    def lost(self, on):
        """What part of the time interrupts took in one window, and one such time."""
        self.pause(not on)
        ran, away, times = map(int, self.ask(f"lost {self.window}s").split())
        return away / ran, away / max(times, 1)

    def health(self, key):
        with open(self.bench.path("health"), encoding="utf-8") as f:
            found = re.search(rf"^{key} (.*)$", f.read(), re.M)
        return found[1] if found else "?"

    def end(self):
        if self.client:
            self.client.end()
        self.bench.end()


def measure(args, name, seconds):
    with tempfile.TemporaryDirectory() as folder:
        work = Work(args, name, folder)
        try:
            end, windows = time.monotonic() + seconds, [work.once(False)]
            while time.monotonic() < end or len(windows) < 7:
                windows.append(work.once(True))
                windows.append(work.once(False))
            work.once(True)
            print(f"{name}, {args.hz} a second and CPU: {work.health('cpu_sample_ns')} ns of ours a sample, sampling "
                  f"{work.health('cpu_sampling')}; ", end="")
            if name == "lost":
                off, on = (statistics.median(w[0] for w in windows[begin::2]) for begin in (0, 1))
                print(f"{off * 1e6:.0f} us of a second lost to interrupts without, {on * 1e6:.0f} with: "
                      f"{(on - off) / args.hz * 1e9:.0f} ns a sample")
                tell("samples", "time", losses(windows), None, args.share, args.goal)
                tell("control", "time", losses(windows, True), None, args.share)
                return
            print(f"{statistics.median(w[0] for w in windows[::2]) / 1000:.1f} us of CPU time a request")
            tell("samples", "CPU a request", *ratios(windows), args.share, args.goal)
            tell("control", "CPU a request", *ratios(windows, True), args.share)
        finally:
            work.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("xgotopfs")
    parser.add_argument("loads")
    parser.add_argument("-seconds", type=float, default=300)
    parser.add_argument("-window", type=float, default=1)
    parser.add_argument("-hz", type=int, default=99)
    parser.add_argument("-work", default="lost,http,alloc")
    parser.add_argument("-goal", type=float, default=0.5)
    parser.add_argument("-share", type=float, default=1)
    args = parser.parse_args()
    names = args.work.split(",")
    load = os.getloadavg()
    print(f"{os.cpu_count()} CPUs, load {load[0]:.1f} before it began", flush=True)
    for name in names:
        measure(args, name, args.seconds / len(names))


sys.exit(main())
