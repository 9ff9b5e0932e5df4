#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every text file of the mount, held against the rules that its README states (tests/text_check.py): grammar, units,
# `?` and `-`, JSON twins, and that a figure is the same wherever it stands. Of a program that has ended, with events
# and without, and of a replay at its end: they stand still, so that each figure has one value.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3
check() { python3 "$ROOT/tests/text_check.py" "$MNT" >"$T/found" || fail "$1: $(cat "$T/found")"; }

exited() { grep -q '^state exited' "$MNT/stats"; }
ended_under() { # ARG...: the options
	private_demo
	start_xgotopfs -pid "$DEMO" -s "$@" "$MNT"
	wait_ready
	load -n 100 -c 4
	[ -n "$(cat "$MNT/waits.tsv")" ] || fail "no waits" # so that they are there at its end
	end "$DEMO"
	wait_for "$PATIENCE" exited || fail "it does not end: $(head -n 3 "$MNT/stats")"
	check "ended, $1"
	stop_xgotopfs
}
ended_under -probes none
ended_under -record -storage-dir "$T/sessions"

start_xgotopfs -replay "$(ls "$T/sessions")" -storage-dir "$T/sessions" -speed 0 -s "$MNT"
wait_ready
at_end() { grep -q '^state done' "$MNT/control/replay"; }
wait_for "$PATIENCE" at_end || fail "the replay does not end: $(cat "$MNT/control/replay")"
check "replayed"
stop_xgotopfs
