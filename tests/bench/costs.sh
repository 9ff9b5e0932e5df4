#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What each way of tracing costs (costs.py), as a table. Needs root and a Go toolchain.
# Usage: costs.sh XGOTOPFS [-rounds N] [-only MODE,…]        (meson test --benchmark costs passes the first)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
xgotopfs=$(realpath "$1")
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" -eq 0 ] || { echo "costs: needs root" >&2; exit 77; }
"$here/../../scripts/build-go.sh" "$here/loads" "$dir/loads"
python3 "$here/costs.py" "$xgotopfs" "$dir/loads" "$@"
