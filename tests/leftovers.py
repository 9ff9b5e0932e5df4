#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints the BPF links and programs of ours that no process holds: what would stay for ever.

usage: leftovers.py        exit status 1 when there are any, 77 when bpftool is missing
"""
import json
import os
import re
import subprocess
import sys
import time

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines


def listed(kind):
    out = subprocess.run(["bpftool", kind, "show", "-j"], capture_output=True, check=True, text=True)
    return json.loads(out.stdout)


def held():
    """Numbers of the links and programs that some process has open."""
    links, programs = set(), set()
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            for fd in os.listdir(f"/proc/{pid}/fdinfo"):
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii", errors="replace") as f:
                    text = f.read()
                links.update(int(n) for n in re.findall(r"^link_id:\s*(\d+)$", text, re.M))
                programs.update(int(n) for n in re.findall(r"^prog_id:\s*(\d+)$", text, re.M))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return links, programs


def leftovers():
    ours = {p["id"]: p.get("name", "") for p in listed("prog")
            if p.get("name", "").startswith(("on_casg", "on_new", "on_make", "on_malloc", "on_gdest",
                                             "on_enter", "on_exit", "xgotop"))}
    all_links = [link for link in listed("link") if link.get("prog_id") in ours]
    links, programs = held()
    found = [f"link {link['id']} of {ours[link['prog_id']]}" for link in all_links
             if link["id"] not in links]
    found += [f"program {n} {name}" for n, name in ours.items() if n not in programs]
    return found


def main():
    deadline = time.monotonic() + 10 * SLACK
    try:
        # What was just closed goes after a grace period, and others come and go all the time: what is there
        # every time we look stays.
        found = leftovers()
        while found and time.monotonic() < deadline:
            time.sleep(0.2)
            now = set(leftovers())
            found = [what for what in found if what in now]
    except FileNotFoundError:
        return 77
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
