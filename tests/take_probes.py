#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Takes breakpoints out of a process behind its tracer's back: the code becomes what the file has.

usage: take_probes.py PID [FUNCTION...]     of these functions only, by the file's symbols
"""
import os
import subprocess
import sys

CHUNK = 1 << 20


def functions(pid, names):
    """Static address ranges, None for everything."""
    if not names:
        return None
    ranges = []
    for line in subprocess.run(["nm", "-S", f"/proc/{pid}/exe"], capture_output=True, text=True, check=True).stdout.splitlines():
        parts = line.split(maxsplit=3)
        if len(parts) == 4 and parts[3] in names:
            at = int(parts[0], 16)
            ranges.append((at, at + int(parts[1], 16)))
    if not ranges:
        sys.exit(f"no symbol {' '.join(names)}")
    return ranges


def main():
    pid, names = int(sys.argv[1]), sys.argv[2:]
    ranges, taken = functions(pid, names), 0
    exe = os.stat(f"/proc/{pid}/exe")
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory, \
            open(f"/proc/{pid}/exe", "rb") as file:
        for line in maps:
            span, perms, offset, _, inode = line.split()[:5]
            if "x" not in perms or int(inode) != exe.st_ino:
                continue
            lo, hi = (int(x, 16) for x in span.split("-"))
            for at in range(lo, hi, CHUNK):
                memory.seek(at)
                file.seek(int(offset, 16) + at - lo)
                n = min(CHUNK, hi - at)
                have, want = memory.read(n), file.read(n)
                for i in (i for i in range(len(want)) if have[i] != want[i]):
                    if ranges is not None and not any(a <= at + i < b for a, b in ranges):
                        continue
                    memory.seek(at + i)
                    memory.write(want[i:i + 1])
                    taken += 1
    print(taken)
    return 0 if taken else 1


if __name__ == "__main__":
    sys.exit(main())
