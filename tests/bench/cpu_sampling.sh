#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What sampling the CPUs costs the traced program. Needs root.
# Usage: cpu_sampling.sh XGOTOPFS [PAIRS [HZ]]     (meson test --benchmark cpu_sampling passes it)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
xgotopfs=$(realpath "$1")
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" -eq 0 ] || { echo "cpu_sampling: needs root" >&2; exit 77; }
"$here/../../scripts/build-go.sh" "$here/loads" "$dir/loads"
python3 "$here/cpu_sampling.py" "$xgotopfs" "$dir/loads" "$@"
