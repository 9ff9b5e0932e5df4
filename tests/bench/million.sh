#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program with a million goroutines (million.py). Needs root, a Go toolchain and 5 GB of memory.
# Usage: million.sh XGOTOPFS [GOROUTINES]        (meson test --benchmark million passes the first)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
xgotopfs=$(realpath "$1")
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" -eq 0 ] || { echo "million: needs root" >&2; exit 77; }
"$here/../../scripts/build-go.sh" "$here/loads" "$dir/loads"
python3 "$here/million.py" "$xgotopfs" "$dir/loads" "$@"
