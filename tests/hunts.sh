#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Does docs/oncall.md find what it says it finds? Runs its commands on the servers of examples/incidents under load:
#     tests/hunts.sh [-all | SERVER:LEVEL:WHEN...]
# -all (without arguments): each server at full and at light, attached before the fault begins and after it.
# XGOTOPFS_BUILD is the build folder, XGOTOPFS_HUNTS_JOBS how many at a time (3).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/app_lib.sh"
need_tracing
need python3 fusermount3
HUNTS=("$@")
if [ $# = 0 ] || [ "$*" = -all ]; then
	HUNTS=()
	for server in convoy bodies downstream timers hog churn worker latency hoard; do
		for level in full light; do HUNTS+=("$server:$level:before" "$server:$level:after"); done
	done
fi
# shellcheck disable=SC2046
SERVERS=$(incidents load upstream $(printf '%s\n' "${HUNTS[@]%%:*}" | sort -u)) || fail "the servers do not build"
[ -z "${XGOTOPFS_SANITIZED:-}" ] || export XGOTOPFS_HUNTS_PATIENCE=3
python3 "$ROOT/tests/hunts.py" "$XGOTOPFS" "$SERVERS" "$ROOT/docs/oncall.md" "$T" "${HUNTS[@]}"
