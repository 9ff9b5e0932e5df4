#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What does `problems` say of incidents that it was not made for?

Usage: trouble.py XGOTOPFS SERVERS TROUBLE FOLDER RUN...

A RUN is INCIDENT:LEVEL: one of the program TROUBLE (tests/targets/trouble), traced at that level of -probes from before
its load (SERVERS/load) begins. In time, the first screen (five lines and the headline) has a line that fits what
INCIDENTS says, and the file that this points to names the function; and no line calls anything wrong that is not so:
those that may be there are listed, too. Runs are done side by side, as many as XGOTOPFS_HUNTS_JOBS says (3)."""
import os
import re
import signal
import sys
import threading
import time

from hunts import Failed, Hunt, PATIENCE, side_by_side

OURS = r"(cost|lost): |notice latency: "
# What only events tell: at light it is "not looked for".
EVENTS = ("stalls", "threads")
# incident: load's arguments or None, seconds (times PATIENCE / 30), lines that have to be there, what they point to (in
# the first screen of which file the text is), lines that may be there.
INCIDENTS = {
    "healthy": (["-c", "8", "-rate", "50", "URLok"], 25, [], None, []),
    "starved": (["-c", "8", "-rate", "50", "URLok"], 30, [], None, []),
    "stopped": (["-c", "8", "-rate", "50", "URLok"], 30, [r"critical target: the process is stopped, by a signal"], (r"stacks", r"^goroutine "),
                [r"."]),
    "init": (None, 30, [r"critical init: .* main\.init\.0 "], (r"stack", r"main\.init\.0"), []),
    "spin": (["-c", "8", "-rate", "50", "URLok"], 30, [r"warning cpu: main\.spinWait"], (r"stack", r"main\.spinWait"), []),
    "yields": (None, 30, [r"warning cpu: main\.waitReady .* calls runtime\.Gosched\(\) all the time"], (r"stack", r"main\.waitReady"), []),
    "unstopped": (None, 30, [r"timers: the runtime's work on timers that are due took"], (r"alloc_sites", r"."), [r"latency: "]),
    "after": (None, 30, [r"(allocation|cpu|gc): .*main\.afterLoop"], (r"alloc_sites|stack", r"main\.afterLoop"), []),
    "pool": (None, 30, [r"allocation: .*main\.grow"], (r"alloc_sites", r"main\.grow"), [r"timers: main\.poolUser", r"gc: "]),
    "forever": (None, 110, [r"heap: heap live .*main\.rememberAll"], (r"alloc_sites", r"main\.rememberAll"), []),
    "blackhole": (["-c", "40", "-rate", "40", "URL"], 30, [r"downstream: .*main\.fetchPrice"], (r"stack", r"main\.fetchPrice"), []),
    "dns": (["-c", "40", "-rate", "40", "URL"], 30, [r"work: .*main\.resolveBackend"], (r"stack", r"main\.resolveBackend"), []),
    "logs": (["-c", "40", "-rate", "200", "URL"], 30, [r"convoy: .*main\.audited"], (r"stack", r"main\.audited"), []),
    "stalls": (["-c", "40", "-rate", "40", "URL"], 30, [r"syscalls: .*main\.saveOrder"], (r"stack", r"main\.saveOrder"), []),
    "threads": (None, 30, [r"syscalls: .*main\.saveOrder"], (r"stack", r"main\.saveOrder"), []),
    "tight": (["-c", "4", "-rate", "4", "URL"], 30, [r"cpu: main\.checksum"], (r"stack", r"main\.checksum"), [r"latency: "]),
    "spiral": (None, 30, [r"gc: .* live, with a limit \(GOMEMLIMIT\) of 70 MiB|allocation: .*main\.remake"],
               (r"heap", r"memory_limit_bytes 73400320"), [r"cpu: .*main\.remake"]),
    "finalizer": (None, 30, [r"finalizer: .*main\.\(\*resource\)\.close"], (r"stack", r"main\.\(\*resource\)\.close"), []),
    "contexts": (["-c", "8", "-rate", "50", "URL"], 30, [r"(leak|growing): .*main\.watchRequest"], (r"stack", r"main\.watchRequest"),
                 []),
    "tickers": (["-c", "8", "-rate", "50", "URL"], 30, [r"growing: main\.report"], (r"stack", r"main\.report"), []),
    "spawns": (None, 30, [r"growing: main\.resizeImage|blocked: .*main\.resizeImage"], (r"stack", r"main\.resizeImage"), []),
    "files": (None, 30, [r"files: \d+ descriptors .* of 1024 "], (r"functions", r"main\.files\.func1"), []),
    "consumer": (None, 30, [r"blocked: .* chan send at main\.produce .*main\.consume"], (r"stack", r"main\.(produce|consume)"), []),
    "slots": (["-c", "40", "-rate", "200", "URL"], 30, [r"blocked: .* chan send at main\.queryStock .*, all on one chan struct {} \(len 8, cap 8\)"],
              (r"stack", r"main\.queryStock"), []),
    "retries": (None, 30, [r"cpu: main\.retryForever"], (r"stack", r"main\.retryForever"), [r"latency: .*main\.retryForever"]),
    "hordes": (None, 30, [r"starts: .*main\.lookAt"], (r"functions", r"main\.lookAt"), [r"timers: ", r"cpu: "]),
    "readers": (["-c", "40", "-rate", "100", "URL"], 30, [r"convoy: .*main\.lookUp"], (r"stack", r"main\.(scanTable|lookUp|updateTable)"),
                []),
}


class Trouble(Hunt):
    def __init__(self, xgotopfs, servers, trouble, folder, run):
        self.incident, level = run.split(":")
        super().__init__(xgotopfs, servers, folder, f"{self.incident}:{level}:before")
        self.trouble = trouble

    def problems(self):
        try:
            with open(os.path.join(self.mount, "problems"), encoding="utf-8", errors="replace") as file:
                return file.read().split("\n\nlooked for,")[0].splitlines()
        except OSError:
            return []

    def points_to(self, line, name, text):
        """The file of that name which the line names has the text in its first screen."""
        paths = [p for p in line.rsplit("; see ", 1)[-1].split() if re.search(name, p)]
        for path in paths:
            try:
                with open(os.path.join(self.mount, path), encoding="utf-8", errors="replace") as file:
                    if any(re.search(text, x) for x in file.read().splitlines()[:40]):
                        return True
            except OSError:
                pass
        return False

    def go(self):
        args, seconds, wanted, lead, may = INCIDENTS[self.incident]
        process, out = self.start("trouble", self.trouble, self.incident)
        url = self.says(process, out, r"listening (http://\S+/)")[1]
        self.attach(process.pid)
        if self.incident == "stopped":
            process.send_signal(signal.SIGSTOP)
        if self.incident == "starved": # it is the tracer that does not run for a while
            stop = threading.Timer(5, self.tracer.send_signal, [signal.SIGSTOP])
            go_on = threading.Timer(15, self.tracer.send_signal, [signal.SIGCONT])
            stop.start()
            go_on.start()
        if args:
            self.start("load", os.path.join(self.servers, "load"), *[a.replace("URL", url) for a in args])
        if self.level == "light" and self.incident in EVENTS:
            wanted, lead, seconds = [], None, 10
        began, missing, led, took = time.monotonic(), list(wanted), lead is None, 0
        while time.monotonic() < began + seconds * PATIENCE / 30:
            lines = self.problems()
            for line in lines[1:]:
                if re.match(r"(notice|warning|critical) ", line) and not re.search("|".join([OURS, *wanted, *may]), line):
                    raise Failed(f"said, and not so: {line}")
            for line in lines[1:6]:
                for text in wanted:
                    if re.search(text, line):
                        missing = [m for m in missing if m != text]
                        led = led or self.points_to(line, *lead)
            if wanted and not missing and led:
                took = took or time.monotonic() - began
                if time.monotonic() > began + took + 5: # and nothing false after it
                    return took
            time.sleep(0.7)
        if missing or not led:
            raise Failed(f"not said: {missing}, {'led on' if led else f'leads to no {lead}'}, in:\n" + "\n".join(lines))
        return took


def main():
    xgotopfs, servers, trouble, folder, *runs = sys.argv[1:]

    def one(run):
        hunt, why, said = Trouble(xgotopfs, servers, trouble, folder, run), None, []
        try:
            took = f"{hunt.go():.1f} s"
        except Failed as error:
            took, why = "failed", str(error)
        finally:
            if os.environ.get("XGOTOPFS_TROUBLE_SHOW"):
                said = hunt.problems()
            for process in hunt.started:
                process.send_signal(signal.SIGCONT) # who was stopped
            hunt.stop()
        return took, why, said

    side_by_side(runs, one)


main()
