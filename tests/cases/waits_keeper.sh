#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The process that attaches and detaches for us is stopped: every wait for it ends all the same, and
# no breakpoint stays, whether the tracer ends by itself or is killed.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need pgrep
private_demo

is_stopped() { grep -q '^State:.[Tt]' "/proc/$1/status"; }
stop_keeper() {
	KEEPER=$(pgrep -P "$XPID" -x xgotop-keeper) || skip "no keeper on this kernel"
	on_exit "end -CONT $KEEPER"
	kill -STOP "$KEEPER"
	wait_for 20 is_stopped "$KEEPER" || fail "the keeper does not stop"
}

mount_demo
stop_keeper
timeout $((10 * SLACK)) sh -c "echo 1 >'$MNT/control/pause'" || fail "cannot pause"
unharmed "$DEMO"
stop_keeper
timeout $((10 * SLACK)) sh -c "echo 0 >'$MNT/control/pause'" || fail "cannot go on"
timeout $((5 * SLACK)) ls "$MNT" >/dev/null || fail "ls"
stop_keeper
stop_xgotopfs
unharmed "$DEMO"

mount_demo
stop_keeper
kill_xgotopfs
soon_unharmed "$DEMO"
wait_for 10 gone "$KEEPER" || fail "the keeper of a tracer that was killed is still there"
