#!/usr/bin/env python3
"""Holds a live server's goroutines, as a mount shows them, against the server's own goroutine dump.

usage: pprof_compare.py URL MOUNT

URL is its net/http/pprof page (…/debug/pprof). The server goes on meanwhile: only a goroutine that is
in its dump before and after the mount was read, parked at the same place both times, is compared: its
state, its functions and lines, its creator. Prints what differs, then how many were the same; the exit
status is 1 when one differs or fewer than half could be compared.
"""
import re
import sys
import urllib.request

HEADER = re.compile(r"^goroutine (\d+) \[([^\]]*)\]:$")


def cut_arguments(line):
    """net.(*T).f(0x1, {0x2}) without what is in the last outermost parenthesis."""
    depth = 0
    for i in range(len(line) - 1, -1, -1):
        depth += (line[i] in ")}") - (line[i] in "({")
        if depth == 0 and line[i] == "(":
            return line[:i]
    return line


def parse(text):
    found, lines = {}, None
    for line in text.splitlines():
        header = HEADER.match(line)
        if header:
            # "IO wait, 3 minutes" and "chan receive, locked to thread" rest for the same reason
            lines = [header[2].split(",")[0]]
            found[int(header[1])] = lines
        elif not line.strip():
            lines = None
        elif lines is None:
            continue
        elif line.startswith("created by "):
            lines.append(line.partition(" in goroutine ")[0])
        elif line.startswith("\t"):
            lines.append(line.split(" +0x")[0])
        else:
            lines.append(cut_arguments(line))
    return found


def own_dump(url):
    with urllib.request.urlopen(url + "/goroutine?debug=2", timeout=20) as answer:
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
