#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How a program with very many goroutines is met: seconds until the mount can be used and until all goroutines are
in it, of a listing, of all stacks and of the table; CPU time of xgotopfs beside each, which is what counts on a
machine that does other things.

usage: million.py XGOTOPFS LOADS [GOROUTINES]        (loads.sh builds LOADS)
"""
import os
import signal
import subprocess
import sys
import tempfile
import time


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def key(mount, name):
    with open(os.path.join(mount, "stats")) as f:
        for line in f:
            if line.startswith(name + " "):
                return line.split()[1]
    return ""


def number(mount, name, unknown):
    """Of a figure, which is "?" while it is not known."""
    said = key(mount, name)
    return int(said) if said.isdigit() else unknown


def wait(done, process):
    end = time.monotonic() + 300
    while not done():
        if time.monotonic() > end or process.poll() is not None:
            sys.exit("million: it does not come to that")
        time.sleep(0.01)


def size_of(path):
    size = 0
    with open(path, "rb", buffering=0) as f:
        while True:
            n = len(f.read(1 << 20))
            if not n:
                return size
            size += n


def look(tracer, mount, n, begun):
    def step(what, do, since=None):
        start, before = since or time.monotonic(), 0 if since else cpu(tracer.pid)
        said = do()
        print(f"{what:28} {time.monotonic() - start:7.2f} s  {cpu(tracer.pid) - before:7.2f} s of CPU"
              f"{'' if said is None else f'   {said}'}", flush=True)

    step("usable", lambda: wait(lambda: os.path.exists(os.path.join(mount, "health")), tracer), begun)
    step("all goroutines are there", lambda: wait(lambda: number(mount, "goroutines_live", 0) >= n, tracer), begun)
    step("their states are known", lambda: wait(
        lambda: number(mount, "goroutines_state_unknown", n) < n / 1000 and key(mount, "states_in_doubt") == "no", tracer), begun)
    step("ls goroutines", lambda: f"{len(os.listdir(os.path.join(mount, 'goroutines')))} names")
    step("goroutines.tsv", lambda: f"{size_of(os.path.join(mount, 'goroutines.tsv')) / 1e6:.0f} MB")
    step("stacks", lambda: f"{size_of(os.path.join(mount, 'stacks')) / 1e6:.0f} MB")
    step("stacks again", lambda: f"{size_of(os.path.join(mount, 'stacks')) / 1e6:.0f} MB")
    step("pprof/goroutine", lambda: f"{size_of(os.path.join(mount, 'pprof/goroutine')) / 1e6:.2f} MB")
    step("at rest for 5 s", lambda: time.sleep(5))
    with open(f"/proc/{tracer.pid}/status") as f:
        rss = [line.split()[1] for line in f if line.startswith("VmRSS:")][0]
    print(f"memory {int(rss) / 1024:.0f} MiB: {int(rss) * 1024 / n:.0f} bytes a goroutine, with all else", flush=True)


def main():
    xgotopfs, loads = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 1000000
    program = subprocess.Popen([loads], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    program.stdout.readline()
    program.stdin.write(f"park {n}\n")
    program.stdout.readline()
    with tempfile.TemporaryDirectory() as folder:
        mount = os.path.join(folder, "mnt")
        os.mkdir(mount)
        begun = time.monotonic()
        tracer = subprocess.Popen([xgotopfs, "-pid", str(program.pid), "-s", mount], stderr=subprocess.DEVNULL)
        try:
            look(tracer, mount, n, begun)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(60)
            program.kill()
            program.wait()


if __name__ == "__main__":
    main()
