#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A server under full load, its probes put in and taken out 200 times and more: by pausing, by other
# rates and levels, and by whole runs that attach and leave. XGOTOPFS_SURVIVE=N times as often (1).
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../survive_lib.sh"
need_tracing
need curl
TIMES=$((100 * ${XGOTOPFS_SURVIVE:-1}))
RATES=(casgstatus:1 newobject:1,makeslice:1 newgoroutine:1,goexit:1 newobject:0.01,makemap:1
	casgstatus:0.5,newgoroutine:1,goexit:1,newobject:1,makeslice:1,makemap:1)
LEVELS=(full demand light none full)

toggle() {
	local i
	mount_demo -retain 10000
	for i in $(seq "$TIMES"); do
		case $((RANDOM % 3)) in
		0)
			echo 1 >"$MNT/control/pause" || fail "cannot pause"
			echo 0 >"$MNT/control/pause" || fail "cannot go on"
			;;
		1) echo "${LEVELS[RANDOM % ${#LEVELS[@]}]}" >"$MNT/control/probes" || fail "cannot change the level" ;;
		2) echo "${RATES[RANDOM % ${#RATES[@]}]}" >"$MNT/control/sample" || fail "cannot change the rates" ;;
		esac
		[ $((i % 20)) != 0 ] || alive
	done
	echo 0 >"$MNT/control/pause"
	echo "${RATES[4]}" >"$MNT/control/sample"
	echo full >"$MNT/control/probes"
	local before
	before=$(sed -n 's/^events_total //p' "$MNT/stats")
	more() { [ "$(sed -n 's/^events_total //p' "$MNT/stats")" -gt "$((before + 1000))" ]; }
	wait_for 20 more || fail "no events after $TIMES changes"
	# Levels begin and end the sampling of CPU time, too, which goes on.
	local sampled
	sampled=$(sed -n 's/^cpu_samples //p' "$MNT/stats")
	samples() { [ "$(sed -n 's/^cpu_samples //p' "$MNT/stats")" -gt "$sampled" ]; }
	if grep -q '^cpu_sampling on' "$MNT/health"; then
		wait_for 20 samples || fail "no CPU samples after $TIMES changes: $(grep ^cpu_ "$MNT/health" "$MNT/stats")"
	fi
	# Nothing is lost that was not counted: what events tell is what memory has.
	echo casgstatus:1,newgoroutine:1,goexit:1 >"$MNT/control/sample"
	wait_for 30 grep -q '^audit agrees' "$MNT/health" || fail "after $TIMES changes: $(grep -E '^(audit|warning)' "$MNT/health")"
	wait_for 5 grep -q '^goroutine 1 \[' "$MNT/stacks" || fail "no stacks after $TIMES changes"
	stop_xgotopfs
}

come_and_go() {
	local i
	for i in $(seq $((TIMES / 10))); do
		start_xgotopfs -s -pid "$DEMO"
		wait_ready
		stop_xgotopfs
		alive
	done
}

for version in 1.17.13 installed; do
	under_load "$version"
	toggle
	come_and_go
	at_rest
done
