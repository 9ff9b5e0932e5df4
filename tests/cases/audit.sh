#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 180
# The audit, against a program that says how many goroutines it has: probes that are taken away behind
# its back are told of within three seconds, all of them or those of exits alone; what a busy server
# does is no difference.
. tests/lib.sh
. tests/app_lib.sh

need_tracing
need python3 nm curl
binary=$("$ROOT/tests/targets/build.sh" local plain counted) || fail "counted does not build"
cp "$binary" "$T/counted"

# ask COMMAND: has the target do it; sets COUNT to what its runtime counts afterwards.
ask() {
	local before
	before=$(wc -l <"$T/target.out")
	echo "$1" >&8
	wait_for 20 eval "[ \$(wc -l <$T/target.out) -gt $before ]" || fail "no answer to $1"
	COUNT=$(tail -n 1 "$T/target.out" | cut -d' ' -f2)
}
figure() { sed -n "s/^$1 //p" "$MNT/audit"; }
more_than() { [ "$(figure "$1")" -gt "$2" ]; }
state() { [ "$(figure state)" = "$1" ]; }
# All that live but for the runtime's own, as runtime.NumGoroutine() counts.
counted() { [ "$(python3 - "$MNT/goroutines.json" <<'E2'
import json, sys
rows = json.load(open(sys.argv[1], encoding="utf-8"))
print(sum(1 for g in rows if not g["system"] and g["state"] != "dead"))
E2
)" = "$COUNT" ]; }
another() { # comparison, begun after this
	local n
	n=$(figure comparisons)
	wait_for 20 more_than comparisons $((n + 1)) || fail "the audit stands still: $(cat "$MNT/audit")"
}
# told KIND N: within three seconds; a sanitized tracer may take longer.
told() {
	local limit=3
	[ -z "${XGOTOPFS_SANITIZED:-}" ] || limit=20
	wait_for "$limit" more_than "differences_$1" $(($2 - 1)) || fail "$1 is not told: $(cat "$MNT/audit")"
}

# --- the program's own count, and its numbers
start_target "$T/counted"
mount_demo -web -web-port 0 -record -storage-dir "$T/sessions"
wait_web
wait_for 20 state agrees || fail "no agreement: $(cat "$MNT/audit")"
wait_for 5 grep -q '^verdict good' "$MNT/health" || fail "$(head -n 3 "$MNT/health")"
another
given=$(figure numbers_given)
ask "more 30"
ask "short 500"
ask "fewer 10"
wait_for 10 counted || fail "it counts $COUNT: $(cat "$MNT/goroutines.tsv")"
another
state agrees || fail "$(cat "$MNT/audit")"
# Of one look: the runtime may begin some of its own at any time, for its first collection (every two minutes there is one).
cat "$MNT/audit" >"$T/audit"
of_look() { sed -n "s/^$1 //p" "$T/audit"; }
given=$(($(of_look numbers_given) - given))
[ "$given" -ge 530 ] && [ "$given" -le $((530 + 4 * $(nproc))) ] || fail "numbers given: $given, not 530"
expect "creations told of" "$(of_look creations_by_events)" "$(of_look numbers_given)"
expect "in memory and by events" "$(of_look goroutines_in_memory)" "$(of_look goroutines_by_events)"
expect "differences" "$(figure differences_total)" 0
curl -s "$WEB/metrics" | grep -q '^xgotopfs_audit_agrees{pid="'"$DEMO"'"} 1$' || fail "metrics: $(curl -s "$WEB/metrics" | grep audit)"

# --- no probe is there any more
python3 "$ROOT/tests/take_probes.py" "$DEMO" >"$T/taken" || fail "no probe was found to take away"
ask "more 5"
told creation 5
told missed 5
wait_for 5 grep -q '^verdict incomplete' "$MNT/health" || fail "$(head -n 3 "$MNT/health")"
wait_for 5 grep -q '^meaning creation: ' "$MNT/audit" || fail "no meaning: $(cat "$MNT/audit")"
wait_for 10 counted || fail "not healed: it counts $COUNT: $(cat "$MNT/goroutines.tsv")"
ask "fewer 7"
told exit 7
wait_for 10 counted || fail "not healed: it counts $COUNT: $(cat "$MNT/goroutines.tsv")"
wait_for 10 state agrees || fail "$(cat "$MNT/audit")"
wait_for 5 grep -q '^verdict incomplete' "$MNT/health" || fail "healed, and forgotten: $(head -n 3 "$MNT/health")"
curl -s "$WEB/api/live/audit" | python3 -c '
import json, sys
a = json.load(sys.stdin)
assert a["differences_exit"] >= 7 and a["differences_creation"] >= 5 and a["meaning"], a' || fail "no JSON"
curl -s "$WEB/metrics" | grep -q '^xgotopfs_audit_differences_total{pid="'"$DEMO"'",kind="exit"} [1-9]' ||
	fail "metrics: $(curl -s "$WEB/metrics" | grep audit)"
stop_xgotopfs
session=$(ls "$T/sessions")
start_xgotopfs -replay "$T/sessions/$session" -speed 0 "$MNT"
wait_for 20 more_than differences_exit 6 || fail "not in the recording: $(cat "$T/sessions/$session/metadata.json")"
wait_for 10 grep -q '^verdict incomplete' "$MNT/health" || fail "$(head -n 3 "$MNT/health")"
stop_xgotopfs

# --- the statistics line
start_xgotopfs -s -pid "$DEMO"
wait_for "$PATIENCE" says 'audit agrees' || fail "statistics: $(tail -n 2 "$LOG")"
stop_xgotopfs

# --- probes of exits alone, without state changes
mount_demo -sample newgoroutine:1,goexit:1
wait_for 20 state agrees || fail "no agreement: $(cat "$MNT/audit")"
expect "states" "$(figure compares_states)" no
ask "short 20"
ask "fewer 2"
another
expect "differences" "$(figure differences_total)" 0
python3 "$ROOT/tests/take_probes.py" "$DEMO" runtime.gdestroy >"$T/taken" || fail "no probe in gdestroy"
ask "fewer 3"
told exit 3
# --- and while nothing is traced
echo 1 >"$MNT/control/pause"
wait_for 10 state off || fail "$(cat "$MNT/audit")"
ask "more 3"
echo 0 >"$MNT/control/pause"
wait_for 20 state agrees || fail "$(cat "$MNT/audit")"
expect "differences" "$(figure differences_creation)" 0
stop_xgotopfs
exec 8>&-

# --- what a busy server does is no difference
private_demo
mount_demo
load -c 8 -n 3000 &
client=$!
wait_for 20 more_than comparisons 4 || fail "$(cat "$MNT/audit")"
wait "$client"
another
state agrees || fail "$(cat "$MNT/audit")"
expect "differences" "$(figure differences_total)" 0
stop_xgotopfs
