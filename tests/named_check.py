#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds events against what goroutines say of themselves (tests/targets/named).

usage: named_check.py [-least N] [-marks] <EVENTS      as printed on stdout; -marks: some may be missing

A slice of main.mark is as long as the number of who made it. One of main.woken is as long as the number of who
woke the goroutine that makes it, if it waited in a channel since the last one. Prints what contradicts that, how
much was looked at, and fails on the first, and on less than N marks and N/10 wake-ups that could be held against it.
Where events are missing only marks are looked at.
"""
import re
import sys

LINE = re.compile(r"^[\d.]+ (\d+) (?:casgstatus target=(\d+) from=(\w+) to=(\w+)(?: reason=\"([^\"]*)\")?"
                  r"|newgoroutine child=(\d+)|makeslice type=main\.(mark|woken) \S+ len=(\d+))(?:.* pid=(\d+))?")


def main():
    args = sys.argv[1:]
    all_there = "-marks" not in args
    least = int(args[args.index("-least") + 1]) if "-least" in args else 1
    waits, woke = {}, {}  # by goroutine: is it a channel that it waits in; who woke it there
    marks = wakes = wrong = 0
    for line in sys.stdin:
        found = LINE.match(line)
        if not found:
            continue
        actor, target, before, after, reason, child, what, length, pid = found.groups()
        if what == "mark":
            marks += 1
            bad = actor != length
        elif what == "woken":
            by = woke.pop((pid, actor), None) if all_there else None
            wakes += by is not None
            bad = by not in (None, length)
        elif child:  # of another program, if there was one of that number
            bad = False
            woke.pop((pid, child), None)
            waits.pop((pid, child), None)
        else:
            bad = False
            if after == "waiting":
                waits[pid, target] = (reason or "").startswith(("chan ", "select"))
            elif before == "waiting" and waits.pop((pid, target), False):
                woke[pid, target] = actor
        if bad:
            wrong += 1
            if wrong <= 10:
                print(f"wrong: {line.strip()}" + (f"; woken by {by}" if what == "woken" else ""))
    print(f"{marks} marks, {wakes} wake-ups, {wrong} wrong")
    sys.exit(wrong > 0 or marks < least or wakes < least // 10 * all_there)


main()
