#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program that does a fixed number of known things, traced from its first instruction: every count is
# exact and nothing is lost, for the oldest and newest Go and those where the runtime changed.
# timeout: 420
# beside: yes
# sanitized: no
# (the oldest and the newest slice of the matrix trace from the first instruction, too, with the sanitized build.)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
for version in 1.17 1.21 1.23 1.24 1.26 1.27; do
	for mode in plain stripped; do
		program=$("$ROOT/tests/targets/build.sh" $version $mode workload) || fail "no workload for Go $version"
		rm -rf "$T/sessions"
		# It waits for a line before it starts and for one before it ends.
		printf '\n\n' | timeout $((100 * SLACK)) "$XGOTOPFS" -s -storage-format jsonl -storage-dir "$T/sessions" -- "$program" \
			>"$T/out" 2>"$LOG"
		status=$?
		expect "status of the workload, Go $version $mode ($(cat "$LOG"))" "$status" 0
		check_log
		tail -n 1 "$T/out" >"$T/truth"
		lost=$(sed -n 's/.* s, \([0-9]*\) lost$/\1/p' "$LOG")
		differences=$(python3 "$ROOT/tests/exact.py" "$T/truth" "$T"/sessions/*/events.jsonl \
			--go "${version#1.}" --lost "${lost:-1}") || fail "Go $version $mode: $differences"
	done
done
