#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# control/pause: the probes go and come back; afterwards the model is in line with the program again.
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl
own_demo
start_demo "$DEMO_BINARY"
mount_demo
curl -fs "$URL/job" >/dev/null
counted() { [ "$(sed -n 's/^events_total //p' "$MNT/stats")" -gt 0 ]; }
wait_for 10 counted || fail "no events"

echo 1 >"$MNT/control/pause" || fail "cannot pause"
expect "pause" "$(cat "$MNT/control/pause")" 1
unharmed "$DEMO" # nothing is attached while it is paused
wait_for 10 quiet || fail "paused, and events come: $(grep -E '^(events_total|ewp) ' "$MNT/stats")"
before=$(sed -n 's/^events_total //p' "$MNT/stats")
for _ in 1 2 3; do curl -fs "$URL/leak" >/dev/null; done
load -n 60
expect "events while paused" "$(sed -n 's/^events_total //p' "$MNT/stats")" "$before"

echo 0 >"$MNT/control/pause" || fail "cannot resume"
# Three goroutines began while nobody looked.
found() { [ "$(ls "$MNT/by-func/main.(*server).forgotten" 2>/dev/null | wc -l)" = 3 ]; }
wait_for 10 found || fail "what began while it was paused is not known: $(ls "$MNT/by-func")"
curl -fs "$URL/job" >/dev/null
more() { [ "$(sed -n 's/^events_total //p' "$MNT/stats")" -gt "$before" ]; }
wait_for 10 more || fail "no events after the pause"

# The same with state changes off: memory tells them once a second.
echo newobject:1 >"$MNT/control/sample"
curl -fs "$URL/leak" >/dev/null
four() { [ "$(ls "$MNT/by-func/main.(*server).forgotten" | wc -l)" = 4 ]; }
wait_for 10 four || fail "without casgstatus a new goroutine is not found"
waits() {
	local g
	g=$(ls "$MNT/by-func/main.(*server).forgotten" | sort -n | tail -n 1)
	[ "$(sed -n 's/^state //p' "$MNT/goroutines/$g/status")" = waiting ]
}
wait_for 10 waits || fail "its state is not known"
stop_xgotopfs
unharmed "$DEMO"
