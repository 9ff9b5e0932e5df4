#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long requests of a mount with many goroutines take, alone and among busy readers.

fs_latency.py FS_DEMO [GOROUTINES]: mounts FS_DEMO (build/tests/targets/fs_demo) and prints, in
milliseconds: a listing of goroutines/, a stat of by-func/<f>/<goid> whose names the kernel does not
remember, reads of one status file (alone; while 4 readers loop over by-wait), and the time from
SIGINT to the end with 8 readers in tight loops.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time


def ms(seconds):
    return f"{seconds * 1000:8.2f}"


def timed(fn):
    start = time.monotonic()
    fn()
    return time.monotonic() - start


def spread(values):
    values = sorted(values)
    at = lambda q: values[min(len(values) - 1, int(len(values) * q))]
    return f"p50 {ms(at(0.5))}  p99 {ms(at(0.99))}  max {ms(values[-1])}  n {len(values)}"


def walk(path):
    for name in os.listdir(path):
        os.listdir(os.path.join(path, name))


def read(path):
    with open(path, "rb") as file:
        file.read()


def loop(fn, *args):
    """A process that does nothing but this, until it is killed."""
    pid = os.fork()
    if pid:
        return pid
    try:
        while True:
            fn(*args)
    finally:
        os._exit(0)


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def reads_for(path, seconds):
    until, times = time.monotonic() + seconds, []
    while time.monotonic() < until:
        times.append(timed(lambda: read(path)))
    return times


def main():
    demo, goroutines = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "100000"
    mount = tempfile.mkdtemp(prefix="fs_latency.")
    process = subprocess.Popen([demo, "-g", goroutines, mount], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    status = mount + "/goroutines/1/status"
    func = os.path.join(mount, "by-func", "main.main.func1")
    print("ls goroutines         ", spread([timed(lambda: os.listdir(mount + "/goroutines")) for _ in range(10)]))
    stats = []
    for turn in range(10):
        time.sleep(1.3)  # the kernel remembers a folder for a second
        stats.append(timed(lambda: os.stat(f"{func}/{4 * turn + 3}")))
    print("stat by-func/x/N      ", spread(stats))
    print("ls by-func            ", spread([timed(lambda: os.listdir(mount + "/by-func")) for _ in range(10)]))
    print("ls by-wait/select     ", spread([timed(lambda: os.listdir(mount + "/by-wait/select")) for _ in range(10)]))
    print("read status, alone    ", spread(reads_for(status, 2)))
    readers = [loop(walk, mount + "/by-wait") for _ in range(4)]
    print("read status, 4 in by-wait", spread(reads_for(status, 8)))
    end(readers)
    readers = [loop(missing, f"{mount}/by-func/no such function {i}") for i in range(4)]
    print("read status, 4 miss in by-func", spread(reads_for(status, 8)))
    end(readers)
    readers = [loop(read, status) for _ in range(8)]
    time.sleep(1)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
        print("SIGINT among 8 readers", ms(time.monotonic() - start))
    except subprocess.TimeoutExpired:
        print("SIGINT among 8 readers: more than 60 s")
        end(readers)
        readers = []
        process.wait(60)
    end(readers)
    os.rmdir(mount)


def missing(path):
    try:
        os.stat(path)
    except OSError:
        pass


if __name__ == "__main__":
    main()
