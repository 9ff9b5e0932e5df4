#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What sampling the CPUs costs the traced program: CPU time of the same work with and without.

usage: cpu_sampling.py XGOTOPFS LOADS [PAIRS [HZ]]

LOADS (tests/bench/loads) does the same work again and again, in pairs of short rounds in turning order: with
the samples (99 a second and CPU unless HZ says otherwise), and with them off (control/pause); no probe is in.
Prints the median of the pairs' ratios with its 95 % confidence interval (by order: no assumption on how a busy
machine's times are spread)."""
import math
import statistics
import sys
import tempfile

from overhead_estimate import Bench

WORK = [("http", 400), ("alloc", 8000)]


def interval(values):
    """The ordered values between which the median lies with 95 %."""
    values = sorted(values)
    n = len(values)
    k = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
    return values[k], values[n - 1 - k]


def switch(bench, on):
    with open(bench.path("control/pause"), "w") as f:
        f.write(f"{int(not on)}\n")


def measure(bench, name, count, pairs):
    bench.run(name, count)
    ratios = []
    for i in range(pairs):
        took = {}
        for on in ((True, False), (False, True))[i % 2]:
            switch(bench, on)
            took[on] = bench.run(name, count)
        ratios.append(took[True] / took[False])
    switch(bench, True)
    return ratios


def main():
    xgotopfs, loads = sys.argv[1:3]
    pairs = int(sys.argv[3]) if len(sys.argv) > 3 else 150
    options = ["-probes", "demand"] + (["-sample-cpu", sys.argv[4]] if len(sys.argv) > 4 else [])
    for name, count in WORK:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(xgotopfs, loads, folder, options, "control/pause")
            ratios = measure(bench, name, count, pairs)
            low, high = interval(ratios)
            print(f"{name:6} {pairs} pairs: with samples {statistics.median(ratios):.4f} of the CPU time without, "
                  f"95 % between {low:.4f} and {high:.4f}", flush=True)
            bench.end()


main()
