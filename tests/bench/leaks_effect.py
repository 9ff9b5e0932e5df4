#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a program feels of being searched for leaks: an HTTP server that has a large heap answers two clients, in turns
while `xgotopfs -leaks once` looks at it again and again, and while nobody does. Of each pair: the server's CPU time for
a request (/proc/PID/task/*/schedstat), median and 99th percentile of the time of one; then the medians of both
kinds, of the differences within the pairs, and how far the turns without a look differ among each other.

With few processors what looks takes one from the server and its clients, however nice it is: "idle" in place of the
looks runs a loop at the same priority, which takes as much and reads nothing.

usage: leaks_effect.py XGOTOPFS LOADS [GIB [ROUNDS [SECONDS]]]        (loads.sh builds LOADS)
"""
import glob
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

FIGURES = ("CPU us a request", "p50 us", "p99 us", "requests a second")
HOWS = ("nobody looks", "looks", "idle")
SPIN = "import os\nos.nice(19)\nwhile True: pass"


class Loads:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.process.stdout.readline()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().strip()

    def cpu_ns(self):
        spent = 0
        for name in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with open(name, encoding="ascii") as file:
                spent += int(file.read().split()[0])
        return spent

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


class Looks:
    """Of xgotopfs, one after the other, as long as the turn lasts."""

    def __init__(self, xgotopfs, pid, folder):
        self.command = [xgotopfs, "-leaks", "once", "-pid", str(pid)]
        self.log = os.path.join(folder, "log")
        self.whole, self.cpu, self.wall = [], 0.0, 0.0
        self.stop, self.thread, self.look, self.failed = False, None, None, None

    def run(self):
        while not self.stop:
            begun = time.monotonic()
            with open(self.log, "w", encoding="utf-8") as log:
                self.look = subprocess.Popen(self.command, stdout=log, stderr=log)
                _, status, usage = os.wait4(self.look.pid, 0)
            self.look.returncode = os.waitstatus_to_exitcode(status)
            self.cpu += usage.ru_utime + usage.ru_stime
            self.wall += time.monotonic() - begun
            if self.stop:
                return
            if self.look.returncode:
                with open(self.log, encoding="utf-8") as log:
                    self.failed = f"{self.command}: status {self.look.returncode}: {log.read()}"
                return
            self.whole.append(usage.ru_utime + usage.ru_stime)

    def __enter__(self):
        self.stop = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __exit__(self, *_):
        self.stop = True
        while self.thread.is_alive():  # one may just begin
            if self.look and self.look.returncode is None:
                try:
                    os.kill(self.look.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.thread.join(0.01)


class Idle:
    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", SPIN])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Nobody:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def turn(server, client, url, seconds, beside):
    with beside:
        before = server.cpu_ns()
        _, done, wall, p50, p99 = map(int, client.ask(f"get {url} {seconds}s").split())
        spent = server.cpu_ns() - before
    return spent / done / 1e3, p50 / 1e3, p99 / 1e3, done / (wall / 1e9)


def main():
    xgotopfs, loads = sys.argv[1:3]
    gib, rounds, seconds = (float(a) for a in (sys.argv[3:] + ["1", "5", "10"][len(sys.argv) - 3:]))
    server, client = Loads(loads), Loads(loads)
    url = server.ask("serve")
    server.ask(f"heap {int(gib * 1024)}")
    client.ask(f"get {url} 1s")
    with tempfile.TemporaryDirectory() as folder:
        looks = Looks(xgotopfs, server.process.pid, folder)
        beside = dict(zip(HOWS, (Nobody(), looks, Idle())))
        said = {how: [] for how in HOWS}
        for _ in range(int(rounds)):
            for how in HOWS:
                said[how].append(turn(server, client, url, seconds, beside[how]))
    client.end()
    server.end()
    if looks.failed:
        sys.exit(looks.failed)
    print(f"{gib:g} GiB, {int(rounds)} turns of {seconds:g} s of each kind; looks had {looks.cpu / looks.wall * 100:.0f} % of a CPU, "
          f"{len(looks.whole)} came to their end" + (f", each with {statistics.median(looks.whole):.1f} s of CPU" if looks.whole else ""))
    print(f"{'':18}" + "".join(f"{how:>14}" for how in HOWS) + "   looks - nobody, in pairs   looks - idle   without: lowest, highest")
    for i, figure in enumerate(FIGURES):
        of = {how: [row[i] for row in said[how]] for how in HOWS}
        more = {how: statistics.median((a - b) / b * 100 for a, b in zip(of["looks"], of[how])) for how in ("nobody looks", "idle")}
        print(f"{figure:18}" + "".join(f"{statistics.median(of[how]):14.1f}" for how in HOWS) +
              f"{more['nobody looks']:+24.1f} %{more['idle']:+13.1f} %{min(of['nobody looks']):16.1f}{max(of['nobody looks']):9.1f}")


if __name__ == "__main__":
    main()
