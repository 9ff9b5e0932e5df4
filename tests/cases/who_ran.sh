#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who ran instead, and why one waited, of a program on one processor whose truth is known: live, and the
# same of the recording. With a browser: the lanes, who ran and the chain drawn, in both themes at three
# widths. Screenshots go to $SHOTS. Then all of its waits, and who ran meanwhile, held against the execution
# trace that the program wrote of itself at the same time.
# timeout: 360
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need jq
TURNS=$("$ROOT/tests/targets/build.sh" local plain turns) || fail "no target"
mkfifo "$T/stdin"
exec 8<>"$T/stdin"
"$TURNS" <"$T/stdin" >"$T/turns.out" 8>&- &
DEMO=$!
on_exit "end $DEMO"
wait_for 30 grep -qs '^ready' "$T/turns.out" || fail "the program does not start"
mount_demo -s -record -storage-dir "$T/sessions"

of() { awk -F'\t' -v f="$1" '$5 == f { print $1; exit }' "$MNT/goroutines.tsv"; }
LATE=$(of main.late) SPIN=$(of main.spin) HOLD=$(of main.hold)
[ -n "$LATE" ] && [ -n "$SPIN" ] && [ -n "$HOLD" ] || fail "not all are there: $(cat "$MNT/goroutines.tsv")"

# main.late could run as long as main.spin did, on the one processor there is: nobody else had it for
# longer. A machine that is busy makes that longer, not other.
instead() {
	jq -e --argjson spin "$SPIN" --argjson over "${1:-true}" '.stay and (.stay.end > 0 or ($over | not)) and .stay.ns > 5e6 and (.ran[0].goid == $spin) and (.ran[0].ns > 5e6) and
		(([.ran[].ns] | add) <= .stay.ns) and (.ran_ns + .nobody_ran_ns == .stay.ns) and (.partly_unknown | not)' \
		"$MNT/goroutines/$LATE/ran_instead.json" >/dev/null
}
wait_for "$PATIENCE" instead || fail "who ran instead of $LATE, not $SPIN: $(cat "$MNT/goroutines/$LATE/ran_instead")"

# The lanes say the same: on each CPU one at a time, and all together no more than one processor's time.
lanes() {
	jq -e '(.cpus | length > 0) and .why == "" and (all(.cpus[].spans; . as $s | all(range(1; length); $s[.][0] >= $s[. - 1][1]))) and
		(([.cpus[].busy_ns] | add) + .elsewhere_ns <= .to - .from)' "$MNT/sched/cpus.json" >/dev/null
}
wait_for "$PATIENCE" lanes || fail "the lanes: $(cat "$MNT/sched/cpus")"

# A wait for the lock that is over: from there along those who woke each other to who had it, who slept.
chain() {
	local goid at
	for goid in $(awk -F'\t' '$5 == "main.want" { print $1 }' "$MNT/goroutines.tsv"); do
		at=$(jq -rs '[.[] | select(.event_type == 0 and .reason == "sync.Mutex.Lock")] |
			[range(1; length) as $i | select(.[$i - 1].attributes[1] == 4 and .[$i].attributes[0] == 4 and .[$i].timestamp - .[$i - 1].timestamp > 5e7) | .[$i - 1].timestamp] | last // empty' \
			"$MNT/goroutines/$goid/events.jsonl")
		[ -z "$at" ] || { WANT=$goid AT=$at && return 0; }
	done
	return 1
}
wait_for "$PATIENCE" chain || fail "nobody waited for the lock"
stop_xgotopfs
unharmed "$DEMO"
end "$DEMO"

id=$(ls "$T/sessions")
start_xgotopfs -replay "$T/sessions/$id" -speed 0 -web -web-port 0 -s "$MNT"
wait_ready
wait_web
at_end() { grep -q '^state done' "$MNT/control/replay"; }
wait_for "$PATIENCE" at_end || fail "the replay does not end: $(cat "$MNT/control/replay")"
# There a wait that its end cut off may be the longest.
instead false || fail "the recording says otherwise: $(cat "$MNT/goroutines/$LATE/ran_instead")"
blame() { curl -fsg "${WEB}api/live/goroutines/$WANT/blame?at=$AT"; }
blame >"$T/blame" || fail "no answer"
jq -e --argjson hold "$HOLD" '.root == "timer" and .chain[-1].goid == $hold and .chain[-1].wait.reason == "sleep" and (.estimate | not) and
	all(.chain[1:][]; .by == "woke" and .fact) and all(.chain[1:-1][]; .function == "main.want") and (.waiters | length >= 2) and
	all(.chain[]; (.running_ns + .runnable_ns + .syscall_ns + .waiting_ns + .unknown_ns + .not_made_yet_ns - (.to - .from)) | fabs < 1000)' \
	"$T/blame" >/dev/null || fail "why $WANT waited at $AT for what $HOLD had: $(cat "$T/blame")"
if [ -x "${CHROMIUM:-/usr/bin/chromium}" ] && [ -d "$XGOTOPFS_BUILD/web/ui/node_modules/esbuild" ]; then
	need_browser
	[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
	(cd "$T/ui" && node why.mjs "$WEB" "${SHOTS:-}" "$LATE" "$SPIN" "$WANT" "$HOLD" "$AT") || fail "the UI does not do as it should"
fi
stop_xgotopfs

MOVES=$("$ROOT/tests/targets/build.sh" local plain tracecount) || fail "no reader of Go's traces"
for procs in 1 2; do
	timeout $((30 * SLACK)) "$XGOTOPFS" -s -record -storage-dir "$T/traced-$procs" -- "$TURNS" -trace "$T/gotrace" -rounds 20 -procs "$procs" \
		>"$T/log" 2>&1 || fail "status $?: $(cat "$T/log")"
	"$MOVES" -moves "$T/gotrace" >"$T/moves" || fail "Go's trace cannot be read"
	start_xgotopfs -replay "$T/traced-$procs/$(ls "$T/traced-$procs")" -speed 0 -web -web-port 0 -s
	wait_web
	wait_for "$PATIENCE" says "replayed [0-9]* events" || fail "it does not end: $(cat "$LOG")"
	python3 "$ROOT/tests/wait_witness.py" "$T/moves" "$WEB" --procs "$procs" ||
		fail "on $procs of Go's processors its own trace says otherwise"
	stop_xgotopfs
done
