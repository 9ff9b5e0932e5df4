#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes a C table of files, gzipped: embed.py OUTPUT.c [FILE...]. index.html is served as "/",
any other NAME as "/assets/NAME". The same input gives the same output."""
import gzip
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def main():
    output, files = sys.argv[1], sys.argv[2:]
    rows, lines = [], ['#include "web/assets.h"', ""]
    for i, path in enumerate(sorted(files, key=os.path.basename)):
        name = os.path.basename(path)
        with open(path, "rb") as f:
            data = f.read()
        packed = gzip.compress(data, 9, mtime=0)
        lines.append(f"static const unsigned char data{i}[] = {{")
        for at in range(0, len(packed), 20):
            lines.append("\t" + ",".join(str(b) for b in packed[at:at + 20]) + ",")
        lines.append("};")
        url = "/" if name == "index.html" else "/assets/" + name
        etag = hashlib.sha256(data).hexdigest()[:16]
        kind = TYPES[os.path.splitext(name)[1]]
        rows.append(f'\t{{"{url}", "{kind}", "\\"{etag}\\"", data{i}, sizeof(data{i}), {len(data)}}},')
    lines.append("const struct asset assets[] = {")
    lines += rows or ["\t{0}"]
    lines += ["};", f"const size_t n_assets = {len(rows)};", ""]
    with open(output, "w", encoding="ascii") as f:
        f.write("\n".join(lines))


main()
