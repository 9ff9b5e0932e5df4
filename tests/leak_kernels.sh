#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Prints, as a table, whom we call leaked in the programs by which Go tests its own profile of leaked
# goroutines (65 kernels of real bugs among them), beside what that profile says of the same processes:
#     tests/leak_kernels.sh [PROGRAM...]
# They are built from the toolchain's sources. OLDER="1.21.13 1.23.12": with these releases, too, which
# have no such profile; then a line for each says how many of the same are found there. XGOTOPFS_BUILD is the build folder.
# CULPRITS=yes: another table, of whether the likely holder of each lock is the one that holds it.
. "$(dirname "$0")/lib.sh"
ROOT=$(cd "$(dirname "$0")/.." && pwd)
need python3
LEAKS_OF=$XGOTOPFS_BUILD/tests/targets/leaks_of
[ -x "$LEAKS_OF" ] || fail "$LEAKS_OF is not built"
GO=$("$ROOT/scripts/go.sh" 1.27.3) || skip "no Go 1.27.3"
if [ -n "${CULPRITS:-}" ]; then
	python3 "$ROOT/tests/leak_culprits.py" "$GO" "$LEAKS_OF" "$T" "$@"
	exit
fi
older=()
for release in ${OLDER:-}; do
	go=$("$ROOT/scripts/go.sh" "$release") || skip "no Go $release"
	older+=("older=$go")
done
python3 "$ROOT/tests/leak_kernels.py" "$GO" "$LEAKS_OF" "$T" "${older[@]}" "$@"
