# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Is the culprit that `xgotopfs -leaks once` names the right one, and at the right line?

Pure functions. A culprit is held against what the program itself says: where he is and what he waits
for against its own dump of goroutines, taken afterwards (who is leaked is there still); who holds
what he waits for against the owners that a changed sync has written down (leak_culprits.py); that he
is leaked against the runtime's profile, or the answers that Go's own test expects. A culprit waits for nobody who is
there, or is in a cycle."""
import os
import re

MEMBER = re.compile(r"^  ([* ]) goroutine (\d+) (\S+)(?: at (\S+:\d+))?(?:, waits on (.*?)|, (?!created in )[^,]*)?(?:, created in .*)?$")
HOLDER = re.compile(r"^      (likely|possible) (?:holder|other end) (\d+): ")
LOCK = re.compile(r"(Mutex|RWMutex) 0x([0-9a-f]+)")
SAYS = {"Mutex": "sync.Mutex.Lock", "RWMutex": "sync.", "WaitGroup": "sync.WaitGroup.Wait", "Cond": "sync.Cond.Wait",
        "chan": "chan ", "channels": "select"}


class Member:
    def __init__(self, found):
        self.culprit, self.goid, self.function, self.at = found[1] == "*", int(found[2]), found[3], found[4] or ""
        self.waits = found[5] or ""
        self.holder = self.likely = None

    def kind(self):
        """Of what he waits on."""
        words = self.waits.split()
        return "" if not words else words[1] if words[0].isdigit() else words[0]

    def lock(self):
        found = LOCK.match(self.waits)
        return (int(found[2], 16), found[1]) if found else None


def groups(text):
    """[(level, kind, goroutines, [Member])] of what -leaks once prints."""
    found = []
    for line in text.splitlines():
        head = re.match(r"group (\w+) (\w+): (\d+) goroutine", line)
        if head:
            found.append((head[1], head[2], int(head[3]), []))
        elif found and MEMBER.match(line):
            found[-1][3].append(Member(MEMBER.match(line)))
        elif found and found[-1][3] and HOLDER.match(line):
            holder = HOLDER.match(line)
            found[-1][3][-1].likely, found[-1][3][-1].holder = holder[1] == "likely", int(holder[2])
    return found


def dumped(text):
    """goid: (why it waits, file:line of the innermost frame of the program's own) of the program's dump."""
    found = {}
    for stack in text.split("\n\n"):
        lines = stack.strip().split("\n")
        head = re.match(r"goroutine (\d+) \[([^\],]*?)( \(leaked\))?(, .*)?\]:", lines[0])
        if not head:
            continue
        frames = [(lines[i], lines[i + 1].strip().split(" +")[0]) for i in range(1, len(lines) - 1, 2)
                  if not lines[i].startswith("created by")]
        own = [at for name, at in frames if name.startswith("main.")] or [
            at for name, at in frames if not re.match(r"(runtime|sync|internal/sync|internal/runtime)[./]", name)]
        found[int(head[1])] = (head[2], own[0] if own else "")
    return found


def ahead(dump, owners, locks):
    """goid: whom he waits for, by what the program says: who holds the lock, and a reader for the writer that keeps
    readers out, too. `locks`: goid: the lock that he waits for."""
    writer = {lock: goid for goid, lock in locks.items() if lock and dump.get(goid, ("",))[0] == "sync.RWMutex.Lock"
              and lock[1] == "RWMutex"}
    found = {}
    for goid, lock in locks.items():
        found[goid] = owners.get(lock, set()) & set(dump)
        if dump.get(goid, ("",))[0] == "sync.RWMutex.RLock" and lock in writer:
            found[goid] = found[goid] - {goid} | {writer[lock]}
    return found


def is_culprit(goid, waits_for, by_locks):
    """He waits for no lock that somebody has, or for himself in the end."""
    if not by_locks.get(goid):
        return True
    seen, to_do = set(), list(waits_for[goid])
    while to_do:
        at = to_do.pop()
        if at == goid:
            return True
        if at not in seen:
            seen.add(at)
            to_do += waits_for.get(at, ())
    return False


def faults(member, kind, dump, waits_for, by_locks, leaked):
    """What is wrong with a culprit."""
    wrong = []
    why, at = dump.get(member.goid, ("gone", ""))
    if member.at != at:
        wrong.append(f"at {member.at}, not {at}")
    wanted = {"never": ("nil chan", "no cases")}.get(kind, (SAYS.get(member.kind(), "?"),))
    if not any(w in why for w in wanted):
        wrong.append(f"{kind} on {member.waits}, but [{why}]")
    if not leaked(member.goid):
        wrong.append("not among those that the runtime names or its test expects")
    if not is_behind(member, waits_for):
        wrong.append(f"behind {member.holder}, not {sorted(waits_for[member.goid])}")
    if not is_culprit(member.goid, waits_for, by_locks):
        wrong.append(f"he waits for {sorted(waits_for[member.goid])}")
    if kind == "self" and member.goid not in waits_for.get(member.goid, ()):
        wrong.append("does not hold what he waits for")
    return wrong


def is_behind(member, waits_for):
    """Whoever is said to be likely: does he hold it, or is he the writer?"""
    return not member.likely or not waits_for.get(member.goid) or member.holder in waits_for[member.goid]


def place(member):
    on = member.kind() or "nothing"
    return f"{os.path.basename(member.at) or '?'} ({on})"


def judge(told, dump, waits_for, leaked):
    """([text of a culprit's line], culprits, right ones, those who wait for a lock whose owners are known, [what is wrong]).
    Who would have to receive or send nobody writes down: there a step of a cycle is as we tell it."""
    lines, n, right, known, wrong = {}, 0, 0, 0, []
    by_locks = {goid: bool(whom) for goid, whom in waits_for.items()}
    waits_for = dict(waits_for)
    for m in (m for _, _, _, members in told for m in members):
        if not m.lock() and m.holder is not None:
            waits_for[m.goid] = {m.holder}
    for level, kind, _, members in told:
        for m in members:
            if m.culprit:
                bad = faults(m, kind, dump, waits_for, by_locks, leaked)
                n, right, known = n + 1, right + (not bad), known + by_locks.get(m.goid, False)
                wrong += [f"goroutine {m.goid} {m.function}: {what}" for what in bad]
                text = f"{kind if level == 'leaked' else level + ' ' + kind} {place(m)}"
                lines[text] = lines.get(text, 0) + 1
            elif not is_behind(m, waits_for):
                wrong.append(f"goroutine {m.goid} is said to wait for {m.holder}, not {sorted(waits_for[m.goid])}")
    return list(lines), n, right, known, wrong
