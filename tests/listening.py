#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints the first TCP port on 127.0.0.1 that a process listens on; exit status 1 when there is none.

usage: listening.py PID
"""
import os
import sys

LISTEN = "0A"


def main():
    folder = f"/proc/{sys.argv[1]}"
    inodes = set()
    for fd in os.listdir(f"{folder}/fd"):
        try:
            target = os.readlink(f"{folder}/fd/{fd}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open(f"{folder}/net/tcp", encoding="ascii") as tcp:
        for line in list(tcp)[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == LISTEN and fields[9] in inodes and address == "0100007F":
                print(int(port, 16))
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
