#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -sample goroutines:R: a chosen goroutine's story is whole, the others have none, and how many there
# were of all is exact. A second xgotopfs, without sampling, traces the same server and is the witness.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing

# Bad input: one line, exit status 2, and nothing changed where it runs.
for bad in goroutines:0 goroutines goroutines:2 goroutines:0.5,goroutines:0.5 goroutine:0.5; do
	"$XGOTOPFS" -pid $$ -sample "$bad" >"$T/bad" 2>&1
	expect "exit status of -sample $bad" $? 2
	expect "lines of -sample $bad ($(cat "$T/bad"))" "$(wc -l <"$T/bad")" 1
done

own_demo
start_demo "$DEMO_BINARY"
WITNESS=
kill_witness() {
	[ -n "$WITNESS" ] || return 0
	kill -KILL "$WITNESS" 2>/dev/null
	wait "$WITNESS" 2>/dev/null
	! grep -q " $T/all fuse" /proc/mounts || fusermount3 -u -z "$T/all"
}
on_exit kill_witness
mkdir -p "$T/all"
"$XGOTOPFS" -pid "$DEMO" "$T/all" >"$T/witness" 2>&1 &
WITNESS=$!
there() { [ -s "$T/all/health" ]; }
wait_for "$PATIENCE" there || fail "no witness: $(cat "$T/witness")"
mount_demo -record -storage-dir "$T/sessions" -storage-format jsonl
echo goroutines:2 >"$MNT/control/sample" 2>/dev/null && fail "control/sample takes a rate of 2"
echo goroutines:0.3 >"$MNT/control/sample" || fail "control/sample refuses goroutines:0.3"
want=casgstatus:1,makeslice:1,makemap:1,newobject:1,newgoroutine:1,goexit:1,goroutines:0.3
expect "control/sample" "$(cat "$MNT/control/sample")" "$want"
since=$(tail -n 1 "$T/all/events" | cut -d' ' -f1)
load -n 90

key() { sed -n "s/^$2 //p" "$1/stats"; }
ended_all() { [ "$(key "$MNT" goroutines_exited)" -gt 30 ] && [ "$(key "$MNT" goroutines_live)" = "$(key "$T/all" goroutines_live)" ]; }
wait_for 20 ended_all || fail "live: $(key "$MNT" goroutines_live), truly $(key "$T/all" goroutines_live)"
agrees() { grep -q '^state agrees' "$MNT/audit"; }
wait_for 20 agrees || fail "the audit: $(cat "$MNT/audit")"
cat "$T/all/events" >"$T/all.events"
cat "$MNT/events" >"$T/chosen.events"

# What tells of whom, of goroutines that began when both were there: GOID TYPE COUNT. A creation is the
# child's here.
stories() {
	awk -v since="$since" '
		function of(key, i) { for (i = 4; i <= NF; i++) if (index($i, key) == 1) return substr($i, length(key) + 1) }
		$1 <= since || $3 == "lost" { next }
		{ who = $3 == "casgstatus" ? of("target=") : $3 == "newgoroutine" ? of("child=") : $2 }
		FNR == NR { if ($3 == "newgoroutine") new[who] = 1; next }
		who in new { n[who " " $3]++ }
		END { for (k in n) print k, n[k] }' "$T/all.events" "$1" | sort
}
stories "$T/all.events" >"$T/all.stories"
stories "$T/chosen.events" >"$T/chosen.stories"
cut -d' ' -f1 "$T/all.stories" | sort -u >"$T/goids"
while read -r goid; do
	echo "$goid $(sed -n 's/^chosen //p' "$MNT/goroutines/$goid/status")"
done <"$T/goids" >"$T/choice"
n=$(wc -l <"$T/choice") chosen=$(grep -c ' yes$' "$T/choice") others=$(grep -c ' no$' "$T/choice")
expect "said to be chosen or not" $((chosen + others)) "$n"
[ "$chosen" -gt 5 ] && [ "$others" -gt 20 ] || fail "$chosen of $n are chosen"
join "$T/choice" "$T/all.stories" | awk '$2 == "yes" { print $1, $3, $4 }' >"$T/want"
join "$T/choice" "$T/chosen.stories" | awk '$2 == "yes" { print $1, $3, $4 }' >"$T/got"
diff "$T/want" "$T/got" >"$T/diff" || fail "stories of chosen goroutines differ: $(head -n 5 "$T/diff")"
# What a chosen one starts is in its story.
join "$T/choice" "$T/chosen.stories" | awk '$2 == "no" && $3 != "newgoroutine"' >"$T/got"
[ ! -s "$T/got" ] || fail "others have events: $(head -n 3 "$T/got")"

# Chosen and not: together at least what was since both were there, at most all of what the witness saw.
for type in casgstatus makeslice makemap newobject newgoroutine goexit; do
	seen=$(($(key "$MNT" "events_$type") + $(key "$MNT" "not_chosen_$type")))
	all=$(key "$T/all" "events_$type")
	least=$(awk -v type="$type" '$2 == type { n += $3 } END { print n + 0 }' "$T/all.stories")
	[ "$seen" -ge "$least" ] && [ "$seen" -le "$all" ] || fail "$type: $seen chosen or not, of $least to $all"
done
wait_for 5 grep -q '^limit sampled (.*goroutines:0.3)' "$MNT/health" || fail "health: $(head -n 5 "$MNT/health")"
[ "$(key "$MNT" estimated_alloc_bytes_error)" -gt 0 ] || fail "no error is stated: $(grep estimated "$MNT/stats")"
stop_xgotopfs

# A recording of it says so when it is replayed.
session=$(basename "$T"/sessions/*-*)
grep -q "\"sample\": \"$want\"" "$T/sessions/$session/metadata.json" || fail "$(cat "$T/sessions/$session/metadata.json")"
start_xgotopfs -replay "$session" -storage-dir "$T/sessions" "$MNT"
wait_ready
grep -q "recorded with -sample $want" "$LOG" || fail "not said at the replay: $(cat "$LOG")"
wait_for 5 grep -q "^limit recorded with -sample $want" "$MNT/health" || fail "health of the replay: $(head -n 4 "$MNT/health")"
stop_xgotopfs
kill -INT "$WITNESS"
wait "$WITNESS" || fail "the witness: $(cat "$T/witness")"
WITNESS=
unharmed "$DEMO"
