#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds what is read from a resting program's memory against its own dump of itself.

usage: stacks.py DUMP MOUNT STACKS PARSED.json PARSED_DUMP.json [--go N]

DUMP is what tests/targets/parked printed (runtime.Stack of all goroutines but the main one), STACKS the
mount's `stacks`, PARSED.json what tests/targets/stackparse understood of that, PARSED_DUMP.json what it
understood of DUMP: the same (some of what newer releases print neither parser knows). Compared are the
goroutines and their text, letter by letter: state, each frame's function, arguments, file, line and
offset, the creator; and in the mount's folders each goroutine's state, reason, first function, creator
and parent. Prints one line a difference; the exit status is 1 when there was one.
"""
import argparse
import json
import os
import re
import sys

# Labels stand within the brackets in 1.26, behind them since.
HEADER = re.compile(r"^goroutine (\d+) \[((?:(?! labels:\{)[^\]])*)(?: labels:\{.*\})?\](?: \{.*\})?:$")


class Goroutine:
    def __init__(self, goid, state, header):
        self.goid = goid
        self.header = header
        self.state = state
        self.lines = []      # as printed
        self.created = None  # "main.spawn", 1
        self.frames = 0


def cut_arguments(line):
    """main.f({0x1, 0x2}) and main.f(...) are main.f: the arguments' parenthesis is the last one opened
    at the outermost level."""
    depth = 0
    for i in range(len(line) - 1, -1, -1):
        if line[i] in ")}":
            depth += 1
        elif line[i] in "({":
            depth -= 1
            if depth == 0:
                return line[:i]
    return line


def read_dump(text):
    found = {}
    g = None
    for line in text.splitlines():
        header = HEADER.match(line)
        if header:
            g = Goroutine(int(header[1]), header[2], line)
            found[g.goid] = g
        elif not line.strip():
            g = None
        elif g and line.startswith("created by "):
            func, _, by = line[len("created by "):].partition(" in goroutine ")
            g.created = func, int(by or 0)
            g.lines.append(line)
        elif g and line.startswith("\t"):
            g.lines.append(line)
        elif g:
            g.lines.append(line)
            g.frames += 1
    return found


class Check:
    def __init__(self):
        self.differences = []

    def same(self, what, want, got):
        if want != got:
            self.differences.append(f"{what}: want {want!r}, got {got!r}")


def compare_dumps(check, theirs, ours):
    for goid, g in theirs.items():
        mine = ours.get(goid)
        if not mine:
            check.differences.append(f"goroutine {goid} [{g.state}] is missing")
            continue
        check.same(f"goroutine {goid}", g.header, mine.header)
        if g.lines != mine.lines:
            for want, got in zip(g.lines + ["(end)"] * 9, mine.lines + ["(end)"]):
                if want != got:
                    check.differences.append(f"goroutine {goid}: want {want!r}, got {got!r}")
                    break
    extra = set(ours) - set(theirs) - {1}
    check.same("goroutines that the dump has not", set(), extra)


def flat(path):
    with open(path, encoding="utf-8") as f:
        return dict(line.rstrip("\n").partition(" ")[::2] for line in f)


def compare_folders(check, theirs, mount, go_minor):
    """Everyone was there before us: no event told of them."""
    folder = os.path.join(mount, "goroutines")
    listed = {int(name) for name in os.listdir(folder) if name.isdigit()}
    check.same("folders of goroutines that are missing", set(), set(theirs) - listed)
    for goid, g in theirs.items():
        if goid not in listed:
            continue
        status = flat(f"{folder}/{goid}/status")
        words = g.state.split(", ")
        if words[0] in ("syscall", "runnable", "running"):
            check.same(f"status of {goid}: state", words[0], status["state"])
        else:
            check.same(f"status of {goid}: state", "waiting", status["state"])
            # Reasons that the runtime has for bubbles only say so in their own name.
            reason = words[0].removesuffix(" (durable)")
            if status["wait_reason"].endswith(" (durable)"):
                reason += " (durable)"
            check.same(f"status of {goid}: wait_reason", reason, status["wait_reason"])
        if g.created:
            check.same(f"status of {goid}: created_by", g.created[0],
                       status["created_by"].rpartition(":")[0] or status["created_by"])
            if go_minor >= 21:
                check.same(f"status of {goid}: parent", str(g.created[1]), status["parent"])
        # The last frame is the first function. Below it may lie the compiler's wrapper of a go
        # statement, which a dump does not show; whom it calls is not known before it does when that
        # is an interface's method or a function value.
        first = [cut_arguments(line) for line in g.lines if not line.startswith(("\t", "created by"))][-1:]
        start = re.sub(r"\[.*\]", "[...]", status["start_function"])
        if start == "runtime.runfinq":
            continue  # a frame that dumps show from 1.25 on
        if first and start != first[0] and not re.search(wrapper_name(go_minor), start):
            check.differences.append(f"status of {goid}: start_function {start!r}, dump {first[0]!r}")


def wrapper_name(go_minor):
    """cmd/compile/internal/walk/order.go wrapGoDefer; a plain closure's name from 1.18 to 1.21"""
    if go_minor < 18:
        return r"·dwrap·\d+$"
    return r"\.func\d+$" if go_minor < 22 else r"\.gowrap\d+$"


def errors_of(understood):
    return sorted(re.sub(r" on line \d+", "", error) for error in understood["errors"])


def compare_parsed(check, parsed, parsed_dump):
    """The main goroutine, which comes first, is not in the program's own text."""
    for name, u in parsed.items():
        own = parsed_dump[name]
        check.same(f"{name}: errors", errors_of(own), errors_of(u))
        # Where it gave up; what it had read behind that hangs on its buffer.
        check.same(f"{name}: text left over", *(x["left"].strip().partition("\n")[0] for x in (own, u)))
        check.same(f"{name}: goroutines", own["goroutines"] + 1, u["goroutines"])
        check.same(f"{name}: frames", own["frames"], {k: v for k, v in u["frames"].items() if k != "1"})


def main():
    parser = argparse.ArgumentParser()
    for name in ("dump", "mount", "stacks", "parsed", "parsed_dump"):
        parser.add_argument(name)
    parser.add_argument("--go", type=int, default=99, help="N of Go 1.N")
    args = parser.parse_args()
    with open(args.dump, encoding="utf-8") as f:
        theirs = read_dump(f.read().partition("\nEND\n")[0])
    with open(args.stacks, encoding="utf-8") as f:
        ours = read_dump(f.read())
    with open(args.parsed, encoding="utf-8") as f:
        parsed = json.load(f)
    with open(args.parsed_dump, encoding="utf-8") as f:
        parsed_dump = json.load(f)
    check = Check()
    check.same("a dump of some size", True, len(theirs) >= 20)
    compare_dumps(check, theirs, ours)
    compare_folders(check, theirs, args.mount, args.go)
    compare_parsed(check, parsed, parsed_dump)
    for line in check.differences[:40]:
        print(line)
    if len(check.differences) > 40:
        print(f"... and {len(check.differences) - 40} more")
    return 1 if check.differences else 0


if __name__ == "__main__":
    sys.exit(main())
