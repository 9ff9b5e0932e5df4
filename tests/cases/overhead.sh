#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -max-overhead and control/max_overhead: the costliest events go first, are said to, and come back.
# timeout: 120
# alone: yes
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
DEMO_BINARY=$(demo_binary) || fail "the demo does not build"
start_demo "$DEMO_BINARY"
"$DEMO_BINARY" -load "$URL" -c 2 2>/dev/null &
on_exit "end $!"

mount_demo -max-overhead 0.5
off() { grep -q 'overhead .* is above 0.5%: .* off' "$LOG"; }
wait_for 20 off || fail "nothing was taken off: $(cat "$LOG")"
expect "the bound" "$(cat "$MNT/control/max_overhead")" 0.5
lowered() { ! grep -q "newobject:1" "$MNT/control/sample"; }
wait_for 20 lowered || fail "newobject is still captured: $(cat "$MNT/control/sample")"
below() { awk '/^overhead_estimate_percent/ { exit !($2 < 0.5) }' "$MNT/health"; }
wait_for 30 below || fail "still above: $(grep overhead "$MNT/health")"

# Without a bound everything that was asked for is back at once.
echo 0 >"$MNT/control/max_overhead" || fail "the bound cannot be lifted"
rates=$(cat "$MNT/control/sample")
for event in casgstatus newobject makeslice makemap newgoroutine goexit; do
	[[ ,$rates, == *,$event:1,* ]] || fail "$event is not back: $rates"
done
before=$(sed -n 's/^events_newobject //p' "$MNT/stats")
again() { [ "$(sed -n 's/^events_newobject //p' "$MNT/stats")" -gt "$before" ]; }
wait_for 10 again || fail "newobject is said to be on, but nothing comes"
{ echo -5 >"$MNT/control/max_overhead"; } 2>/dev/null && fail "took a negative bound"
grep -q 'control/max_overhead: "-5" is not taken: 0 (no bound), or 0.0001 to 100 percent' "$LOG" || fail "nothing says why: $(cat "$LOG")"
stop_xgotopfs
unharmed "$DEMO"
