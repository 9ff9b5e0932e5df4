#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What each way of tracing costs (costs.py): tables in Markdown, and plots. Needs root, a Go toolchain and what
# scripts/install-deps.sh bench installs.
# Usage: costs.sh XGOTOPFS OTHER_PROBES [OPTION…]        (meson test --benchmark costs passes the first two)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
xgotopfs=$(realpath "$1")
other=$(realpath "$2")
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" -eq 0 ] || { echo "costs: needs root" >&2; exit 77; }
"$here/../../scripts/build-go.sh" "$here/loads" "$dir/loads"
# The distribution's, which has the libraries.
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
"$PYTHON" "$here/costs.py" "$xgotopfs" "$other" "$dir/loads" "$@"
