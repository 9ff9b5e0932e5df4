#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The views' sections of docs/api.md and of the man page, from the table of them.

docs-views.py BUILD [--write]      are they up to date? --write makes them so. BUILD: build/tests/targets/view_table"""
import os
import subprocess
import sys

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs")
FOLDERS = {"process": "", "goroutine": "goroutines/{goid}/", "type": "types/{type}/"}


def rows(table):
    for row in subprocess.run([table], check=True, capture_output=True, text=True).stdout.splitlines():
        scope, name, suffix, forms, takes, place, _, text = row.split("\t")
        yield FOLDERS[scope], name, suffix, forms.split(), takes.split(), place, text


def api(table):
    lines = ["| | forms | arguments | |\n", "| --- | --- | --- | --- |\n"]
    for where, name, _, forms, takes, place, text in rows(table):
        arguments = " ".join(f"`{a}`" for a in takes)
        star = "*" if place == "rest" else ""
        path = (where + name).rstrip("/")
        lines.append(f"| `{path}`{star} | {', '.join(forms)} | {arguments} | {text} |\n".replace("|  |", "| |"))
    return "".join(lines)


def roff(text):
    return text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")


def man(table):
    lines = []
    for where, name, suffix, forms, _, place, text in rows(table):
        if place == "rest":
            continue
        where = where.replace("{goid}", "ID").replace("{type}", "NAME")
        path = (where + name).rstrip("/")
        twin = f' ", " {path}.json' if "json" in forms and name else ""
        lines.append(roff(f".TP\n.BR {path}{suffix}{twin}\n{text}\n"))
    return "".join(lines)


SECTIONS = (
    ("api.md", "<!-- views: written by scripts/docs-views.py from core/view/views.c -->\n", "<!-- end of views -->\n", api),
    ("xgotopfs.1.in", '.\\" views: written by scripts/docs-views.py from core/view/views.c\n', '.\\" end of views\n', man),
)


def main():
    table, write = sys.argv[1], "--write" in sys.argv
    for name, begin, end, section in SECTIONS:
        path = os.path.join(DOCS, name)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        before, rest = text.split(begin)
        old, after = rest.split(end)
        new = section(table)
        if old == new:
            continue
        if not write:
            sys.exit(f"docs/{name} is not what core/view/views.c says: scripts/docs-views.py {table} --write")
        with open(path, "w", encoding="utf-8") as f:
            f.write(before + begin + new + end + after)


main()
