#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Does docs/oncall.md find what it says it finds?

Usage: hunts.py XGOTOPFS SERVERS PAGE FOLDER RUN...

A RUN is SERVER:LEVEL:WHEN: one of examples/incidents, built in the folder SERVERS; a level of -probes;
`before` (attached before the fault begins) or `after`. The page has the commands, of each server in a
block of shell below a line `<!-- hunt: SERVER -->`: `COMMAND  # TEXT` means that the first screen (here
40 lines, of `problems` five and the headline) of what the command says has that text, `# TEXT (not LEVEL)` or
`(not WHEN)` that this is not tried there. `goroutines/N` in a command is the first such folder that is named in the
line of `problems` which had the text. All of it within PATIENCE seconds (SLOW times that for some) from when the fault is there and
somebody is attached. Runs are done side by side, as many as XGOTOPFS_HUNTS_JOBS says (3)."""
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

PATIENCE = 30 * float(os.environ.get("XGOTOPFS_HUNTS_PATIENCE", "1"))
START = 15 * int(os.environ.get("SLACK", 4))  # as all deadlines: tests/lib.sh
SCREEN = 40
# server: (upstream's arguments or None, load's arguments; URL is the server's)
SERVERS = {
    "convoy": (None, ["-c", "50", "-rate", "400", "URL"]),
    "bodies": ([], ["-c", "4", "-rate", "10", "URL"]),
    "downstream": (["-delay", "3s"], ["-c", "60", "-rate", "60", "URL"]),
    "timers": (None, ["-c", "4", "-rate", "20", "URL"]),
    "hog": (None, ["-c", "4", "-rate", "20", "URLsearch?x", "URL"]),
    "churn": (None, ["-c", "8", "-rate", "100", "URL"]),
    "worker": (None, ["-c", "40", "-rate", "100", "URLsignup?a@b"]),
    "latency": (None, ["-c", "8", "-rate", "100", "URL"]),
    "hoard": (None, ["-c", "8", "-rate", "200", "URL"]),
}
# What has to be watched for longer.
SLOW = {"hoard": 4}
# What breaks the worker.
TRIGGER = {"worker": "signup?nobody"}


def waits_in(process):
    """Where in the kernel each of its threads is; or how it ended."""
    if process.poll() is not None:
        return f" (ended with {process.returncode})"
    said = []
    for task in glob.glob(f"/proc/{process.pid}/task/*"):
        try:
            with open(f"{task}/comm", encoding="utf-8") as comm, open(f"{task}/wchan", encoding="utf-8") as place:
                said.append(f"{comm.read().strip()} {place.read()}")
        except OSError:
            pass
    return f" (it runs; {', '.join(said)})"


class Failed(Exception):
    pass


def blocks(page):
    """server: [(command, text, levels and times that it is not for)]"""
    found = {}
    with open(page, encoding="utf-8") as file:
        text = file.read()
    for server, block in re.findall(r"^<!-- hunt: (\w+) -->\n```sh\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            at = re.fullmatch(r"(.*?)\s+# (.*?)(?: \(not (.*)\))?", line)
            if not at:
                raise Failed(f"{page}: {server}: no text to look for: {line}")
            if not re.match(r"(cat|head|tail|grep|ls)\b", at[1]):
                raise Failed(f"{page}: {server}: not one of ls, cat, grep, head, tail: {at[1]}")
            found.setdefault(server, []).append((at[1], at[2], (at[3] or "").split(", ")))
    return found


class Hunt:
    """One run."""

    def __init__(self, xgotopfs, servers, folder, run):
        self.server, self.level, self.when = run.split(":")
        self.xgotopfs, self.servers = xgotopfs, servers
        self.folder = os.path.join(folder, run.replace(":", "-"))
        self.mount = os.path.join(self.folder, "mnt")
        self.started, self.tracer = [], None
        os.makedirs(self.mount, exist_ok=True)

    def start(self, name, *command):
        out = os.path.join(self.folder, name + ".out")
        with open(out, "wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file,  # pylint: disable=consider-using-with
                                       stderr=subprocess.STDOUT)
        self.started.append(process)
        return process, out

    def says(self, process, out, what):
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            with open(out, encoding="utf-8", errors="replace") as file:
                found = re.search(what, file.read())
            if found:
                return found
            if process.poll() is not None:
                break
            time.sleep(0.05)
        with open(out, encoding="utf-8", errors="replace") as file:
            raise Failed(f"{process.args[0]} does not say {what}: {file.read()[-500:]}{waits_in(process)}")

    def serve(self, name, *args):
        process, out = self.start(name, os.path.join(self.servers, name), *args)
        return process.pid, self.says(process, out, r"listening (http://\S+/)")[1]

    def attach(self, pid):
        self.tracer, out = self.start("xgotopfs", self.xgotopfs, "-pid", str(pid), "-s", "-probes", self.level, self.mount)
        self.says(self.tracer, out, "Ctrl-C ends")

    def break_it(self, url, args):
        self.start("load", os.path.join(self.servers, "load"), *[a.replace("URL", url) for a in args])
        if self.server in TRIGGER:
            deadline = time.monotonic() + START
            while True:
                try:
                    urllib.request.urlopen(url + TRIGGER[self.server], timeout=2).close()
                    return
                except (OSError, urllib.error.URLError):
                    if time.monotonic() > deadline:
                        raise Failed("it answers nobody") from None

    def look(self, command, text):
        """What it says, and whether that is what the page says."""
        try:
            said = subprocess.run(["bash", "-c", command], cwd=self.mount, capture_output=True, text=True, timeout=PATIENCE,
                                  check=False, errors="replace")
        except subprocess.TimeoutExpired:
            return "it takes too long", False
        lines = said.stdout.splitlines()[:6 if command.endswith(" problems") else SCREEN]
        return "\n".join(lines) + said.stderr, any(text in line for line in lines)

    def follow(self, commands):
        goroutine, took = None, time.monotonic()
        deadline = took + PATIENCE * SLOW.get(self.server, 1)
        for command, text, without in commands:
            if self.level in without or self.when in without:
                continue
            while True:
                if "goroutines/N/" in command and goroutine is None:
                    raise Failed(f"no line of problems names a goroutine for: {command}")
                said, good = self.look(command.replace("goroutines/N/", f"goroutines/{goroutine}/"), text)
                if "problems" in command:
                    named = [re.search(r"goroutines/(\d+)/", line) for line in said.splitlines() if text in line]
                    goroutine = next((n[1] for n in named if n), None)
                if good:
                    break
                if time.monotonic() > deadline:
                    raise Failed(f"{command} ({goroutine}): no {text!r} in:\n{said}")
                time.sleep(0.5)
                # A goroutine comes and goes: who looks again takes the one that is named now.
                if "goroutines/N/" in command:
                    again = self.look(commands[0][0], commands[0][1])[0]
                    named = [re.search(r"goroutines/(\d+)/", line) for line in again.splitlines() if commands[0][1] in line]
                    goroutine = next((n[1] for n in named if n), goroutine)
        return time.monotonic() - took

    def run(self, commands):
        upstream, args = SERVERS[self.server]
        more = [] if upstream is None else ["-upstream", self.serve("upstream", *upstream)[1]]
        pid, url = self.serve(self.server, *more)
        if self.when == "before":
            self.attach(pid)
            self.break_it(url, args)
        else:
            self.break_it(url, args)
            time.sleep(3)
            self.attach(pid)
        return self.follow(commands)

    def stop(self):
        for process in reversed(self.started):
            process.send_signal(signal.SIGINT if process is self.tracer else signal.SIGTERM)
            try:
                process.wait(START)
            except subprocess.TimeoutExpired:
                process.kill()
        with open("/proc/mounts", encoding="utf-8") as file:
            if f" {self.mount} " in file.read():
                subprocess.run(["fusermount3", "-u", "-z", self.mount], check=False)


def side_by_side(runs, one):
    """one(run): how long it took, why it failed (None: it did not), and lines to show. Ends with status 1 where one failed."""
    failed, lock = [], threading.Lock()

    def told(run):
        took, why, said = one(run)
        with lock:
            print("\n    ".join([f"{run}: {took}", *said]), flush=True)
            if why:
                failed.append(run)
                print(f"FAIL: {run}: {why}", file=sys.stderr, flush=True)

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("XGOTOPFS_HUNTS_JOBS", "3"))) as pool:
        list(pool.map(told, runs))
    sys.exit(1 if failed else 0)


def main():
    xgotopfs, servers, page, folder, *runs = sys.argv[1:]
    commands = blocks(page)
    missing = sorted(set(SERVERS) - set(commands))
    if missing:
        sys.exit(f"{page} has no hunt of {', '.join(missing)}")

    def one(run):
        hunt = Hunt(xgotopfs, servers, folder, run)
        try:
            return f"{hunt.run(commands[hunt.server]):.1f} s", None, []
        except Failed as error:
            return "not found", str(error), []
        finally:
            hunt.stop()

    side_by_side(runs, one)


if __name__ == "__main__":
    main()
