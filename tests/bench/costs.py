#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What each way of tracing costs the traced program, as a table.

usage: costs.py XGOTOPFS LOADS [-rounds N] [-only MODE,…]

LOADS (tests/bench/loads) does the same work again and again: untraced, then in each way, in turns; what
is shown are medians over the rounds of the CPU time an operation relative to the untraced run of the
same round, of the operations a second likewise, of the tracer's CPU time for each operation, and the
events lost. Machines that others use swing by 10 % and more between runs: CPU time says more than
operations a second. Judges nothing.
"""
import argparse
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time

WORK = [("http", 6000), ("pingpong", 100000), ("alloc", 60000)]
SAMPLED = "casgstatus:1,newgoroutine:1,goexit:1,newobject:{0},makeslice:{0},makemap:{0}"
MODES = [
    ("full", []),
    ("full, -max-overhead 3", ["-max-overhead", "3"]),
    ("light", ["-probes", "light"]),
    ("demand, nobody reads", ["-probes", "demand"]),
    ("demand, one reads", ["-probes", "demand"]),
    ("none", ["-probes", "none"]),
    ("allocations at 0.1", ["-sample", SAMPLED.format("0.1")]),
    ("allocations at 0.01", ["-sample", SAMPLED.format("0.01")]),
] + [(f"{e} alone", ["-sample", f"{e}:1"]) for e in
     ("casgstatus", "newobject", "makeslice", "makemap", "newgoroutine", "goexit")] + [
    ("full, recorded", ["-record"]),
]


class Loads:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.process.stdout.readline() == "ready\n"

    def run(self, name, count):
        """CPU and wall time of an operation, in ns."""
        start = time.monotonic_ns()
        self.process.stdin.write(f"{name} {count}\n")
        cpu = int(self.process.stdout.readline())
        return cpu / count, (time.monotonic_ns() - start) / count

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


class Tracer:
    def __init__(self, xgotopfs, pid, args, folder, reads):
        self.mount = os.path.join(folder, "mnt")
        os.makedirs(self.mount, exist_ok=True)
        self.log = open(os.path.join(folder, "log"), "w+")
        args = args + ["-storage-dir", os.path.join(folder, "sessions")] if "-record" in args else args
        self.process = subprocess.Popen([xgotopfs, "-pid", str(pid), *args, self.mount],
                                        stdout=self.log, stderr=self.log)
        self.wait(lambda: os.path.exists(os.path.join(self.mount, "health")))
        self.reader = None
        if reads:
            self.reader = subprocess.Popen(["tail", "-f", os.path.join(self.mount, "events")], stdout=subprocess.DEVNULL)
            self.wait(lambda: "probes_in yes" in self.read("stats"))

    def wait(self, done):
        end = time.monotonic() + 30
        while not done():
            if time.monotonic() > end or self.process.poll() is not None:
                self.log.seek(0)
                raise RuntimeError(self.log.read().strip().splitlines()[-1])
            time.sleep(0.02)

    def read(self, name):
        with open(os.path.join(self.mount, name)) as f:
            return f.read()

    def cpu_ns(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def end(self):
        lost = int(re.search(r"^lost_total (\d+)$", self.read("stats"), re.M)[1])
        if self.reader:
            self.reader.kill()
            self.reader.wait()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        return lost


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("xgotopfs")
    p.add_argument("loads")
    p.add_argument("-rounds", type=int, default=5)
    p.add_argument("-only", type=lambda s: s.split(","))
    a = p.parse_args()
    modes = [m for m in MODES if not a.only or m[0] in a.only or m[0].split(",")[0] in a.only]
    rows = {(m, w): [] for m, _ in modes for w, _ in WORK}
    refused = {}
    loads = Loads(a.loads)
    for _ in range(a.rounds):
        for name, args in modes:
            if name in refused:
                continue
            bare = {w: loads.run(w, n) for w, n in WORK}
            with tempfile.TemporaryDirectory() as folder:
                try:
                    tracer = Tracer(a.xgotopfs, loads.process.pid, args, folder, name == "demand, one reads")
                except RuntimeError as e:
                    refused[name] = e
                    continue
                for w, n in WORK:
                    before = tracer.cpu_ns()
                    cpu, wall = loads.run(w, n)
                    rows[name, w].append((cpu / bare[w][0], bare[w][1] / wall, (tracer.cpu_ns() - before) / n))
                lost = tracer.end()
                rows[name, WORK[0][0]][-1] += (lost,)
    loads.end()
    print(f"{'way of tracing':24}" + "".join(f"{w + ': CPU':>15}{'ops/s':>7}{'tracer ns':>11}" for w, _ in WORK) + f"{'lost':>8}")
    for name, _ in modes:
        if name in refused:
            print(f"{name:24} {refused[name]}")
            continue
        line = f"{name:24}"
        for w, _ in WORK:
            cpu, speed, tracer = (statistics.median(r[i] for r in rows[name, w]) for i in range(3))
            line += f"{cpu:15.3f}{speed:7.2f}{tracer:11.0f}"
        print(line + f"{max(r[3] for r in rows[name, WORK[0][0]]):8}")


if __name__ == "__main__":
    main()
