#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints the file offset of a function's first instruction, by the symbol table.

usage: code_offset.py BINARY FUNCTION
"""
import struct
import sys


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    shoff, = struct.unpack_from("<Q", data, 0x28)
    shnum, = struct.unpack_from("<H", data, 0x3c)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + 64 * i) for i in range(shnum)]
    for _, kind, _, _, offset, size, link, _, _, _ in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        strings = sections[link][4]
        for at in range(offset, offset + size, 24):
            name, _, _, index, value, _ = struct.unpack_from("<IBBHQQ", data, at)
            end = data.index(b"\0", strings + name)
            if index and data[strings + name:end].decode(errors="replace") == sys.argv[2]:
                text = sections[index]
                print(hex(value - text[3] + text[4]))
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
