#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Each link in a Markdown file to another file, or to a heading, leads to one that git knows. And each file of
docs/ is led to by some other page, so that none is found by chance only.
Usage: doc_links.py FILE.md...          status 1: a link leads nowhere"""
import os
import re
import subprocess
import sys


def anchors(path):
    """As GitHub makes them of headings: lower case, no punctuation, spaces as hyphens."""
    text = re.sub(r"^```.*?^```", "", open(path, encoding="utf-8").read(), flags=re.S | re.M)
    made = []
    for heading in re.findall(r"^#+ +(.*?) *$", text, flags=re.M):
        anchor = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")
        n = made.count(anchor)
        made.append(anchor if not n else f"{anchor}-{n}")
    return set(made)


def links(path):
    text = re.sub(r"^```.*?^```", "", open(path, encoding="utf-8").read(), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:", target):
            yield target


def main(files):
    known = set(subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], check=True,
                               capture_output=True, text=True).stdout.splitlines())
    bad, led_to = [], set()
    for file in files:
        for link in links(file):
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(file), path)) if path else file
            if target not in known and not os.path.isdir(target):
                bad.append(f"{file}: {link}: no such file")
            elif anchor and anchor not in anchors(target):
                bad.append(f"{file}: {link}: no such heading")
            if target != file:
                led_to.add(target)
    bad += [f"{file}: no page leads to it" for file in files
            if file.startswith("docs/") and file not in led_to]
    print("\n".join(bad), end="\n" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
