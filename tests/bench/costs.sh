#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What each way of tracing costs (costs.py): tables in Markdown, and plots. Needs root, a Go toolchain and what
# scripts/install-deps.sh bench installs. Interrupted, it shows what it has. Without programs it builds them, in build/.
# Usage: costs.sh [XGOTOPFS OTHER_PROBES] [OPTION…]        (meson test --benchmark costs passes the first two)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "costs: needs root" >&2; exit 77; }
case ${1:--} in
-*)
	[ -f "$root/build/build.ninja" ] || meson setup "$root/build" "$root" >&2
	ninja -C "$root/build" xgotopfs tests/bench/bench_other_probes >&2
	set -- "$root/build/xgotopfs" "$root/build/tests/bench/bench_other_probes" "$@"
	;;
esac
xgotopfs=$(realpath "$1")
other=$(realpath "$2")
shift 2
dir=$(mktemp -d)
child=
# costs.py ends what it began and shows its tables, once, however many signals come.
stop() {
	[ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
}
trap 'rm -rf "$dir"' EXIT
trap stop INT TERM HUP
"$root/scripts/build-go.sh" "$here/loads" "$dir/loads"
# The distribution's, which has the libraries.
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
"$PYTHON" "$here/costs.py" "$xgotopfs" "$other" "$dir/loads" "$@" &
child=$!
# A signal ends the wait, not the child.
while :; do
	status=0
	wait "$child" || status=$?
	kill -0 "$child" 2>/dev/null || exit "$status"
done
