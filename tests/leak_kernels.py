#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whom we call leaked in the programs by which Go tests its own profile of leaked goroutines.

Usage: leak_kernels.py GO LEAKS_OF FOLDER [older=GO...] [PROGRAM...]

Builds runtime/testdata/testgoroutineleakprofile of that toolchain in FOLDER, changed so that each
program is held up where it is about to take its profile. Then it is looked at from outside, and goes
on to take the profile: both verdicts are of the same goroutines in the same process.
Prints a table; fails when somebody is named whom neither the runtime's profile nor its expected
answers name.

Some never come to rest: they go on until something gets in their way, and the profile does, as it
forces a collection. Who got stuck in that is not missed by a look before it: those programs are looked
at once more, as the profile left them, and whom that names is in the column of those that got stuck
later.

older=GO: the same sources are built with a release that has no such profile, too, and looked at. A line for
each says how many of the functions in which the profile of GO found leaked goroutines are
named there. What these programs do is a race, so some differ from run to run."""
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

STAY = """package main

import (
	"fmt"
	"io"
	"os"
	"runtime/pprof"
)

// Until somebody has looked from outside; then what the runtime says.
func stay(profile *pprof.Profile, out io.Writer) {
	fmt.Println("ready")
	os.Stdin.Read(make([]byte, 1))
	if profile != nil {
		profile.WriteTo(out, 2)
	}
	fmt.Print("\\nall\\n")
	pprof.Lookup("goroutine").WriteTo(out, 2)
	fmt.Print("\\n\\nsaid\\n")
	os.Stdin.Read(make([]byte, 1))
}
"""
PATIENCE = 240  # on a busy machine
REST_LOOKS = 8  # who has done nothing from look to look, of which there are 20 a second, is stuck
REST_MAX_S = 10  # some never rest
AT_ONCE = 2


def experiment(go):
    """The profile is one of 1.26."""
    release = subprocess.run([go, "env", "GOVERSION"], check=True, text=True, stdout=subprocess.PIPE,
                             env=dict(os.environ, GOTOOLCHAIN="local")).stdout
    return {"GOEXPERIMENT": "goroutineleakprofile"} if release.startswith("go1.26") else {}


def build(go, root, name, folder, release="", stay=STAY, more=()):
    """Builds a copy of the sources in which prof.WriteTo() to the output is stay()."""
    source = os.path.join(root, "src/runtime/testdata", name)
    copy = os.path.join(folder, "copy-" + os.path.basename(name) + release)
    out = os.path.join(folder, os.path.basename(name) + release)
    os.makedirs(copy)
    for file_name in os.listdir(source):
        if file_name.endswith(".go"):
            with open(os.path.join(source, file_name), encoding="utf-8") as file:
                text = file.read()
            with open(os.path.join(copy, file_name), "w", encoding="utf-8") as file:
                file.write(re.sub(r"\bprof\.WriteTo\(os\.Stdout, 2\)", "stay(prof, os.Stdout)", text))
    with open(os.path.join(copy, "stay.go"), "w", encoding="utf-8") as file:
        file.write(stay)
    with open(os.path.join(copy, "stay.s"), "w", encoding="utf-8"):
        pass  # a function may have no body then
    subprocess.run(
        [go, "build", *more, "-o", out, "."], cwd=copy, check=True,
        env=dict(os.environ, **experiment(go), GOTOOLCHAIN="local", GOFLAGS="", GO111MODULE="off", GOWORK="off",
                 GOMODCACHE=os.path.join(folder, "no-modules")))  # a toolchain that lies there could have no overlay
    return out


def build_all(go, root, folder, stay=STAY, options=()):
    """{program: the binary that it is in}"""
    registered = {}
    for more in ("", "/goker"):
        name = "testgoroutineleakprofile" + more
        binary = build(go, root, name, folder, stay=stay, more=options)
        source = os.path.join(root, "src/runtime/testdata", name)
        for file_name in os.listdir(source):
            if file_name.endswith(".go"):
                with open(os.path.join(source, file_name), encoding="utf-8") as file:
                    for program in re.findall(r'^\s*register\("(\w+)"', file.read(), re.M):
                        registered[program] = binary
    return registered


def tests_of(root):
    """[program, simple, [expression of an expected leak]] in the order of the runtime's own test."""
    with open(os.path.join(root, "src/runtime/goroutineleakprofile_test.go"), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
    for found in re.finditer(r'make(Flaky)?Test\("(\w+)",?(.*?)(?=make(?:Flaky)?Test\("|^\t\})', text, re.M | re.S):
        yield found[2], not found[1], [re.compile(e) for e in re.findall(r"`([^`]*)`", found[3])]


def goroutines(text):
    """goid: (what the runtime's own test compares, is it leaked) of a profile."""
    found = {}
    for stack in text.split("\n\n"):
        lines = stack.strip().split("\n")
        head = re.match(r"goroutine (\d+) \[(.*?)( \(leaked\))?(, \d+ minutes)?\]:", lines[0])
        created = [i for i, line in enumerate(lines) if line.startswith("created by")]
        if not head:
            continue
        function = lines[created[-1] - 2] if created else lines[-2 if len(lines) > 2 else 0]
        found[int(head[1])] = (function.removeprefix("main.") + " [" + head[2] + "]", bool(head[3]))
    return found


def activity(pid):
    """What changes whenever one of its threads runs; None while one wants to."""
    seen = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
                text = file.read()
        except OSError:
            return None
        if re.search(r"^State:\s*R", text, re.M):
            return None
        seen.append((thread, re.findall(r"ctxt_switches:\s*(\d+)", text)))
    return sorted(seen)


def wait_for_rest(pid):
    """Whoever looks while the program is still about to get stuck sees less than who looks later. Does it rest?"""
    until = time.monotonic() + REST_MAX_S
    before, same = None, 0
    while time.monotonic() < until:
        now = activity(pid)
        same = same + 1 if now is not None and now == before else 0
        before = now
        if same >= REST_LOOKS:
            return True
        time.sleep(0.05)
    return False


def look(leaks_of, binary, pid):
    """goid: function of those that we call leaked"""
    text = subprocess.run([leaks_of, binary, str(pid)], check=True, text=True,
                          stdout=subprocess.PIPE, timeout=PATIENCE).stdout
    return {int(line.split()[1]): line.split()[2] for line in text.splitlines() if line.startswith("leaked ")}


def told(program):
    """What it says when it goes on, and whether it stays until it may end."""
    program.stdin.write("\n")
    program.stdin.flush()
    return rest(program)


def rest(program):
    """The same of one that goes on already."""
    lines = []
    for line in program.stdout:
        if line == "said\n":
            return "".join(lines), True
        lines.append(line)
    return "".join(lines), False


def run(binary, name, simple, leaks_of):
    """goid: what, of those whom the runtime names; whom we name; and who got stuck only when the profile was taken."""
    env = dict(os.environ, GODEBUG="asyncpreemptoff=1")
    if simple:
        env["GOMAXPROCS"] = "1"
    with subprocess.Popen([binary, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=env, text=True) as program:
        too_long = threading.Timer(PATIENCE, program.kill)
        try:
            if program.stdout.readline().strip() != "ready":
                return None
            rests = wait_for_rest(program.pid)
            ours = look(leaks_of, binary, program.pid)
            too_long.start()
            text, stays = told(program)
            profile, _, everybody = text.partition("\nall\n")
            runtimes = {goid: what for goid, (what, leaked) in goroutines(profile).items() if leaked}
            later = {goid: what for goid, what in runtimes.items() if goid not in ours}
            if later:
                later = {} if rests or not stays else look(leaks_of, binary, program.pid)
        finally:
            too_long.cancel()
            program.kill()
    stacks = {goid: what for goid, (what, _) in goroutines(everybody).items()}
    return (runtimes, {goid: stacks.get(goid, first + " [gone]") for goid, first in ours.items()},
            {goid for goid in later if goid in runtimes and goid not in ours})


def main():
    go, leaks_of, folder, *more_args = sys.argv[1:]
    only = [arg for arg in more_args if not arg.startswith("older=")]
    older = [arg.removeprefix("older=") for arg in more_args if arg.startswith("older=")]
    root = subprocess.run([go, "env", "GOROOT"], check=True, text=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, GOTOOLCHAIN="local")).stdout.strip()
    registered = build_all(go, root, folder)
    jobs = [(name, simple, expected) for name, simple, expected in tests_of(root)
            if name in registered and (not only or name in only)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda j: run(registered[j[0]], j[0], j[1], leaks_of), jobs))
    wrong = report(jobs, results)
    for other in older:
        wrong += look_at_older(other, root, folder, leaks_of, jobs, results, registered)
    sys.exit(1 if wrong else 0)


def function_of(what):
    """The named function that a goroutine's first one is in: releases number closures each their own
    way. Of what a dump says, or of an expression for that."""
    what = re.sub(r"\\(.)", r"\1", what).split(" [")[0]
    return re.sub(r"\.(func|gowrap|deferwrap)?\d+.*$|\(\)$|\(0x.*$|\(\{.*$|\(\.[*+]\)?.*$|\(\.\.\..*$", "", what)


def look_at_older(go, root, folder, leaks_of, jobs, results, registered):
    """Says how many are found there, and who is accused: returns that."""
    release = subprocess.run([go, "env", "GOVERSION"], check=True, text=True, stdout=subprocess.PIPE,
                             env=dict(os.environ, GOTOOLCHAIN="local")).stdout.strip()
    built = {new: build(go, root, "testgoroutineleakprofile" + more, folder, "-" + release)
             for new, more in ((b, "/goker" if b.endswith("goker") else "")
                               for b in sorted(set(registered.values())))}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        theirs = list(pool.map(lambda j: run(built[registered[j[0]]], j[0], j[1], leaks_of), jobs))
    wrong, n, kinds, found, whole = [], 0, 0, 0, 0
    for (name, _, expected), newest, older in zip(jobs, results, theirs):
        if newest is None or older is None:
            print(f"{name}: {release}: does not come to its profile", file=sys.stderr)
            continue
        ours = {function_of(what) for what in older[1].values()}
        wanted = {function_of(what) for what in newest[0].values()}
        fine = wanted | {function_of(e.pattern) for e in expected}
        wrong += [f"{name}: {release}: {what}" for what in older[1].values()
                  if function_of(what) not in fine]
        n += len(older[1])
        kinds += len(wanted)
        found += len(wanted & ours)
        whole += wanted <= ours
        if wanted - ours:
            print(f"{name}: {release}: missed: {'; '.join(sorted(wanted - ours))}", file=sys.stderr)
    print(f"{release}: {n} goroutines named, in {found} of {kinds} functions that the newest profile names; "
          f"{whole} of {len(jobs)} programs whole; {len(wrong)} accused.")
    for what in wrong:
        print(f"accused: {what}", file=sys.stderr)
    return wrong


def listed(goroutines_named):
    counts = {}
    for what in goroutines_named:
        what = re.sub(r"\(0x[^)]*\)|\(\{[^)]*\)|\([^*)]*\)(?= \[)", "()", what)
        counts[what] = counts.get(what, 0) + 1
    return "; ".join(f"{n} {what}" if n > 1 else what for what, n in sorted(counts.items()))


def report(jobs, results):
    sums, wrong, not_run = [0] * 5, [], []
    complete = 0
    print("| program | Go's profile names | we name | missed | extra | stuck later |\n|---|---|---|---|---|---|")
    for (name, _, expected), result in zip(jobs, results):
        if result is None:
            not_run.append(name)
            continue
        runtimes, ours, later = result
        missed = [what for goid, what in runtimes.items() if goid not in ours and goid not in later]
        extra = [what for goid, what in ours.items() if goid not in runtimes]
        row = [len(runtimes), len(ours), len(missed), len(extra), len(later)]
        sums = [a + b for a, b in zip(sums, row)]
        complete += not missed
        wrong += [f"{name}: {what}" for what in extra if not any(e.search(what) for e in expected)]
        print("| " + " | ".join([name] + [str(n) for n in row]) + " |")
        for kind, who in (("missed", missed), ("extra", extra)):
            if who:
                print(f"{name}: {kind}: {listed(who)}", file=sys.stderr)
    print("| **" + "** | **".join(["together"] + [str(n) for n in sums]) + "** |")
    print(f"\n{complete} of {len(jobs) - len(not_run)} programs complete.")
    for what in wrong:
        print(f"accused: {what}", file=sys.stderr)
    for name in not_run:
        print(f"{name}: does not come to its profile", file=sys.stderr)
    return wrong


if __name__ == "__main__":
    main()
