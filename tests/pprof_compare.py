#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds a live server's goroutines, as a mount shows them, against the server's own goroutine dump.

usage: pprof_compare.py URL MOUNT

URL is its net/http/pprof page (…/debug/pprof). The server goes on meanwhile: only a goroutine that is
in its dump before and after the mount was read, parked at the same place both times, is compared: its
state, its functions and lines, its creator. Prints what differs, then how many were the same; the exit
status is 1 when one differs or fewer than half could be compared.
"""
import os
import re
import sys
import urllib.request

from stacks import read_dump

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines


def parse(text):
    """goid -> why it rests, then its lines without what differs between two looks at one place."""
    return {goid: [g.state.split(",")[0]] +  # "IO wait, 3 minutes": the reason alone
            [re.sub(r" \+0x[0-9a-f]+$| in goroutine \d+$", "", line) for line in g.lines]
            for goid, g in read_dump(text).items()}


def own_dump(url):
    with urllib.request.urlopen(url + "/goroutine?debug=2", timeout=20 * SLACK) as answer:
        return parse(answer.read().decode())


def main():
    url, mount = sys.argv[1:]
    before = own_dump(url)
    with open(f"{mount}/stacks", encoding="utf-8") as f:
        ours = parse(f.read())
    after = own_dump(url)
    same = differ = 0
    for goid, lines in before.items():
        if after.get(goid) != lines or lines[0] in ("running", "runnable", "syscall"):
            continue
        # busy in between: it parked again where it was
        if ours.get(goid, [""])[0] in ("running", "runnable", "syscall"):
            continue
        if ours.get(goid) == lines:
            same += 1
            continue
        differ += 1
        print(f"goroutine {goid}:", "not there" if goid not in ours else "", *lines, sep="\n  it says  ")
        print("", *ours.get(goid, []), sep="\n  we say   ")
    print(f"{same} goroutines the same, {differ} differ, {len(before)} in its dump")
    sys.exit(1 if differ or same * 2 < len(before) else 0)


main()
