#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A slice of tests/bench/overhead_estimate.py: what tracing is said to cost is about what it costs. On a
# busy machine the truth is not to be had to a quarter; an estimate that is blind, or tenfold off, is seen in
# any case.
# timeout: 120
# alone: yes
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3
loads=$ROOT/tests/.cache/loads
built "$loads" "$ROOT/tests/bench/loads" "$loads" || fail "the workload does not build"
loads=$("$ROOT/tests/own.sh" "$loads") || fail "no copy of it"
python3 "$ROOT/tests/bench/overhead_estimate.py" "$XGOTOPFS" "$loads" 7 2 || fail "the estimate is not what it costs"
"$XGOTOPFS" -doctor >"$T/doctor" 2>&1
grep -q 'ns where it steps it out of line' "$T/doctor" || fail "no price of stepping: $(cat "$T/doctor")"
