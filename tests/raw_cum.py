#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sums the last value of the samples whose stack has a function, from `go tool pprof -raw`.

usage: raw_cum.py FUNCTION <RAW
"""
import re
import sys


def main():
    part, samples, has = "", [], set()
    for line in sys.stdin:
        if line.startswith(("Samples:", "Locations", "Mappings")):
            part = line.split(":")[0].strip()
        elif part == "Samples" and re.match(r"\s*-?\d.*:( \d+)+ *$", line):
            values, stack = line.rsplit(":", 1)
            samples.append((int(values.split()[-1]), set(stack.split())))
        elif part == "Locations":
            number = re.match(r"\s*(\d+): 0x", line)
            at = number.group(1) if number else at
            if sys.argv[1] in line.split():
                has.add(at)
    print(sum(value for value, stack in samples if stack & has))


if __name__ == "__main__":
    main()
