#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Compares a process's code in memory with its executable: a breakpoint that stayed is a difference.

usage: code_intact.py PID
"""
import os
import sys

CHUNK = 1 << 20


def main():
    pid = int(sys.argv[1])
    exe = os.stat(f"/proc/{pid}/exe")
    bad = 0
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, \
            open(f"/proc/{pid}/exe", "rb") as file:
        for line in maps:
            span, perms, offset, _, inode = line.split()[:5]
            if "x" not in perms or "w" in perms or int(inode) != exe.st_ino:
                continue
            lo, hi = (int(x, 16) for x in span.split("-"))
            for at in range(lo, hi, CHUNK):
                n = min(CHUNK, hi - at)
                memory.seek(at)
                file.seek(int(offset, 16) + at - lo)
                have, want = memory.read(n), file.read(n)
                if have[:len(want)] != want:
                    first = next(i for i in range(len(want)) if have[i] != want[i])
                    print(f"{at + first:#x}: {have[first]:#x} in memory, {want[first]:#x} in the file")
                    bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
