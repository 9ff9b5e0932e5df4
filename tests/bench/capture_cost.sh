#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What capture costs in the traced thread and in user space, as a table. Needs root.
# Usage: capture_cost.sh BENCH_BINARY [OPERATION]   (meson test --benchmark capture_cost passes the first)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bench=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" -eq 0 ] || { echo "capture_cost: needs root" >&2; exit 77; }
"$here/../../scripts/build-go.sh" "$here/ops" "$dir/ops"
"$bench" "$dir/ops" ${2:+"$2"}
