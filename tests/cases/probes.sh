#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -probes and control/probes: which probes are in, who brings them in and how they go again; with none
# the tree lives from memory, also for a user who may nothing.
# timeout: 90
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl
refuses 2 '"loud" is not taken: full, light, demand or none are' -probes loud -pid 1
private_demo

says_of() { sed -n "s/^$1 //p" "$MNT/health"; }
# intact: no breakpoint is in the program's code, as its own memory has it.
intact() { python3 "$ROOT/tests/code_intact.py" "$DEMO" >/dev/null; }
probed() { ! intact; }
out() { [ "$(says_of probes_in)" = no ] && intact; }
forgotten() { [ "$(ls "$MNT/by-func/main.(*server).forgotten" 2>/dev/null | wc -l)" = "$1" ]; }

# --- none, after all of them ---
mount_demo
wait_for 20 grep -q '^audit agrees' "$MNT/health" || fail "no verdict: $(cat "$MNT/health")"
expect "level" "$(cat "$MNT/control/probes")" full
probed || fail "no probe is in"
echo loud 2>/dev/null >"$MNT/control/probes" && fail "there is no such level"
wait_for 10 says '"loud" is not taken: full, light, demand or none are' || fail "no line: $(cat "$LOG")"
expect "after a wrong one" "$(cat "$MNT/control/probes")" full
echo none >"$MNT/control/probes" || fail "cannot set none"
unharmed "$DEMO"
wait_for 10 quiet || fail "none is in, and events come: $(grep -E '^(events_total|ewp) ' "$MNT/stats")"
before=$(says_of events_total)
curl -fs "$URL/leak" >/dev/null && curl -fs "$URL/leak" >/dev/null
wait_for 10 forgotten 2 || fail "memory does not tell of new ones: $(ls "$MNT/by-func")"
g=$(ls "$MNT/by-func/main.(*server).forgotten" | tail -n 1)
waits() { grep -q '^state waiting' "$MNT/goroutines/$g/status"; }
wait_for 10 waits || fail "its state: $(cat "$MNT/goroutines/$g/status")"
expect "state_from" "$(sed -n 's/^state_from //p' "$MNT/goroutines/$g/status")" memory
wait_for 5 grep -q "^goroutine $g \[" "$MNT/stacks" || fail "no stack of $g"
expect "events without probes" "$(says_of events_total)" "$before"
expect "created by events" "$(sed -n 's/^goroutines_healed //p' "$MNT/stats")" 0
numbers() { sed -n 's/^goids_given_most //p' "$MNT/stats"; }
given=$(numbers)
[ "$given" -ge 16 ] || fail "numbers: $(cat "$MNT/stats")"
curl -fs "$URL/job" >/dev/null
grown() { [ "$(numbers)" -gt "$given" ]; }
wait_for 10 grown || fail "goroutines came and went, and the numbers stay at $given"
says_of verdict | grep -q '^from memory' || fail "verdict: $(says_of verdict)"
says_of limit | grep -q 'nothing is known of the time between two readings' || fail "how fine: $(says_of warning)"

# --- demand ---
echo demand >"$MNT/control/probes" || fail "cannot set demand"
load -c 1 -n 1000000 2>/dev/null & # something to see
LOAD=$!
on_exit "end $LOAD"
wait_for 10 out || fail "probes without a reader"
timeout $((60 * SLACK)) tail -n 0 -s 0.02 -f "$MNT/events" >"$T/tail.out" 2>/dev/null &
TAIL=$!
on_exit "end $TAIL"
wait_for 10 [ -s "$T/tail.out" ] || fail "tail -f shows nothing"
probed || fail "events, but no probe"
cat "$MNT/events_pipe" >/dev/null &
PIPE=$!
on_exit "end $PIPE"
readers() { [ "$(says_of event_readers)" = "$1" ]; }
wait_for 10 readers 2 || fail "readers: $(says_of event_readers)"
end "$TAIL"
wait_for 10 readers 1 || fail "readers: $(says_of event_readers)"
sleep 4 # longer than a reader that has left is waited for
expect "with a reader left" "$(says_of probes_in)" yes
kill -KILL "$PIPE"
wait "$PIPE" 2>/dev/null
left=$(date +%s%N)
wait_for 15 out || fail "a probe is left after the last reader: $(cat "$MNT/health")"
echo "no probe is left $((($(date +%s%N) - left) / 1000000)) ms after the last reader"
end "$LOAD"
wait "$LOAD" # or its end may come as a signal while the shell waits for the probes
echo full >"$MNT/control/probes" || fail "cannot set full"
again() { [ "$(says_of probes_in)" = yes ] && grep -q '^audit agrees' "$MNT/health"; }
wait_for 20 again || fail "events and memory do not agree again: $(cat "$MNT/health")"
grep -E ' 0 probes state=' "$MNT/events" | sed 's/.*=//' | tr '\n' ' ' >"$T/switches"
expect "what events say of the probes" "$(cat "$T/switches")" "off on off on "
# From each level to each other one.
for level in light full demand light none light demand none demand full none full; do
	echo "$level" >"$MNT/control/probes" || fail "cannot go on to $level: $(tail -n 2 "$LOG")"
	expect "level" "$(cat "$MNT/control/probes")" "$level"
done
stop_xgotopfs
unharmed "$DEMO"

# --- none, and more later: only where that was asked for ---
mount_demo -probes none
for level in full demand light; do
	echo "$level" >"$MNT/control/probes" 2>"$T/refused" && fail "$level, with no BPF program loaded"
	grep -q "Operation not supported" "$T/refused" || fail "$level: $(cat "$T/refused")"
done
expect "lines that say how to start it" "$(grep -c 'nothing can be attached: .*; start xgotopfs with -probes none -raisable' "$LOG")" 3
expect "level" "$(cat "$MNT/control/probes")" none
stop_xgotopfs
mount_demo -probes none -raisable
intact || fail "probes are in with none"
echo full >"$MNT/control/probes" || fail "cannot be raised: $(tail -n 1 "$LOG")"
wait_for 10 probed || fail "full, and no probe is in"
echo none >"$MNT/control/probes" || fail "cannot set none"
wait_for 10 out || fail "probes are left"
echo light >"$MNT/control/probes" || fail "light after none: $(tail -n 1 "$LOG")"
stop_xgotopfs
unharmed "$DEMO"

# --- none, by a user without any right, of a process of the same user ---
public_folder
cp "$XGOTOPFS" "$DEMO_BINARY" "$PUBLIC" && chmod 755 "$PUBLIC"/*
mkdir "$PUBLIC/s" && chmod 777 "$PUBLIC/s"
NOTHING=("${AS_NOBODY[@]}" --inh-caps=-all --bounding-set=-all)
"${NOTHING[@]}" "$PUBLIC/demo" -listen 127.0.0.1:0 >"$T/theirs" 2>&1 &
THEIRS=$!
on_exit "end $THEIRS"
wait_for 20 grep -q listening "$T/theirs" || fail "the demo does not start: $(cat "$T/theirs")"
"${NOTHING[@]}" "$PUBLIC/xgotopfs" -probes none -web -web-port 0 -web-listen 127.0.0.1 -storage-dir "$PUBLIC/s" \
	-pid "$THEIRS" >"$T/none.out" 2>&1 &
NONE=$!
on_exit "end $NONE"
at() { WEB=$(grep -o 'http://127[^ ]*' "$T/none.out" | tail -n 1) && [ -n "$WEB" ]; }
wait_for 20 at || fail "it does not start: $(cat "$T/none.out")"
ask() { as_nobody curl -fs "${WEB%%\?*}$@"; }
ask api/live/health >"$T/health.json" || fail "health: $(cat "$T/none.out")"
grep -q '"probes_level": *"none"' "$T/health.json" || fail "level: $(cat "$T/health.json")"
[ "$(ask api/live/stats | tr ',' '\n' | sed -n 's/.*"goroutines_live": *//p')" -gt 4 ] || fail "no goroutines"
expect "another level" "$(as_nobody curl -s -o "$T/no" -w '%{http_code}' -d '{"probes":"full"}' "${WEB%%\?*}api/control" | cut -c1)" 5
find "/proc/$NONE/fd" -lname '*bpf*' | grep . && fail "it uses BPF"
end "$NONE"
wait "$NONE"
expect "status" $? 0
