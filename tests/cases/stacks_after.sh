#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Stacks when the program has ended: the last that were read, with when that was, also when nobody had
# asked for any; what goroutines wait on, the scheduler and the heap as they were last, too; and a goroutine's profiler labels as labels of profiles, in releases that keep them as a
# map and as a list.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
GO=$("$ROOT/scripts/go.sh") || skip "no go"
tool=$(target "$TRACED_GO" plain stackparse) || fail "no parser"

# start_parked VERSION MODE: rests; DEMO is its pid, $T/dump its own dump.
start_parked() {
	local binary
	binary=$(target "$1" "$2" parked) || fail "Go $1: no target"
	fresh "$T/dump" "$T/err"
	"$binary" >"$T/dump" 2>"$T/err" &
	DEMO=$!
	on_exit "end $DEMO"
	wait_for 30 grep -q '^END' "$T/dump" || fail "does not come to rest: $(tail -n 3 "$T/err")"
}

# heap_is_stats: what both files have of the heap is the same.
heap_is_stats() { [ "$(grep -c '^heap_' "$MNT/heap")" -ge 3 ] && ! grep '^heap_\(live\|goal\|alloc.*total\)' "$MNT/heap" | grep -vxFf "$MNT/stats" >&2; }

has_kept() { grep -q "^goroutine 1 \[" "$MNT/stacks" 2>/dev/null; }
die() {
	kill -KILL "$DEMO"
	wait "$DEMO" 2>/dev/null
	wait_for 10 says "has exited" || fail "its end was not noticed: $(tail -n 3 "$LOG")"
}

# What they waited on, and the scheduler, with a last line that says of when that is.
waits_are_kept() {
	local file
	for file in waits sched/procs; do
		tail -n 1 "$MNT/$file" | grep -qE '^\.\.\. as of 20[0-9-]*T[0-9:.]*Z(, [0-9.]* s before the program ended)?$' || return
	done
	[ "$(wc -l <"$MNT/waits")" -gt 5 ] && grep -q '^  P0: ' "$MNT/sched/procs" &&
		python3 -c 'import json, sys; sys.exit(not json.load(sys.stdin)[-1]["as_of_unix_ns"])' <"$MNT/waits.json"
}

# labels PROFILE: one line for the labels of each stack in it.
labels() { "$GO" tool pprof -raw "$MNT/pprof/$1" 2>"$T/pprof.err" | grep ':\['; }

for release in 1.18 1.27; do
	start_parked "$release" stripped
	mount_demo
	cat "$MNT/stacks" >"$T/before" || fail "cannot read"
	cat "$MNT/waits" >"$T/waits" || fail "Go $release: what they wait on"
	labels goroutine >"$T/labels"
	grep -q 'request:\[/job/7\].*user:\[one "two"' "$T/labels" || fail "Go $release: no labels: $(cat "$T/labels" "$T/pprof.err")"
	expect "Go $release: many labels" "$(grep -c ' a:\[1\] .* i:\[9\] .* l:\[' "$T/labels")" 2
	# The same as folders; nothing that nobody carries.
	expect "Go $release: by-label" "$(ls -I 'COUNTS*' "$MNT/by-label" | tr '\n' ' ')" "a b c d e f g h i j k l request user "
	expect "Go $release: who has it" "$(ls "$MNT/by-label/request/%2Fjob%2F7" | wc -l)" 2
	expect "Go $release: an empty value" "$(ls "$MNT/by-label/k"; ls "$MNT/by-label/k/%empty" | wc -l)" "$(printf '%%empty\n2')"
	expect "Go $release: how many have that" "$(grep -P '^k\t' "$MNT/by-label/COUNTS")" "$(printf 'k\t%%empty\t2')"
	grep -q '"k","value":"","goroutines":2\|"k","",2' "$MNT/by-label/COUNTS.json" || fail "Go $release: $(cat "$MNT/by-label/COUNTS.json")"
	for link in "$MNT"/by-label/request/%2Fjob%2F7/*; do
		[ "$(stat -L -c %i "$link")" = "$(stat -c %i "$MNT/goroutines/${link##*/}")" ] || fail "Go $release: $link leads to $(readlink "$link")"
	done
	[ ! -e "$MNT/by-label/request/7" ] && [ ! -e "$MNT/by-label/job" ] && [ ! -e "$MNT/by-label/request/%2Fjob%2F7/1" ] ||
		fail "Go $release: there are labels that nobody has"
	labels offcpu | grep -q 'request:\[/job/7\]' || fail "Go $release: no labels in offcpu"
	die
	wait_for 5 heap_is_stats || fail "Go $release: the heap after its end: $(cat "$MNT/heap" 2>&1)"
	read_then() { [ "$(sed -n 's/^read_unix_ns //p' "$MNT/heap")" = "$(sed -n 's/^runtime_as_of_unix_ns //p' "$MNT/stats")" ]; }
	wait_for 5 read_then || fail "Go $release: when it was read: $(grep _unix_ns "$MNT/heap" "$MNT/stats")"
	wait_for 5 waits_are_kept || fail "Go $release: $(tail -n 1 "$MNT/waits" "$MNT/sched/procs" 2>&1)"
	diff "$T/waits" <(head -n -1 "$MNT/waits") >&2 || fail "Go $release: what they wait on after its end"
	# The same text as before, behind a line that says of when it is.
	cat "$MNT/stacks" >"$T/after" || fail "Go $release: no stacks after its end"
	head -n 1 "$T/after" | grep -qE '^\.\.\. as of 20[0-9-]*T[0-9:.]*Z, [0-9.]* s before the program ended$' ||
		fail "Go $release: of when are they? $(head -n 1 "$T/after")"
	# A minute may have passed since.
	timeless() { sed -E '/^goroutine [0-9]+ \[/s/, [0-9]+ minutes//' "$@"; }
	diff <(timeless "$T/before") <(tail -n +3 "$T/after" | timeless) >&2 || fail "Go $release: other stacks than the last"
	"$tool" <"$T/after" >"$T/parsed" || fail "no parse"
	"$tool" <"$T/before" >"$T/parsed_before"
	python3 - "$T/parsed_before" "$T/parsed" <<'PY' || fail "Go $release: parsers do not read it"
import json, sys
before, after = (json.load(open(path)) for path in sys.argv[1:])
assert all(before[name]["frames"] == after[name]["frames"] for name in before), (before, after)
PY
	wait_for 5 grep -q "^goroutine 1 \[" "$MNT/goroutines/1/stack" || fail "Go $release: goroutines/1/stack: $(cat "$MNT/goroutines/1/stack" 2>&1)"
	head -n 1 "$MNT/goroutines/1/stack" | grep -q "as of" || fail "Go $release: of when is goroutines/1/stack?"
	labels goroutine >"$T/labels_after"; diff "$T/labels" "$T/labels_after" >&2 || fail "Go $release: the profile after its end"
	"$GO" tool pprof -comments "$MNT/pprof/goroutine" 2>/dev/null | grep -q "as of 20" || fail "of when is the profile?"
	stop_xgotopfs
done

# Nobody had asked: they were read by themselves, soon after the start.
for soon in 3 10 30; do # the first but on a busy machine
	start_parked 1.27 stripped
	mount_demo
	began=$SECONDS
	rested() { [ "$SECONDS" -gt $((began + soon)) ]; }
	wait_for "$soon" rested
	die
	has_kept && waits_are_kept && break
	echo "nothing was kept after $soon s: $(cat "$MNT/stacks" 2>&1)" >&2
	stop_xgotopfs
done
[ -n "$XPID" ] || fail "nothing was kept"
stop_xgotopfs
