#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Prints the path of a copy of FILE that only this case runs, in $XGOTOPFS_OWN (tests/lib.sh): probes, breakpoints, hits
# and writers of a file are of all processes that run it, whoever started them. Who is no case has the file itself.
# Usage: tests/own.sh FILE
set -eu
file=$(readlink -f "$1")
[ -n "${XGOTOPFS_OWN:-}" ] || { echo "$file"; exit; }
copy=$XGOTOPFS_OWN$file
if [ ! -e "$copy" ]; then
	mkdir -p "${copy%/*}"
	cp --reflink=auto "$file" "$copy.$$"
	mv "$copy.$$" "$copy"
fi
echo "$copy"
