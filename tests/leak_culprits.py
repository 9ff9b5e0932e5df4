#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Is the likely holder of a lock the one that holds it?

Usage: leak_culprits.py GO LEAKS_OF XGOTOPFS FOLDER [PROGRAM...]

Builds the programs of leak_kernels.py with a runtime and a sync that write down who has locked what
(Go itself does not), lets each get stuck, asks from outside who likely holds each lock that is waited for,
and compares. Then whom `xgotopfs -leaks once` calls the culprits, and where, is held against what the program
says (leak_lines.py). Prints a table of each, and fails when a culprit is wrong, or of more than 2 % of the
locks somebody is named who does not hold it."""
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import leak_kernels
import leak_lines

LINES_SHOWN = 4  # of a kernel

RUNTIME = """package runtime

import _ "unsafe"

type lockOwner struct {
	lock uintptr
	goid uint64
}

var lockOwners struct {
	mu   mutex
	n    int
	list [1 << 14]lockOwner

	nCopied int
	copied  [1 << 14]lockOwner
}

//go:linkname sync_lockTaken sync.lockTaken
func sync_lockTaken(which uintptr) {
	o := &lockOwners
	lock(&o.mu)
	if o.n < len(o.list) {
		o.list[o.n] = lockOwner{which, getg().goid}
		o.n++
	}
	unlock(&o.mu)
}

// Of several the caller's, or the last one.
//
//go:linkname sync_lockGiven sync.lockGiven
func sync_lockGiven(which uintptr) {
	o := &lockOwners
	lock(&o.mu)
	found := -1
	for i := o.n - 1; i >= 0; i-- {
		if o.list[i].lock == which && (found < 0 || o.list[i].goid == getg().goid) {
			found = i
			if o.list[i].goid == getg().goid {
				break
			}
		}
	}
	if found >= 0 {
		o.n--
		o.list[found] = o.list[o.n]
	}
	unlock(&o.mu)
}

//go:linkname main_lockOwner main.lockOwner
func main_lockOwner(i int) (uintptr, uint64) {
	o := &lockOwners
	if i == 0 {
		lock(&o.mu)
		o.nCopied, o.copied = o.n, o.list
		unlock(&o.mu)
	}
	if i >= o.nCopied {
		return 0, 0
	}
	return o.copied[i].lock, o.copied[i].goid
}
"""

# What a lock's address has in its lowest bits: how it is held.
SYNC = """package sync

import "unsafe"

func lockTaken(which uintptr)
func lockGiven(which uintptr)

func taken(lock unsafe.Pointer, how uintptr) { lockTaken(uintptr(lock) | how) }
func given(lock unsafe.Pointer, how uintptr) { lockGiven(uintptr(lock) | how) }
"""
MUTEX, READ, WRITE = 0, 1, 2

STAY = """package main

import (
	"fmt"
	"io"
	"os"
	"runtime/pprof"
)

func lockOwner(i int) (uintptr, uint64)

func owners() {
	for i := 0; ; i++ {
		lock, goid := lockOwner(i)
		if lock == 0 {
			break
		}
		fmt.Println("owner", lock, goid)
	}
	fmt.Println("ready")
}

func stay(profile *pprof.Profile, out io.Writer) {
	owners()
	os.Stdin.Read(make([]byte, 1))
	owners()
	pprof.Lookup("goroutine").WriteTo(out, 2)
	fmt.Print("\\nprofile\\n")
	if profile != nil {
		profile.WriteTo(out, 2)
	}
	fmt.Print("\\n\\nsaid\\n")
	os.Stdin.Read(make([]byte, 1))
}
"""


def overlay(root, folder):
    """The file for -overlay: sync and runtime as they are, but for what is written down."""
    def written(name, text):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def source(name):
        with open(os.path.join(root, "src/sync", name), encoding="utf-8") as file:
            return file.read()

    def changed(text, *changes):
        for old, new in changes:
            assert text.count(old) == 1, f"{text.count(old)} of: {old}"
            text = text.replace(old, new)
        return text

    mutex = changed(
        source("mutex.go"),
        ("\tm.mu.Lock()\n", "\tm.mu.Lock()\n\ttaken(unsafe.Pointer(m), 0)\n"),
        ("\treturn m.mu.TryLock()\n", "\tok := m.mu.TryLock()\n\tif ok {\n\t\ttaken(unsafe.Pointer(m), 0)\n\t}\n\treturn ok\n"),
        ("\tm.mu.Unlock()\n", "\tgiven(unsafe.Pointer(m), 0)\n\tm.mu.Unlock()\n"))
    if '"unsafe"' not in mutex:
        mutex = mutex.replace("import (\n", 'import (\n\t"unsafe"\n', 1)
    rwmutex = source("rwmutex.go")
    ends = {"RLock() {": "taken(unsafe.Pointer(rw), 1)", "Lock() {": "taken(unsafe.Pointer(rw), 2)"}
    begins = {"RUnlock() {": "given(unsafe.Pointer(rw), 1)", "Unlock() {": "given(unsafe.Pointer(rw), 2)"}
    for name, call in ends.items():
        at = rwmutex.index("func (rw *RWMutex) " + name)
        end = rwmutex.index("\n}\n", at)
        rwmutex = rwmutex[:end] + "\n\t" + call + rwmutex[end:]
    for name, call in begins.items():
        rwmutex = changed(rwmutex, ("func (rw *RWMutex) " + name + "\n", "func (rw *RWMutex) " + name + "\n\t" + call + "\n"))
    src = os.path.join(root, "src")
    return written("overlay.json", json.dumps({"Replace": {
        os.path.join(src, "sync/mutex.go"): written("mutex.go", mutex),
        os.path.join(src, "sync/rwmutex.go"): written("rwmutex.go", rwmutex),
        os.path.join(src, "sync/owners.go"): written("sync_owners.go", SYNC),
        os.path.join(src, "runtime/owners.go"): written("runtime_owners.go", RUNTIME),
    }}))


def read_owners(program):
    """{(lock, kind): {goid}}; None when it ends before it has told."""
    owners = {}
    for line in program.stdout:
        words = line.split()
        if words[:1] == ["owner"] and len(words) == 3:
            lock = int(words[1])
            owners.setdefault((lock & ~3, "Mutex" if lock & 3 == MUTEX else "RWMutex"), set()).add(int(words[2]))
        if words == ["ready"]:
            return owners
    return None


def run(binary, name, simple, leaks_of, xgotopfs):
    """What one program said and what was said of it."""
    env = dict(os.environ, GODEBUG="asyncpreemptoff=1")
    if simple:
        env["GOMAXPROCS"] = "1"
    with subprocess.Popen([binary, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=env, text=True) as program:
        too_long = threading.Timer(2 * leak_kernels.PATIENCE, program.kill)
        too_long.start()
        try:
            owners = read_owners(program)
            if owners is None:
                return None
            rests = leak_kernels.wait_for_rest(program.pid)
            looked = subprocess.run([leaks_of, binary, str(program.pid), "holders"], check=True, text=True,
                                    stdout=subprocess.PIPE, timeout=leak_kernels.PATIENCE).stdout
            named = leak_kernels.look(leaks_of, binary, program.pid)
            told = subprocess.run([xgotopfs, "-leaks", "once", "-pid", str(program.pid)], check=False, text=True,
                                  stdout=subprocess.PIPE, timeout=leak_kernels.PATIENCE).stdout
            program.stdin.write("\n")
            program.stdin.flush()
            afterwards = read_owners(program) or {}
            text, stays = leak_kernels.rest(program)
            dump, _, profile = text.partition("\nprofile\n")
            leaked = {goid for goid, (_, is_leaked) in leak_kernels.goroutines(profile).items() if is_leaked}
            if not rests and stays and leaked - set(named):  # who got stuck as the profile was taken
                named.update(leak_kernels.look(leaks_of, binary, program.pid))
        finally:
            too_long.cancel()
            program.kill()
    locks, waits = compared(looked, owners, afterwards)
    return {"locks": locks, "waits": waits, "owners": afterwards, "named": named,
            "groups": leak_lines.groups(told), "dump": leak_lines.dumped(dump), "stacks": leak_kernels.goroutines(dump),
            "profile": leaked}


def compared(looked, owners, afterwards):
    """{lock: (kind, waiters, {goid that holds it}, [(goid, evidence, does he wait for it, is it more than that he may)])}, of those
    that had the same holders before and afterwards; {goid: (the lock that he waits for, kind)}."""
    locks, parked, waits = {}, set(), {}
    for line in looked.splitlines():
        words = line.split()
        if words[0] == "goroutine":
            parked.add(int(words[1]))
            continue
        lock = int(words[1], 16)
        if words[0] == "lock":
            held = owners.get((lock, words[2]), set())
            # One that nobody holds was between two, as they move.
            same = held and held == afterwards.get((lock, words[2]), set())
            locks[lock] = (words[2], int(words[3]), held & parked if same else None, [])
        elif words[0] == "waits":
            waits[int(words[2])] = (lock, locks[lock][0])
        else:
            locks[lock][3].append((int(words[2]), int(words[3]), bool(int(words[5])), bool(int(words[6]))))
    return {lock: what for lock, what in locks.items() if what[2] is not None}, waits


VERDICTS = ("right, alone", "right, all", "right, first", "right, among others", "wrong", "maybe another", "nobody", "gone")
PENDING_WRITER = 0


def verdict(owners, said):
    """Without owners the one that has locked it is gone: there is nobody who could be named."""
    said = [(goid, likely) for goid, evidence, _, likely in said if evidence != PENDING_WRITER]
    likely = any(sure for _, sure in said)
    said = [goid for goid, _ in said]
    if not owners:
        return "gone" if not said else "wrong" if likely else "maybe another"
    if not said:
        return "nobody"
    if set(said) <= owners:
        return "right, alone" if len(said) == 1 else "right, all"
    if said[0] in owners:
        return "right, first"
    return "right, among others" if owners & set(said) else "wrong" if likely else "maybe another"


def lock_table(jobs, results):
    """Prints it; (locks, wrong ones)."""
    sums = dict.fromkeys(VERDICTS, 0)
    good = n = 0
    print("| program | locks waited for | " + " | ".join(VERDICTS) + " |\n|---" * 1 + "|---" * (len(VERDICTS) + 1) + "|")
    for (name, _, _), result in zip(jobs, results):
        if not result or not result["locks"]:
            continue
        row = dict.fromkeys(VERDICTS, 0)
        for lock, (kind, waiters, owners, said) in result["locks"].items():
            what = verdict(owners, said)
            row[what] += 1
            if not what.startswith("right, a") or what == "right, among others":
                print(f"{name}: {kind} {lock:#x}, {waiters} waiting: {what}: held by {sorted(owners)}, said {said[:8]}",
                      file=sys.stderr)
        for what in VERDICTS:
            sums[what] += row[what]
        n += 1
        good += sum(row[w] for w in ("right, alone", "right, all", "gone")) == len(result["locks"])
        print(f"| {name} | {len(result['locks'])} | " + " | ".join(str(row[w]) for w in VERDICTS) + " |")
    print(f"| **together** | **{sum(sums.values())}** | " + " | ".join(f"**{sums[w]}**" for w in VERDICTS) + " |")
    print(f"\n{good} of {n} programs in which a lock is waited for are right in each of them; "
          f"{sums['wrong']} of {sum(sums.values())} locks wrong.")
    return sum(sums.values()), sums["wrong"]


def line_table(jobs, results):
    """Prints whom and where we call the culprit; how many of these are wrong."""
    sums = [0] * 5
    print("| kernel | Go's profile names | of these we name | culprits told, and where | right | of these the holder is known |"
          "\n|---|---|---|---|---|---|")
    for (name, _, expected), result in zip(jobs, results):
        if not result:
            print(f"{name}: does not come to its profile", file=sys.stderr)
            continue

        def leaked(goid, result=result, expected=expected):
            what = result["stacks"].get(goid, ("", False))[0]
            return goid in result["profile"] or any(e.search(what) for e in expected)
        lines, n, right, known, wrong = leak_lines.judge(
            result["groups"], result["dump"], leak_lines.ahead(result["dump"], result["owners"], result["waits"]), leaked)
        both = len(result["profile"] & set(result["named"]))
        row = [len(result["profile"]), both, n, right, known]
        sums = [a + b for a, b in zip(sums, row)]
        shown = "; ".join(lines[:LINES_SHOWN]) + (f"; {len(lines) - LINES_SHOWN} more" if len(lines) > LINES_SHOWN else "")
        print(f"| {name} | {row[0]} | {row[1]} | {shown or 'nobody'} | {right} of {n} | {known} |")
        for what in wrong:
            print(f"{name}: culprit: {what}", file=sys.stderr)
    print(f"| **together** | **{sums[0]}** | **{sums[1]}** | | **{sums[3]} of {sums[2]}** | **{sums[4]}** |\n")
    return sums[2] - sums[3]


def main():
    go, leaks_of, xgotopfs, folder, *only = sys.argv[1:]
    root = subprocess.run([go, "env", "GOROOT"], check=True, text=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, GOTOOLCHAIN="local")).stdout.strip()
    more = ["-overlay=" + overlay(root, folder)]
    registered = leak_kernels.build_all(go, root, folder, STAY, more)
    jobs = [(name, simple, expected) for name, simple, expected in leak_kernels.tests_of(root)
            if name in registered and (not only or name in only)]
    with ThreadPoolExecutor(leak_kernels.AT_ONCE) as pool:
        results = list(pool.map(lambda j: run(registered[j[0]], j[0], j[1], leaks_of, xgotopfs), jobs))
    wrong_lines = line_table(jobs, results)
    locks, wrong = lock_table(jobs, results)
    sys.exit(not locks or wrong * 50 > locks or wrong_lines)


main()
