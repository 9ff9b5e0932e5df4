#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Lets each call of the program fail once and looks at how it ends.

usage: faults.py XGOTOPFS SHIM TARGET FOLDER [-every N] [-only SCENARIO] [-kind KIND] [-each-call]

TARGET is the pid of a Go program to trace, FOLDER a private one. By default one call of each place that
calls fails, with -each-call every single call; -every N takes each Nth of them. However it ends: no crash,
no hang, a documented status, each line on stderr ours and at least one of them where the status is not 0,
nothing mounted, the target unharmed. What is written to stdout or a file is what it is without a fault, or
the status or a warning says that it is not.
"""
import argparse
import http.client
import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

KINDS = ("malloc", "mmap", "open", "read", "write", "thread", "epoll", "bpf", "fsync", "fork", "fd",
         "socket", "rename", "stat")
HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES = 24  # of shim.c
PATIENCE = 20 * float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines
COMPARED = ("convert", "perfetto", "sessions", "help")


def scenarios(args):
    """name -> (arguments, whether it goes on until it is told to end)."""
    folder = args.folder
    exe = f"/proc/{args.target}/exe"
    mount = f"{folder}/mnt"
    session = f"{folder}/kept/{os.listdir(folder + '/kept')[0]}" if os.path.isdir(f"{folder}/kept") else ""
    web = ["-web", "-web-port", "0", "-storage-dir", f"{folder}/sessions"]
    return {
        "live": (["-pid", str(args.target), *web, "-mft", mount], True),
        "binary": (["-b", os.readlink(exe), "-record", "-storage-format", "jsonl", "-storage-dir",
                    f"{folder}/sessions", mount], True),
        "command": (["-s", "-mft", "--", os.readlink(exe), "-load", args.url, "-n", "1"], False),
        "replay": (["-replay", session, "-speed", "0", *web, mount], True),
        "convert": (["-convert", session, "-to", "jsonl", "-out", f"{folder}/converted"], False),
        "perfetto": (["-convert", session, "-to", "perfetto"], False),
        "sessions": (["-sessions", "-storage-dir", f"{folder}/kept"], False),
        "doctor": (["-doctor", "-pid", str(args.target)], False),
        "help": (["-help"], False),
    }


class Run:
    def __init__(self, args, scenario, fault):
        self.args, self.fault = args, fault
        words, self.serves = scenarios(args)[scenario]
        self.counts = f"{args.folder}/counts"
        self.problems = []
        if os.path.exists(self.counts):
            os.unlink(self.counts)
        env = dict(os.environ, LD_PRELOAD=args.shim, XGOTOPFS_FAULT_LOG=self.counts)
        if fault:
            env["XGOTOPFS_FAULT"] = fault
        self.scenario = scenario
        if os.path.exists(f"{args.folder}/converted"):
            os.unlink(f"{args.folder}/converted")
        with open(f"{args.folder}/stderr", "wb") as err, open(f"{args.folder}/stdout", "wb") as out:
            self.child = subprocess.Popen([args.xgotopfs, *words], env=env, cwd=args.folder,
                                          stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def said(self):
        with open(f"{self.args.folder}/stderr", encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait(self, seconds, until=lambda: False):
        deadline = time.monotonic() + seconds
        while self.child.poll() is None and not until():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def look(self):
        """What a user does while it runs; answers may be errors, but they come."""
        mount = f"{self.args.folder}/mnt"
        for command in (["ls", "-l", f"{mount}/goroutines"], ["cat", f"{mount}/stacks", f"{mount}/health"],
                        ["head", "-c", "2000", f"{mount}/events"]):
            try:
                subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE,
                               check=False)
            except subprocess.TimeoutExpired:
                self.problems.append(f"{' '.join(command)} hangs")
        url = re.search(r"web UI: (http://[^/]+)/(\S*)", self.said())
        for path in ("/", "/api/info", "/api/sessions", "/api/live/stacks") if url else ():
            try:
                urllib.request.urlopen(url[1] + path, timeout=PATIENCE).read()
            except TimeoutError:
                self.problems.append(f"GET {path} hangs")
            except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError):
                pass

    def end(self):
        if self.serves and not self.wait(PATIENCE, lambda: "Ctrl-C ends" in self.said()):
            self.problems.append("not ready")
        if self.serves and self.child.poll() is None:
            self.look()
            self.child.send_signal(signal.SIGINT)
        if not self.wait(PATIENCE):
            self.problems.append("hangs")
            subprocess.run(["gdb", "-p", str(self.child.pid), "-batch", "-ex", "thread apply all bt 12"],
                           stdout=sys.stdout if self.args.verbose else subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False) if self.args.verbose else None
            self.child.kill()
        self.child.wait()
        self.check()
        return self.problems

    def unmounted(self):
        """At once, or by the process that notices that we have ended."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with open("/proc/mounts", encoding="utf-8") as f:
                if f" {self.args.folder}/mnt fuse" not in f.read():
                    return True
            time.sleep(0.05)
        return False

    def check(self):
        status, said = self.child.returncode, self.said()
        lines = said.splitlines()
        if status < 0 and "hangs" not in self.problems:
            self.problems.append(f"killed by {signal.Signals(-status).name}")
        elif status > 5 and self.scenario != "command":
            self.problems.append(f"status {status}")
        if status == 2:
            self.problems.append("status 2: nothing was wrong with the options")
        if status > 0 and not lines and b"FAIL" not in self.made():
            self.problems.append("not a word")
        # libfuse and its helper print some of their own failures themselves.
        self.problems += [f"not ours: {line}" for line in lines
                          if not line.startswith(("xgotopfs: ", "fuse: ", "fusermount3: "))]
        if not self.unmounted():
            self.problems.append("still mounted")
            subprocess.run(["fusermount3", "-u", "-z", f"{self.args.folder}/mnt"], check=False)
        if not os.path.exists(f"/proc/{self.args.target}/exe"):
            sys.exit(f"the target is gone after {self.fault}")
        self.status, self.lines = status, lines

    def made(self):
        """What it printed or wrote."""
        made = b""
        for name in ("stdout", "converted"):
            if os.path.exists(f"{self.args.folder}/{name}"):
                with open(f"{self.args.folder}/{name}", "rb") as f:
                    made += f.read()
        return made

    def where(self):
        """The thread and its calls, innermost first, at the call that failed."""
        with open(self.counts, "rb") as f:
            f.seek(4 * 2 * len(KINDS))
            failed, task, thread, *frames = struct.unpack(f"<Ii16s{FRAMES}Q", f.read(24 + 8 * FRAMES))
        if not failed:
            return "no call failed"
        frames = [hex(frame - 1) for frame in frames if frame]
        found = subprocess.run(["addr2line", "-s", "-f", "-i", "-e", self.args.xgotopfs, *frames], capture_output=True,
                               text=True, check=False).stdout.split("\n")
        name = thread.split(b"\0")[0].decode(errors="replace")
        return f"in {name} ({task}): " + " < ".join(f"{a} {b}" for a, b in zip(found[::2], found[1::2]))

    def calls(self):
        with open(self.counts, "rb") as f:
            numbers = struct.unpack(f"<{2 * len(KINDS) + 1}I", f.read(4 * (2 * len(KINDS) + 1)))
        return dict(zip(KINDS, zip(numbers, numbers[len(KINDS):])))


def unharmed(target):
    """Breakpoints go a moment after whoever set them."""
    deadline = time.monotonic() + PATIENCE
    command = [sys.executable, f"{HERE}/../code_intact.py", str(target)]
    while subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("xgotopfs")
    parser.add_argument("shim")
    parser.add_argument("target", type=int)
    parser.add_argument("folder")
    parser.add_argument("-url", help="of the target: what a traced command asks")
    parser.add_argument("-every", type=int, default=1)
    parser.add_argument("-first", type=int, default=1)
    parser.add_argument("-only", action="append", default=[])
    parser.add_argument("-kind", action="append", default=[])
    parser.add_argument("-each-call", action="store_true")
    parser.add_argument("-seconds", type=float, default=1e9)
    parser.add_argument("-verbose", action="store_true")
    args = parser.parse_args()
    args.xgotopfs, args.shim, args.folder = map(os.path.abspath, (args.xgotopfs, args.shim, args.folder))
    os.makedirs(f"{args.folder}/mnt", exist_ok=True)
    if not os.path.isdir(f"{args.folder}/kept"):
        subprocess.run([args.xgotopfs, "-s", "-record", "-storage-dir", f"{args.folder}/kept", "--",
                        os.readlink(f"/proc/{args.target}/exe"), "-help"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
    tried = bad = turn = 0
    start = time.monotonic()
    for name in scenarios(args):
        if name == "command" and not args.url:
            continue
        if args.only and name not in args.only:
            continue
        clean = Run(args, name, "")
        problems = clean.end()
        if problems or clean.status:
            print(f"{name}, nothing fails: {'; '.join(problems)} status {clean.status}: {clean.said()}")
            bad += 1
            continue
        made = clean.made()
        for kind, (calls, places) in clean.calls().items():
            if args.kind and kind not in args.kind:
                continue
            for n in range(1, (calls if args.each_call else places) + 1):
                turn += 1
                if turn % args.every != args.first % args.every or time.monotonic() - start > args.seconds:
                    continue
                fault = f"{kind}{':' if args.each_call else '@'}{n}"
                run = Run(args, name, fault)
                problems = run.end()
                if name in COMPARED and run.status == 0 and not run.lines and run.made() != made:
                    problems.append("status 0, no warning, other output than without a fault")
                tried += 1
                if args.verbose:
                    print(f"{name} {fault}: status {run.status} {run.lines} {run.where()}")
                if problems:
                    bad += 1
                    print(f"{name} {fault}: {'; '.join(problems)}; status {run.status}")
                    print(f"    {run.where()}")
                    print("".join(f"    {line}\n" for line in run.lines[:10]), end="", flush=True)
        if not unharmed(args.target):
            print(f"{name}: breakpoints are left in the target")
            bad += 1
    print(f"{tried} faults injected, {bad} ended badly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
