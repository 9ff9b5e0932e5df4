#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Hostile names: writes them into a binary, and looks for what of them comes out again.

usage: hostile.py patch BINARY OUT        tests/targets/hostile with names that no compiler would write
       hostile.py tree FOLDER             every name, link and file below a mounted tree
       hostile.py rest URL ROUTES ID      every GET route that web_routes wrote to ROUTES, of the live target
                                          and of the session ID
       hostile.py file FILE...            files

Text is UTF-8 without control characters but line end and tab, without what is not seen or turns the
order of other characters, and no line of it is one that a name made up. Data for programs (profiles,
traces, protobuf) holds none of the raw names. Prints what is wrong; the exit status is 1 then.
"""
import gzip
import os
import re
import stat
import sys
import unicodedata
import urllib.error
import urllib.request

SLACK = float(os.environ.get("SLACK", "4"))  # of tests/lib.sh: the factor of all deadlines

FORGED = "goroutine 99 [running]:"
NAMES = {
    b"functionWithEscape_ABCDEFGHIJKLMNO": b"e\x1b[2J\x1b]0;FORGED\x07\x1b[31mscape",
    b"functionWithLineEnd_ABCDEFGHIJKLMN": b"l\n" + FORGED.encode() + b"\n\tX",
    b"functionThatIsNotUTF8_ABCDEFGHIJKL": b"u\xff\xfe\xc3\x28\xed\xa0\x80\xc0\xaf\xe2\x82",
    b"functionWithControls_ABCDEFGHIJKLM": b"c\xc2\x9b2J\x9b31m\x7f\r\x08\xe2\x80\xae\xe2\x80\x8b\xe2\x80\xa8\xef\xbb\xbf",
    b"main.functionHeader_A": b"goroutine 99 [r].:",
    b"/source/path/with/room/for/others_ABCDEFGHIJKLMNOPQRSTUVWXYZ.go":
        b"/s\x1b[2J/\n" + FORGED.encode() + b"\n\t\xff\xc2\x9b.go",
    b"TypeWithEscapeAndLineEnd_ABCDEFGHIJ": b"T\x1b[2J\n" + FORGED.encode(),
    b"TypeThatIsNotUTF8AtAll_ABCDEFGHIJKL": b"T\xff\xc2\x9b\tX\x7f",
}
RAW = [b"\x1b[2J", b"\n" + FORGED.encode(), b"u\xff\xfe\xc3\x28", b"\xc2\x9b2J\x9b31m", b"T\xff\xc2\x9b"]
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
                    "\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]")
found = []


def wrong(where, what):
    found.append(f"{where}: {what}")


def check_text(where, data, lines=True):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        wrong(where, f"not UTF-8: {data[max(0, e.start - 40):e.end + 20]!r}")
        return
    hit = HIDDEN.search(text)
    if hit:
        wrong(where, f"{unicodedata.name(hit[0], 'control')}: {text[max(0, hit.start() - 40):hit.end() + 20]!r}")
    for line in text.split("\n") if lines else []:
        if line.startswith(("goroutine 99 ", "FORGED")) or line.strip() == "X":
            wrong(where, f"a forged line: {line!r}")


def check_table(where, data):
    """A row is a line, and has as many columns as the header."""
    lines = data.decode("utf-8", "replace").rstrip("\n").split("\n")
    columns = lines[0].count("\t")
    for line in lines:
        if line.count("\t") != columns and not line.startswith("... "):  # a note
            wrong(where, f"{line.count(chr(9))} tabs, not {columns}: {line!r}")


def check_binary(where, data):
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    for raw in RAW:
        if raw in data:
            wrong(where, f"a raw name: {raw!r}")


def check_bytes(where, data):
    binary = where.endswith((".pb", ".perfetto", "/perfetto")) or "/pprof/" in where
    (check_binary if binary else check_text)(where, data)


def patch(path, out):
    with open(path, "rb") as f:
        data = f.read()
    for name, other in NAMES.items():
        # The same length; what is too short ends in letters.
        if len(other) > len(name):
            sys.exit(f"{other!r} is longer than {name!r}")
        if name not in data:
            sys.exit(f"{name!r} is not there")
        fill = other + b"x" * (len(name) - len(other))
        if other.endswith(b":"):
            fill = other.replace(b":", b"r" * (len(name) - len(other)) + b":", 1)
        data = data.replace(name, fill)
    with open(out, "wb") as f:
        f.write(data)
    os.chmod(out, 0o755)


def tree(root):
    files = 0
    for folder, folders, names in os.walk(os.fsencode(root)):
        inside = folder[len(os.fsencode(root)):].decode("utf-8", "replace")
        for name in folders + names:
            check_text(f"name in {inside}", name, lines=False)
            if b"\n" in name or b"\t" in name:
                wrong(inside, f"a name of two lines: {name!r}")
            path = os.path.join(folder, name)
            # The program goes on: a goroutine that was listed may wait no longer, or be gone.
            try:
                if os.path.islink(path):
                    check_text(f"link {path!r}", os.readlink(path))
                    continue
                if name == b"events_pipe" or not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                with open(path, "rb") as f:
                    data = f.read()
            except FileNotFoundError:
                continue
            check_bytes(path.decode("utf-8", "replace"), data)
            if path.endswith(b".tsv"):
                check_table(inside + "/" + os.fsdecode(os.path.basename(path)), data)
            files += 1
    if files < 100:
        wrong(root, f"only {files} files")
    # Each folder is found again by its name.
    for group in ("by-func", "types", "by-wait"):
        for name in os.listdir(os.path.join(os.fsencode(root), group.encode())):
            try:
                os.stat(os.path.join(os.fsencode(root), group.encode(), name))
            except FileNotFoundError:
                if group != "by-wait":
                    wrong(group, f"is listed, but not there: {name!r}")


def routes_of(path):
    with open(path, encoding="utf-8") as f:
        return [line.split("\t")[1] for line in f if line.startswith("GET\t")]


def ask(url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"}), timeout=30 * SLACK) as r:
            data = r.read()
            if r.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            headers = str(r.headers)
            return r.status, data, headers
    except urllib.error.HTTPError as e:
        return e.code, e.read(), str(e.headers)


def rest(url, routes, session):
    answered = 0
    for route in routes_of(routes):
        if route.startswith("/assets") or route == "/":
            continue
        path = route
        if route.startswith("/api/sessions/{}"):
            path = path.replace("{}", session, 1)
        values = {"/goroutines/": ["1", "6"], "/tiles/": ["20"]}
        options = next((v for key, v in values.items() if key in path), ["20"])
        for first in options:
            one = path.replace("{}", first, 1).replace("{}", "0")
            for query in ("", "?limit=100", "?by=origin", "?format=folded", "?format=jsonl"):
                status, data, headers = ask(url.rstrip("/") + one + query)
                binary = re.search(r"(?i)^content-type: application/(octet-stream|x-tar)$", headers, re.M)
                (check_binary if binary else check_text)(one + query, data)
                check_text(one + " headers", headers.encode())
                answered += status == 200
    if answered < 60:
        wrong(url, f"only {answered} answers")


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "patch":
        patch(*arguments)
    elif what == "tree":
        tree(*arguments)
    elif what == "rest":
        rest(*arguments)
    elif what == "file":
        for path in arguments:
            with open(path, "rb") as f:
                check_bytes(path, f.read())
    print("\n".join(found[:20]))
    sys.exit(1 if found else 0)


main()
