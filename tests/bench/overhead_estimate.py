#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The estimate of the overhead against what tracing really costs.

usage: overhead_estimate.py XGOTOPFS LOADS [ROUNDS [FACTOR]]

LOADS (tests/bench/loads) does the same work again and again, in turns with no probe and with all of them;
what CPU time it takes more with them is the truth, what xgotopfs says that the hits cost is the
estimate. Prints both for an HTTP server, a channel ping-pong and a program that allocates.

A machine that is shared is not as fast from one minute to the next, and the price of a hit was measured when
the tracer started: it is measured again beside each workload (-doctor), and the hits are priced with that,
too. With FACTOR the exit status is 1 where that is more than FACTOR times the truth, or less than the
truth divided by it; or where what is shown is so with FACTOR squared. (Measured again then: who estimates wrong does
so each time.)
"""
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

WORK = [("http", 600), ("pingpong", 16000), ("alloc", 12000)]
EVENTS = ["casgstatus", "makeslice", "makemap", "newobject", "newgoroutine", "goexit"]


class Bench:
    def __init__(self, xgotopfs, loads, folder, options=(), there="control/sample"):
        self.xgotopfs = xgotopfs
        self.mount = os.path.join(folder, "mnt")
        os.mkdir(self.mount)
        self.loads = subprocess.Popen([loads], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.loads.stdout.readline() == "ready\n"
        self.log = open(os.path.join(folder, "log"), "w+")
        self.tracer = subprocess.Popen([xgotopfs, "-pid", str(self.loads.pid), *options, self.mount], stderr=self.log, stdout=self.log)
        self.wait(lambda: os.path.exists(self.path(there)), "it does not mount")

    def path(self, name):
        return os.path.join(self.mount, name)

    def wait(self, done, what, seconds=30):
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end or self.tracer.poll() is not None:
                self.log.seek(0)
                sys.exit(f"{what}: {self.log.read()}")
            time.sleep(0.02)

    def probe(self, on):
        with open(self.path("control/sample"), "w") as f:
            f.write(",".join(f"{e}:{int(on)}" for e in EVENTS) + "\n")

    def health(self, key):
        with open(self.path("health")) as f:
            return int(re.search(rf"^{key} (\d+)$", f.read(), re.M)[1])

    def price(self):
        """Nanoseconds of a trap, and of one that is stepped, at this moment."""
        said = subprocess.run([self.xgotopfs, "-doctor"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        found = re.search(r"(\d+) ns a hit where the kernel emulates the instruction, (\d+) ns where it steps", said)
        if not found:
            sys.exit(f"no price of a hit: {said}")
        return int(found[1]), int(found[2])

    def settled(self):
        """What is estimated, when the last second has no hit."""
        with open(self.path("control/sample")) as f:
            f.read()
        self.wait(lambda: self.health("hits_per_second") == 0, "hits do not end")
        hits = self.health("hits_total")
        time.sleep(0.2)  # a text is kept for 100 ms
        assert self.health("hits_total") == hits
        return self.health("overhead_estimate_total_ns"), hits

    def run(self, name, count):
        self.loads.stdin.write(f"{name} {count}\n")
        return int(self.loads.stdout.readline().split()[0])

    def end(self):
        self.tracer.send_signal(signal.SIGINT)
        self.tracer.wait(30)
        self.loads.stdin.close()
        self.loads.wait(10)


def measure(bench, name, count, rounds):
    bench.probe(False)
    bench.run(name, count)
    before, hits_before = bench.settled()
    more, prices = [], [bench.price()]
    for i in range(rounds):
        bench.probe(False)
        without = bench.run(name, count)
        bench.probe(True)
        more.append(bench.run(name, count) - without)
        if i == rounds // 2:
            prices.append(bench.price())
    bench.probe(False)
    after, hits_after = bench.settled()
    prices.append(bench.price())
    hits = hits_after - hits_before
    told = (after - before) / hits
    cost = statistics.median(more) * rounds / hits
    # All but the trap itself was measured while they ran.
    told_now = told + statistics.median(trap for trap, _ in prices) - bench.health("trap_ns")
    return cost, told, told_now, hits / rounds / count


def differs(told, cost, factor):
    return told <= 0 or cost <= 0 or max(told / cost, cost / told) > factor


def main():
    xgotopfs, loads = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    factor = float(sys.argv[4]) if len(sys.argv) > 4 else None
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(xgotopfs, loads, folder)
        print(f"trap {bench.health('trap_ns')} ns, stepped {bench.health('step_ns')} ns")
        for name, count in WORK:
            for _ in range(2):
                cost, told, told_now, hits = measure(bench, name, count, rounds)
                print(
                    f"{name:9} {hits:6.1f} hits an operation, a hit cost {cost:6.0f} ns, estimated {told:6.0f} ns: {told / cost:.2f} of it;"
                    f" at the price of that moment {told_now:6.0f} ns: {told_now / cost:.2f}"
                )
                wrong = factor is not None and (differs(told_now, cost, factor) or differs(told, cost, factor**2))
                if not wrong:
                    break
            bad |= wrong
        bench.end()
    sys.exit(bad)


if __name__ == "__main__":
    main()
