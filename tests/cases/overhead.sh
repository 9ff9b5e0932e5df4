#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -max-overhead and control/max_overhead: above the bound all probes are in for windows, no event type is
# taken off, what was spent is within it, and when the bound is lifted all is back.
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

key() { sed -n "s/^$1 //p" "$MNT/stats"; }
at_least() { local n; n=$(key "$1") && [ "${n:-0}" -ge "$2" ]; }

mount_demo -max-overhead 3
expect "the bound" "$(cat "$MNT/control/max_overhead")" 3
# Who takes the probes out does not wait for its turn, neither among threads nor among sessions.
keeper=$(child_of "$XPID" xgotop-keeper) || fail "no keeper"
expect "its nice value" "$(nice_of "/proc/$keeper")" -10
[ ! -e "/proc/$keeper/autogroup" ] || grep -q 'nice -10$' "/proc/$keeper/autogroup" || fail "its session: $(cat "/proc/$keeper/autogroup")"
wait_for 40 at_least budget_windows 3 || fail "no windows: $(cat "$LOG" "$MNT/stats")"
grep -q "tracing would cost more than 3% of the program's CPU time" "$LOG" || fail "nothing is said: $(cat "$LOG")"
# Never a type missing, never blind.
rates=$(cat "$MNT/control/sample")
for event in casgstatus newobject makeslice makemap newgoroutine goexit; do
	[[ ,$rates, == *,$event:1,* ]] || fail "$event was taken off: $rates"
done
for event in casgstatus newobject makeslice newgoroutine goexit; do
	at_least "events_$event" 1 || fail "nothing of $event: $(cat "$MNT/stats")"
	at_least "estimated_unseen_$event" 1 || fail "no estimate of $event: $(cat "$MNT/stats")"
	# The runtime's own numbers may leave nothing open of what began.
	[ "$event" = newgoroutine ] || at_least "estimated_unseen_error_$event" 1 || fail "no error of $event: $(cat "$MNT/stats")"
done
# All that began, seen and unseen, is what the runtime gave numbers to, read up to a second or so later; no more ended.
held() {
	cat "$MNT/stats" >"$T/stats"
	awk '{ v[$1] = $2 }
		END {
			given = v["goids_given_most"]
			began = v["events_newgoroutine"] + v["estimated_unseen_newgoroutine"]
			exit !(given + 0 > 0 && began <= given * 1.05 + 200 && v["estimated_unseen_goexit"] <= began + v["goroutines_live"] + 200)
		}' "$T/stats"
}
wait_for 20 held || fail "more goroutines than goids: $(grep -E 'gor|goex|goid' "$T/stats")"
ls "$MNT/goroutines" | grep -q . || fail "no goroutine is known between windows"
wait_for 5 grep -q '^limit traced in windows' "$MNT/health" || fail "health says nothing: $(cat "$MNT/health")"
wait_for 5 grep -q '^overhead_most_by ' "$MNT/health" || fail "health does not say which type costs most"
# What a window spends too much is saved after it: a second later the mean is within, or falls.
kept() { awk '/^budget_spent_percent/ { exit !($2 < 4.5) }' "$MNT/stats"; }
wait_for 30 kept || fail "above the bound: $(grep '^budget' "$MNT/stats")"
# Events say where windows end and begin.
wait_for 5 grep -q ' probes state=off' "$MNT/events" || fail "no end of a window in events"
wait_for 5 grep -q ' probes state=on' "$MNT/events" || fail "no begin of a window in events"

# With a part of the goroutines chosen the bound holds as well, and what was not chosen is counted: in windows exactly,
# between them estimated.
echo goroutines:0.1 >"$MNT/control/sample" || fail "goroutines cannot be sampled under a bound"
windows=$(key budget_windows) between=$(key estimated_unseen_newobject)
wait_for 40 at_least budget_windows $((windows + 3)) || fail "no windows with a sample: $(grep ^budget "$MNT/stats")"
at_least not_chosen_newobject 100 || fail "what was not chosen is not counted: $(cat "$MNT/stats")"
at_least estimated_unseen_newobject $((between + 1)) || fail "no estimate with a sample: $(cat "$MNT/stats")"
at_least estimated_alloc_bytes_error 1 || fail "no error of bytes: $(cat "$MNT/stats")"
wait_for 30 kept || fail "above the bound with a sample: $(grep '^budget' "$MNT/stats")"

# Without a bound everything is there again at once, for good.
echo 0 >"$MNT/control/max_overhead" || fail "the bound cannot be lifted"
before=$(key events_newobject)
again() { at_least events_newobject $((before + 1)); }
wait_for 10 again || fail "nothing comes without a bound"
{ echo -5 >"$MNT/control/max_overhead"; } 2>/dev/null && fail "took a negative bound"
grep -q 'control/max_overhead: "-5" is not taken: 0 (no bound), or 0.0001 to 100 percent' "$LOG" || fail "nothing says why: $(cat "$LOG")"
stop_xgotopfs
unharmed "$DEMO"
