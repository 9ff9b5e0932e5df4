#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What does `problems` say of incidents that it was not made for (tests/targets/trouble)? See trouble.py.
#     tests/trouble.sh [-all | INCIDENT:LEVEL...]
# -all (without arguments): each at full and at light. XGOTOPFS_TROUBLE_SHOW=1 prints what was said at the end of each.
# XGOTOPFS_BUILD is the build folder, XGOTOPFS_HUNTS_JOBS how many at a time (3).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/app_lib.sh"
need_tracing
need python3 fusermount3
SERVERS=$(incidents load) || fail "the servers do not build"
TROUBLE=$("$ROOT/tests/targets/build.sh" local plain trouble) || fail "the incidents do not build"
RUNS=("$@")
if [ $# = 0 ] || [ "$*" = -all ]; then
	RUNS=()
	for incident in $("$TROUBLE" | tr -d '[]'); do RUNS+=("$incident:full" "$incident:light"); done
fi
[ -z "${XGOTOPFS_SANITIZED:-}" ] || export XGOTOPFS_HUNTS_PATIENCE=3
python3 "$ROOT/tests/trouble.py" "$XGOTOPFS" "$SERVERS" "$TROUBLE" "$T" "${RUNS[@]}"
