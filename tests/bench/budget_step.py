#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What -max-overhead does when load comes and goes: how soon a program that begins to work is within its bound again,
and how soon all probes are back when it stops.

usage: budget_step.py XGOTOPFS LOADS [-percent P] [-rounds N] [-seconds S] [-beside N]        (loads.sh builds LOADS)

LOADS (tests/bench/loads) rests, works for S seconds in turns as an allocating loop, an HTTP server and a ping-pong,
and rests again; beside it are, where that is asked for, N threads that take all they get. What hits cost is
hits_total of `health` times its trap_ns and program_ns, what switching costs the windows times what it says a switch takes; the
program's CPU time is the scheduler's. Shown for each step: how long its first window lasted (until the last probe was out), what was spent
in the first second, in the time from then on until it rests, and in all, as a part of the program's own CPU time; and how long after the
end all probes are in again to stay (-1: not within ten seconds).
"""
import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from costs import scheduled_ns

LOOK = 0.01


class Traced:
    def __init__(self, xgotopfs, loads, folder, percent):
        self.loads = subprocess.Popen([loads], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.loads.stdout.readline() == "ready\n"
        self.hits = self.hits_ns = 0.0
        self.mount = os.path.join(folder, "mnt")
        os.mkdir(self.mount)
        self.log = open(os.path.join(folder, "log"), "w+")
        self.tracer = subprocess.Popen([xgotopfs, "-pid", str(self.loads.pid), "-s", "-max-overhead", str(percent), self.mount],
                                       stdout=self.log, stderr=self.log)
        until = time.monotonic() + 60
        while not os.path.exists(os.path.join(self.mount, "health")):
            if time.monotonic() > until or self.tracer.poll() is not None:
                self.log.seek(0)
                sys.exit(f"budget_step: it does not start: {self.log.read()}")
            time.sleep(0.05)

    def look(self):
        """When, the program's CPU time, what hits cost, what switching cost (of the figures), whether probes are in."""
        with open(os.path.join(self.mount, "stats")) as f:
            stats = f.read()
        with open(os.path.join(self.mount, "health")) as f:
            health = f.read()

        def number(text, key, otherwise=0.0):
            found = re.search(rf"^{key} ([0-9.]+)$", text, re.M)
            return float(found[1]) if found else otherwise

        hits = number(health, "hits_total")
        self.hits_ns += (hits - self.hits) * (number(health, "trap_ns") + number(health, "program_ns"))
        self.hits = hits
        windows = number(stats, "budget_windows")
        switching = windows * (number(stats, "budget_attach_cpu_ns") + number(stats, "budget_detach_cpu_ns"))
        return {
            "at": time.monotonic(),
            "cpu": scheduled_ns(self.loads.pid),
            "hits": self.hits_ns,
            "switching": switching,
            "in": "probes_in yes" in health,
            "hits_total": hits,
        }

    def end(self):
        self.tracer.send_signal(signal.SIGINT)
        self.tracer.wait(60)
        self.loads.stdin.close()
        self.loads.wait(30)
        self.log.close()


def share(a, b):
    """Of the program's CPU time from one look to the other, in percent; it is none where that is next to nothing."""
    cpu = b["cpu"] - a["cpu"]
    return 100 * (b["hits"] - a["hits"] + b["switching"] - a["switching"]) / cpu if cpu > 1e6 else 0.0


def nearest(looks, at):
    return min(looks, key=lambda look: abs(look["at"] - at))


def step(traced, work, seconds):
    began = traced.look()
    done = threading.Event()
    threading.Thread(target=lambda: (traced.loads.stdin.write(f"{work} {seconds}s\n"), traced.loads.stdout.readline(), done.set()),
                     daemon=True).start()
    looks = [began]
    while not done.is_set():
        time.sleep(LOOK)
        looks.append(traced.look())
    end = looks[-1]
    out = next((look for look in looks if not look["in"]), None)
    if os.environ.get("STEPS"):  # each window: begin and length in ms, hits
        first, text = looks[0], []
        for before, look in zip(looks, looks[1:]):
            if look["in"] and not before["in"]:
                first = look
            if before["in"] and not look["in"]:
                text.append(f"{1000 * (first['at'] - began['at']):.0f}+{1000 * (look['at'] - first['at']):.0f}: {look['hits_total'] - first['hits_total']:.0f}")
        print(f"{work}: {' '.join(text)}", file=sys.stderr)
    later = nearest(looks, began["at"] + 1)
    back, since = -1.0, None
    while time.monotonic() < end["at"] + 12:
        look = traced.look()
        if not look["in"]:
            since = None
        elif since is None:
            since = look["at"]
        if since is not None and look["at"] - since > 2:
            back = since - end["at"]
            break
        time.sleep(LOOK)
    return {
        "first window, ms": 1000 * (out["at"] - began["at"]) if out else -1.0,
        "first second, %": share(began, later),
        "from then on, %": share(later, end),
        "in all, %": share(began, end),
        "all back after, ms": 1000 * back if back >= 0 else -1.0,
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("xgotopfs")
    p.add_argument("loads")
    p.add_argument("-percent", type=float, default=3)
    p.add_argument("-rounds", type=int, default=5)
    p.add_argument("-seconds", type=float, default=6)
    p.add_argument("-beside", type=int, default=0)
    a = p.parse_args()
    # Each in a session of its own: the kernel may share CPUs out by session.
    beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(a.beside)]
    rows = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            traced = Traced(a.xgotopfs, a.loads, folder, a.percent)
            time.sleep(3)
            for _ in range(a.rounds):
                for work in ("alloc", "http", "pingpong"):
                    rows.setdefault(work, []).append(step(traced, work, a.seconds))
                    time.sleep(3)
            traced.end()
    finally:
        for process in beside:
            process.kill()
            process.wait()
    keys = list(rows["alloc"][0])
    print(f"-max-overhead {a.percent:g}, {a.seconds:g} s of work, {a.beside} threads beside it, {os.cpu_count()} CPUs; medians of {a.rounds} (the most)\n")
    print(f"| work | {' | '.join(keys)} |\n|---|{'--:|' * len(keys)}")
    for work, steps in rows.items():
        print(f"| {work} | {' | '.join(f'{statistics.median(s[k] for s in steps):.1f} ({max(s[k] for s in steps):.1f})' for k in keys)} |")


if __name__ == "__main__":
    main()
