#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds what xgotopfs says of waits against a program's own account (tests/targets/waits).

Usage: waits_compare.py ACCOUNT MOUNT --go MINOR [--descriptors FILE]

FILE: what the process's descriptors are, "FD LINK" a line, where it is not of this machine.
Prints each difference; nothing, and 0, when everything is exact."""
import argparse
import json
import os
import sys


def parse_account(path):
    objects, waits, holders = {}, {}, {}
    for line in open(path, encoding="utf-8"):
        words = line.split()
        if not words:
            continue
        if words[0] == "object":
            state = dict(w.split("=", 1) for w in words[3:])
            objects[words[1]] = (words[2], state)
        elif words[0] == "wait":
            waits.setdefault(int(words[1]), []).append((words[2], words[3]))
        elif words[0] == "holder":
            holders.setdefault(words[1], []).append((int(words[2]), words[3]))
    return objects, waits, holders


def words_of(state):
    """'locked waiters=2' as {'locked': 'true', 'waiters': '2'}."""
    found = {}
    for word in (state or "").split():
        key, _, value = word.partition("=")
        found[key] = value or "true"
    return found


class Compare:
    def __init__(self, account, mount, go, descriptors=None):
        self.descriptors = descriptors and dict(line.rstrip("\n").split(" ", 1) for line in open(descriptors, encoding="utf-8"))
        self.objects, self.waits, self.holders = parse_account(account)
        self.mount, self.go = mount, go
        self.bad = 0
        self.rows = json.load(open(os.path.join(mount, "waits.json"), encoding="utf-8"))
        self.by_object = {}
        for row in self.rows:
            self.by_object.setdefault(row["object"], []).append(row)

    def differ(self, text):
        self.bad += 1
        print(text)

    def check_object(self, address, kind, state):
        rows = [r for r in self.by_object.get(address, []) if r["kind"] == kind]
        if len(rows) != 1:
            self.differ(f"{kind} {address}: {len(rows)} rows")
            return
        row, got = rows[0], words_of(rows[0]["state"])
        if kind == "chan":
            want = (state["type"].replace("_", " "), int(state["len"]), int(state["cap"]))
            if (row["type"], row["len"], row["cap"]) != want:
                self.differ(f"chan {address}: {row['type']} {row['len']}/{row['cap']}, is {want}")
            timer = want[0] == "time.Time"
            if row["state"] != ("timer" if timer else "open"):
                self.differ(f"chan {address}: {row['state']}")
        elif kind == "Mutex":
            got = {"locked": "true" if "locked" in got else "false",
                   "starving": "true" if "starving" in got else "false", "waiters": got.get("waiters")}
            if got != state:
                self.differ(f"Mutex {address}: {row['state']}, is {state}")
        else:
            for key, value in state.items():
                if got.get(key) != value:
                    self.differ(f"{kind} {address}: {row['state']}, is {state}")

    def check_waiters(self, address, kind):
        want = sorted((goid, how) for goid, waits in self.waits.items() for a, how in waits if a == address)
        got = sorted((w["goid"], w["wait"]) for r in self.by_object.get(address, []) for w in r["waiters"])
        if got != want:
            self.differ(f"{kind} {address}: waiters {got}, are {want}")
        folder = os.path.join(self.mount, "by-object", address)
        links = sorted(int(name) for name in os.listdir(folder))
        if links != sorted({goid for goid, _ in want}):
            self.differ(f"{folder}: {links}, not {want}")
        for goid in links:
            link = os.path.join(folder, str(goid))
            if not os.path.samefile(link, os.path.join(self.mount, "goroutines", str(goid))):
                self.differ(f"{link} leads elsewhere")

    def own_rows(self, goid):
        with open(os.path.join(self.mount, "goroutines", str(goid), "waits.json"), encoding="utf-8") as f:
            return json.load(f)

    def check_goroutine(self, goid, waits):
        rows = self.own_rows(goid)
        status = open(os.path.join(self.mount, "goroutines", str(goid), "status"), encoding="utf-8").read()
        on = [line.split(" ", 1)[1] for line in status.splitlines() if line.startswith("waits_on ")]
        if waits[0][0] != "-":
            got = sorted((r["object"], r["wait"]) for r in rows)
            if got != sorted(waits):
                self.differ(f"goroutine {goid} waits on {got}, not {sorted(waits)}")
            if sorted(tuple(w.split()[1:]) for w in on) != sorted(waits):
                self.differ(f"status of {goid}: {on}, not {waits}")
            return
        what, _, how = waits[0][1].partition(":")
        if len(rows) != 1:
            self.differ(f"goroutine {goid}: {rows}, waits for {waits}")
        elif what == "fd":
            words = words_of(rows[0]["state"])
            link = self.descriptor(words.get("fd"))
            if rows[0]["kind"] != "descriptor" or rows[0]["wait"] != how:
                self.differ(f"goroutine {goid}: {rows[0]}, waits for {what} {how}")
            elif link not in rows[0]["state"]:
                self.differ(f"goroutine {goid}: {rows[0]['state']}, is {link}")
        elif rows[0]["kind"] != {"nil": "nil channel", "cases": "no cases"}[what]:
            self.differ(f"goroutine {goid}: {rows[0]}, waits for {waits}")

    def descriptor(self, fd):
        return self.descriptors[fd] if self.descriptors else os.readlink(f"/proc/{self.pid()}/fd/{fd}")

    def pid(self):
        with open(os.path.join(self.mount, "stats"), encoding="utf-8") as f:
            return dict(line.split(None, 1) for line in f)["pid"].strip()

    def check_holders(self, address, want):
        got = {}
        for row in self.by_object.get(address, []):
            for holder in row["likely_holders"]:
                got[holder["goid"]] = holder["evidence"]
        for goid, evidence in want:
            # What the compiler keeps over a call, the lock's address or its object's, is its business.
            weak = ("pointer_in_frame", "pointer_into_object")
            # 1.17 on arm64 has no closures for deferred calls.
            if self.go == 17 and self.descriptors and evidence == "deferred":
                evidence = "object"
            expect = weak if evidence == "object" else ("pointer_in_frame",) if evidence == "frame" else (evidence,)
            if got.get(goid) not in expect:
                self.differ(f"{address} is held by {goid} ({evidence}); likely holders: {got}")
        strong = {goid for goid, evidence in got.items() if evidence in ("deferred", "pending_writer")}
        wrong = strong - {goid for goid, _ in want}
        if wrong:
            self.differ(f"{address}: {wrong} do not hold it: {got}")

    def check_row(self, row):
        """What holds for all, also for those goroutines that the program does not know."""
        for holder in row["likely_holders"]:
            # All of them are parked, so their stack maps can be read; up to 1.17 those of deferred calls cannot.
            if self.go >= 18 and holder["evidence"] != "pending_writer" and holder["word"] != "live":
                self.differ(f"{row['object']}: the word may be dead: {holder}")
            weak = holder["evidence"] in ("pointer_in_frame", "pointer_into_object")
            if row["kind"] == "chan" and holder["waiter"] and weak:
                self.differ(f"{row['object']}: who waits on a channel is said to hold it: {holder}")
        for waiter in row["waiters"] if row["object"] else []:
            path = os.path.join(self.mount, "goroutines", str(waiter["goid"]), "status")
            with open(path, encoding="utf-8") as f:
                if f"{row['kind']} {row['object']} {waiter['wait']}" not in f.read():
                    self.differ(f"status of {waiter['goid']} does not have {row['object']}")

    def run(self):
        for address, (kind, state) in self.objects.items():
            self.check_object(address, kind, state)
            self.check_waiters(address, kind)
        for goid, waits in self.waits.items():
            self.check_goroutine(goid, waits)
        for address, want in self.holders.items():
            self.check_holders(address, want)
        # The runtime and its packages have goroutines of their own, of which the program knows nothing.
        for row in self.rows:
            self.check_row(row)
            known = row["object"] in self.objects or row["kind"] in ("descriptor", "nil channel", "no cases")
            if not known and any(w["goid"] in self.waits for w in row["waiters"]):
                self.differ(f"unknown to the program: {row}")
        if not self.objects or not self.waits:
            self.differ("the program gave no account")
        return 1 if self.bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("account")
    parser.add_argument("mount")
    parser.add_argument("--go", type=int, required=True)
    parser.add_argument("--descriptors")
    args = parser.parse_args()
    return Compare(args.account, args.mount, args.go, args.descriptors).run()


if __name__ == "__main__":
    sys.exit(main())
