#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Runs NAME.py, a benchmark that traces the program tests/bench/loads, which it builds. Needs root and a Go toolchain.
# Usage: loads.sh NAME XGOTOPFS [ARGUMENT...]      (meson test --benchmark NAME passes them; NAME.py says what ARGUMENTs there are)
#        NAME: overhead_estimate, budget_step, cpu_sampling, turns, million (5 GB of memory), leaks_effect (the heap that it is told)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
name=$1
xgotopfs=$(realpath "$2")
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" -eq 0 ] || { echo "$name: needs root" >&2; exit 77; }
"$here/../../scripts/build-go.sh" "$here/loads" "$dir/loads"
python3 "$here/$name.py" "$xgotopfs" "$dir/loads" "$@"
