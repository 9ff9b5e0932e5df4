#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The estimate of the overhead against what tracing costs: within 25 % for each workload. Needs root.
# Usage: overhead_estimate.sh XGOTOPFS        (meson test --benchmark overhead_estimate passes it)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
xgotopfs=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" -eq 0 ] || { echo "overhead_estimate: needs root" >&2; exit 77; }
"$here/../../scripts/build-go.sh" "$here/loads" "$dir/loads"
python3 "$here/overhead_estimate.py" "$xgotopfs" "$dir/loads" 15 1.25
