#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Finds background commands of shell scripts that write to a file which may hold what was there before.

The shell forks first, and the child opens the file: after `command >FILE &`, FILE is for a moment what an
earlier command wrote, and a wait for a line in it may end at once. So in a function or a loop such a file
is made anew first, in the same body, by fresh() of tests/lib.sh (or rm -f, or mkfifo, which has nothing in
it); outside of them, when it was written earlier in the script, or by a library that the script sources.

Usage: fresh_output.py FILE...     prints FILE:LINE: what; status 1 when there is one
"""
import os
import re
import sys

OPENER = re.compile(r"\s*(?:function )?[\w-]+ ?\(\) ?[{(]|\s*(?:.*[;|] )?(?:for|while|until|select)\b.*\bdo\b")
TARGET = re.compile(r"(?:(?<![<>&\d])\d?|&)>(?:>|\|)?\s*((?:\"[^\"]*\"|[^\s;&|<>()\"])+)")
MADE = re.compile(r"\b(?:fresh|rm -r?f|mkfifo)\b([^;&|]*)")
# What is no file with an end: devices, descriptors, and what xgotopfs mounts.
NO_FILE = re.compile(r"/dev/|/proc/|\d+$|\$MNT\b")


def commands(text):
    """Yields (line, text) of each logical line: continued ones joined, without comments and what is in single
    quotes; of here-documents only scripts (that end with SH)."""
    line = at = 0
    lines = text.split("\n")
    while at < len(lines):
        line, kept, here, scripts = at, "", [], []
        inside = []  # of what quotes and parentheses
        while True:
            now, i = lines[at], 0
            at += 1
            while i < len(now):
                c, quote = now[i], inside[-1:] if inside[-1:] in (["'"], ['"']) else []
                if quote == ["'"]:
                    if c == "'":
                        inside.pop()
                        kept += c
                    i += 1
                    continue
                if c == "\\":
                    kept += now[i:i + 2]
                    i += 2
                    continue
                if c == '"':
                    inside.pop() if quote else inside.append(c)
                elif now[i:i + 2] == "$(" or (c == "(" and not quote):
                    inside.append("(")
                    kept += "$(" if c == "$" else "("
                    i += 1 + (c == "$")
                    continue
                elif not quote:
                    if c == ")" and inside:
                        inside.pop()
                    elif c == "'":
                        inside.append(c)
                    elif c == "#" and (i == 0 or now[i - 1] in " \t;("):
                        break
                    found = re.match(r"<<-?(['\"]?)([A-Z_]\w*)\1", now[i:])
                    if found and now[i - 1:i] != "<":
                        here.append(found[2])
                kept += c
                i += 1
            while here:
                begin, word = at, here.pop(0)
                while lines[at].strip() != word:
                    at += 1
                    if at == len(lines):
                        raise ValueError(f"line {line + 1}: no {word} ends it")
                if word == "SH":
                    scripts.append((begin, "\n".join(lines[begin:at])))
                at += 1
            # A group or a function's body is several commands.
            if at >= len(lines) or not (set(inside) & {"'", '"'} or now.endswith("\\")):
                break
            if kept.endswith("\\"):
                kept = kept[:-1]
            kept += " "
        if set(inside) & {"'", '"'}:
            raise ValueError(f"line {line + 1}: a quotation that does not end")
        yield line + 1, kept.rstrip()
        for begin, script in scripts:
            for number, inner in commands(script):
                yield begin + number, inner


def indent(text):
    return len(text) - len(text.lstrip())


def plain(word):
    return re.sub(r"[\"{}]", "", word)


def targets(text):
    found = (plain(m[1]) for m in TARGET.finditer(text))
    return [t for t in found if not NO_FILE.match(t)]


def before_ampersand(text):
    """What of a line runs in the background; None: nothing."""
    found = list(re.finditer(r"(?<![&<>|\\])&(?![&>\d])", re.sub(r'"[^"]*"', lambda m: "x" * len(m[0]), text)))
    return text[:found[-1].start()] if found else None


def made_in(lines):
    return {plain(word) for text in lines for m in MADE.finditer(text) for word in m[1].split()}


def body_of(all_lines, i):
    """The lines of the innermost function or loop before line i that are always run; None: there is neither."""
    deep = indent(all_lines[i][1])
    body = []
    for _, text in reversed(all_lines[:i]):
        if not text.strip():
            continue
        if indent(text) < deep:
            deep = indent(text)
            if OPENER.match(text):
                return body
        if indent(text) <= deep:
            body.append(text)
    return None


def group_of(all_lines, i):
    """All of the group that ends in this line."""
    text = all_lines[i][1]
    if not re.match(r"\s*(?:\)|\}|done\b)", text):
        return text
    begin = i - 1
    while begin > 0 and (not all_lines[begin][1].strip() or indent(all_lines[begin][1]) > indent(text)):
        begin -= 1
    return "\n".join(t for _, t in all_lines[begin:i + 1])


def written_by_libraries(path, all_lines):
    found = set()
    for _, text in all_lines:
        source = re.match(r"\s*(?:\.|source) .*?(\w+\.sh)\b", text)
        library = source and os.path.join(os.path.dirname(os.path.abspath(__file__)), source[1])
        if library and os.path.exists(library) and not os.path.samefile(library, path):
            with open(library, encoding="utf-8") as file:
                of_library = list(commands(file.read()))
            found.update(t for _, line in of_library for t in targets(line))
            found |= written_by_libraries(library, of_library)
    return found


def stale(all_lines, libraries=frozenset()):
    """Yields (line, target)."""
    for i, (number, text) in enumerate(all_lines):
        if before_ampersand(text) is None:
            continue
        body = body_of(all_lines, i)
        inside = OPENER.match(text)
        if inside:
            body = [text]
        written = targets(before_ampersand(group_of(all_lines, i)) or "")
        earlier = {t for _, line in all_lines[:i] for t in targets(line)} | libraries
        made = made_in(body if body is not None else [t for _, t in all_lines[:i] if indent(t) == 0])
        for target in written:
            if (body is not None or target in earlier) and target not in made:
                yield number, target


SAMPLES = (  # (what it finds, script)
    (["$T/id"], 'for f in a b; do\n\t"$TOOL" $f >"$T/id" &\n\twait_for 20 has "$T/id"\ndone'),
    ([], 'for f in a b; do\n\tfresh "$T/id"\n\t"$TOOL" $f >"$T/id" &\ndone'),
    (["$T/id"], 'fresh "$T/id"\nfor f in a b; do\n\t"$TOOL" $f >"$T/id" &\ndone'),
    (["$T/id"], 'for f in a b; do\n\tif x; then\n\t\tfresh "$T/id"\n\tfi\n\t"$TOOL" $f >"$T/id" &\ndone'),
    ([], 'one() {\n\trm -f "$T/out" "$LOG"\n\tif x; then\n\t\ttool >"$T/out" \\\n\t\t\t2>>"$LOG" &\n\tfi\n}'),
    (["$LOG"], 'one() {\n\trm -f "$T/out"\n\ttool >"$T/out" \\\n\t\t2>>"$LOG" & PID=$!\n}'),
    (["$T/a"], "one() {\n\tpython3 -c '\nfor x in y:\n\tpass >z &' >\"$T/a\" &\n}"),
    (["$T/a"], "one() {\n\tpython3 - >\"$T/a\" <<'PY' &\nprint() >b &\nPY\n}"),
    (["$T/a"], 'one() { tool >"$T/a" & }'),
    (["$T/a"], 'one() {\n\t(\n\t\ttool >"$T/a"\n\t) &\n}'),
    ([], 'tool >"$T/a" 2>&1 &\ntool >/dev/null 2>&1 && one || two 2>&1 >&3'),
    (["$T/a"], 'tool >"$T/a"\ntool >"$T/a" &'),
    ([], 'tool >"$T/a"\nfresh "$T/a"\ntool &>"$T/a" &'),
)


def main():
    bad = 0
    for want, script in SAMPLES:
        found = [target for _, target in stale(list(commands(script)))]
        if found != want:
            print(f"fresh_output.py itself: finds {found}, not {want}, in:\n{script}")
            bad = 1
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            try:
                all_lines = list(commands(file.read()))
            except ValueError as e:
                sys.exit(f"{path}: {e}")
        for number, target in stale(all_lines, written_by_libraries(path, all_lines)):
            print(f"{path}:{number}: {target} may hold what was there before: fresh \"{target}\" first (tests/lib.sh)")
            bad = 1
    return bad


sys.exit(main())
