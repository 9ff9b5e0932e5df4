#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# problems: a worker that dies and those who wait for it are named on its first screen, also to who comes later; a
# server that works has none of those; functions.tsv, waits.tsv and by-*/COUNTS tell the same.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl
SERVERS=$(incidents worker load) || fail "the servers do not build"
cp "$SERVERS/worker" "$T/worker"
"$T/worker" >"$T/worker.out" 2>&1 &
DEMO=$!
on_exit "end $DEMO"
wait_for 20 grep -q listening "$T/worker.out" || fail "it does not start: $(cat "$T/worker.out")"
URL=$(cut -d' ' -f2 "$T/worker.out")
"$SERVERS/load" -c 20 -rate 100 "${URL}signup?a@b" >/dev/null 2>&1 &
LOAD=$!
on_exit "end $LOAD"
first() { head -n 6 "$MNT/problems" >"$T/first"; grep -qE "$1" "$T/first"; }
works() { curl -fsm 5 "${URL}signup?a@b" >/dev/null; }

# --- it works ---
mount_demo
wait_for 10 works || fail "it does not work"
well() { ! first '^[a-z]+ (blocked|convoy|ended|growing|leak|target):'; }
wait_for 10 well || fail "it works, and: $(cat "$T/first")" # on a machine that stood still many wait, for a moment
wait_for 5 grep -q '^blocked: 5 or more' "$MNT/looked_for" || fail "thresholds: $(cat "$MNT/looked_for")"
wait_for 5 grep -q '^  blocked, .*, target$' "$MNT/problems" || fail "what is looked for: $(cat "$MNT/problems")"
# What `cat` leaves on a terminal of 80 by 24 is all of it.
[ "$(fold -w 80 "$MNT/problems" | wc -l)" -lt 24 ] || fail "not one screen: $(cat "$MNT/problems")"

# --- the worker dies ---
curl -fsm 5 "${URL}signup?nobody" >/dev/null
wait_for 40 first '^critical ended: main\.mailer, the only one, ended' || fail "who ended: $(cat "$MNT/problems")"
wait_for 40 first '^critical blocked: [0-9]+ chan send at main\.signup ' || fail "who waits: $(cat "$MNT/problems")"
mailer_ended() { awk -F'\t' '$1 == "main.mailer" && $2 == 0 && $9 == 1 && $10 > 0 { found = 1 } END { exit !found }' "$MNT/functions.tsv"; }
wait_for 10 mailer_ended ||
	fail "functions.tsv: $(cat "$MNT/functions.tsv")"
# Five are enough for the first screen: the others of the twenty come when the load sends them.
all_wait() {
	awk -F'\t' '$1 >= 20 && $2 == "chan send" && $4 == "main.signup" && $8 ~ /^chan 0x.* of main.mail len=16 cap=16/ { found = 1 }
		END { exit !found }' "$MNT/waits.tsv"
}
wait_for 20 all_wait || fail "waits.tsv: $(cat "$MNT/waits.tsv")"
own_frames() { awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i } $at["own_frame"] == "main.signup" { n++ } END { exit n < 20 }' "$MNT/goroutines.tsv"; }
wait_for 10 own_frames || fail "own frames: $(head -n 3 "$MNT/goroutines.tsv")"
for by in state wait func; do
	awk -F'\t' 'NR == 2 { all = $2 } NR > 2 { n += $2 } END { exit all == 0 || n != all }' "$MNT/by-$by/COUNTS" ||
		fail "by-$by does not add up: $(cat "$MNT/by-$by/COUNTS")"
done
python3 - "$MNT/problems.json" <<'PY' || fail "problems.json"
import json, sys
j = json.load(open(sys.argv[1], encoding="utf-8"))
kinds = {p["kind"]: p for p in j["problems"]}
assert kinds["ended"]["function"] == "main.mailer" and kinds["ended"]["goids"], j
assert "main.signup" in kinds["blocked"]["text"] and kinds["blocked"]["see"], j
assert {"blocked", "cpu", "leak"} <= {l["kind"] for l in j["looked_for"]}, j
PY
stop_xgotopfs

# --- somebody comes later, and puts in no probe ---
# Nothing happens in the server any more, no collection of garbage either: that they have not run between two readings
# tells one long wait from many short ones.
start_xgotopfs -pid "$DEMO" -probes none "$MNT"
wait_ready
wait_for 40 first '^critical blocked: [0-9]+ chan send at main\.signup ' || fail "later: $(cat "$MNT/problems")"
wait_for 5 grep -q 'not looked for: starts: no events are seen' "$MNT/problems" || fail "what is not seen: $(cat "$MNT/problems")"
stop_xgotopfs
unharmed "$DEMO"
