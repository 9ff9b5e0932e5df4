#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The views' section of docs/api.md, from the table of them.

docs-views.py BUILD [--write]      is it up to date? --write makes it so. BUILD: build/tests/targets/view_table"""
import os
import subprocess
import sys

BEGIN, END = "<!-- views: written by scripts/docs-views.py from core/view/views.c -->\n", "<!-- end of views -->\n"
API = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs/api.md")


def section(table):
    lines = ["| | forms | arguments | |\n", "| --- | --- | --- | --- |\n"]
    for row in subprocess.run([table], check=True, capture_output=True, text=True).stdout.splitlines():
        scope, name, _, forms, takes, place, _, text = row.split("\t")
        where = {"process": "", "goroutine": "goroutines/{goid}/", "type": "types/{type}/"}[scope]
        arguments = " ".join(f"`{a}`" for a in takes.split())
        star = "*" if place == "rest" else ""
        path = (where + name).rstrip("/")
        lines.append(f"| `{path}`{star} | {forms.replace(' ', ', ')} | {arguments} | {text} |\n".replace("|  |", "| |"))
    return "".join(lines)


def main():
    table, write = sys.argv[1], "--write" in sys.argv
    with open(API, encoding="utf-8") as f:
        text = f.read()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    new = section(table)
    if old == new:
        return
    if not write:
        sys.exit(f"docs/api.md is not what core/view/views.c says: scripts/docs-views.py {table} --write")
    with open(API, "w", encoding="utf-8") as f:
        f.write(before + BEGIN + new + END + after)


main()
