#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Prints, as a table, whom we call leaked in the programs by which Go tests its own profile of leaked
# goroutines (65 kernels of real bugs among them), beside what that profile says of the same processes:
#     tests/leak_kernels.sh [PROGRAM...]
# They are built from the sources of TOOLCHAIN (1.27.3; 1.26.11 has the profile as an experiment). OLDER="1.21.13 1.23.12": with these releases, too, which
# have no such profile; then a line for each says how many of the same are found there. XGOTOPFS_BUILD is the build folder.
# CULPRITS=yes: other tables: whom we call the culprits in each, where, and whether that is right; and whether the likely
# holder of each lock is the one that holds it.
. "$(dirname "$0")/lib.sh"
ROOT=$(cd "$(dirname "$0")/.." && pwd)
need python3
LEAKS_OF=$XGOTOPFS_BUILD/tests/targets/leaks_of
[ -x "$LEAKS_OF" ] || fail "$LEAKS_OF is not built"
TOOLCHAIN=${TOOLCHAIN:-1.27.3}
GO=$("$ROOT/scripts/go.sh" "$TOOLCHAIN") || skip "no Go $TOOLCHAIN"
if [ -n "${CULPRITS:-}" ]; then
	python3 "$ROOT/tests/leak_culprits.py" "$GO" "$LEAKS_OF" "$XGOTOPFS" "$T" "$@"
	exit
fi
older=()
for release in ${OLDER:-}; do
	go=$("$ROOT/scripts/go.sh" "$release") || skip "no Go $release"
	older+=("older=$go")
done
python3 "$ROOT/tests/leak_kernels.py" "$GO" "$LEAKS_OF" "$T" "${older[@]}" "$@"
