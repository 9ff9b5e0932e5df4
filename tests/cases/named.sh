#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 400
# Every event names the goroutine that it is of: held against a program whose goroutines say who they are, in all
# they do: those that are born and die by the thousand, coroutines, threads that end, calls from C, stacks that are
# moved; traced alone and as one of several, in windows, with probes that come and go, with rings that are too small,
# when it executes itself. And an end that is not seen, since somebody took the probe out, is found out and told of.
# NAMED="1.17 …" does it with these releases; NAMED=all with all.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3 nm
CHECK=$ROOT/tests/named_check.py

# program VERSION MODE: sets PROGRAM to a copy of its own.
program() {
	local built
	built=$("$ROOT/tests/targets/build.sh" "$1" "$2" named) || fail "no program for $1 $2"
	PROGRAM=$T/named
	rm -f "$PROGRAM"
	cp "$built" "$PROGRAM"
}
# to_end WHAT: the target ends as it should.
to_end() {
	printf q >&8
	wait_for "$PATIENCE" grep -q '^marks' "$T/target.out" || fail "$1: the program does not end: $(tail -n 3 "$T/target.out")"
}
enough() { [ "$(wc -l <"$T/out")" -gt "$1" ]; }
# right WHAT LEAST [-marks]: what was printed is.
right() {
	python3 "$CHECK" -least "$2" ${3:+"$3"} <"$T/out" >"$T/check" || fail "$1: $(cat "$T/check"); $(tail -n 3 "$LOG")"
	! grep -q "may name" "$LOG" || fail "$1: $(cat "$LOG")"
	echo "$1: $(cat "$T/check")"
}
# Where some was lost, on a machine that has much to do, only the marks are.
missing() { grep -qE " 0 lost$" "$LOG" && ! grep -q "not printed" "$LOG" || echo -marks; }

events() { awk '$1 == "events_total" { print $2 }' "$MNT/stats"; }
more_than() { [ "$(events)" -gt "$1" ]; }

# traced WHAT: from its middle on, and past its end.
traced() {
	start_target "$PROGRAM"
	start_xgotopfs -pid "$DEMO" -retain 4000000
	wait_for "$PATIENCE" enough 300000 || fail "$1: few events: $(cat "$LOG")"
	to_end "$1"
	ended
	right "$1" 10000 "$(missing)"
}

versions=${NAMED:-}
[ "$versions" != all ] || versions="1.17 1.18 1.19 1.20 1.21 1.22 1.23 1.24 1.25 1.26 1.27"
for version in $versions; do
	program "$version" plain
	traced "$version"
	program "$version" cgo-pie-stripped
	traced "$version, with C"
done

program local cgo
traced "with C"

# In windows, with probes that come and go, and with rings that are too small.
start_target "$PROGRAM"
start_xgotopfs -pid "$DEMO" -max-overhead 20 -retain 4000000
wait_for "$PATIENCE" enough 300000 || fail "few events in windows: $(cat "$LOG")"
to_end "windows"
ended
right "windows" 1000 -marks

start_target "$PROGRAM"
mount_demo -s -retain 500000 -ring-size 256K
for level in light full none full light full demand full; do
	n=$(events)
	echo "$level" >"$MNT/control/probes" || fail "$level: $(cat "$LOG")"
	[ "$level" != full ] || wait_for "$PATIENCE" more_than $((n + 30000)) || fail "few events between levels: $(cat "$LOG")"
done
head -n 500000 "$MNT/events" >"$T/out"
stop_xgotopfs
to_end "levels"
right "levels" 1000 -marks

# Several processes of one file, from their first instruction, of which one executes itself now and then.
start_xgotopfs -b "$PROGRAM" -retain 4000000
wait_ready
start_target "$PROGRAM"
mkfifo "$T/other.in"
fresh "$T/other.out"
"$PROGRAM" <"$T/other.in" >"$T/other.out" 2>&1 &
on_exit "end $!"
exec 9>"$T/other.in"
for n in 2 3 4; do
	wait_for "$PATIENCE" enough $((n * 100000)) || fail "few events of two: $(cat "$LOG")"
	echo >&9
	wait_for "$PATIENCE" eval "[ \$(grep -c ready $T/other.out) = $n ]" || fail "it does not execute itself: $(cat "$T/other.out")"
done
printf q >&9
to_end "two processes"
stop_xgotopfs
right "two processes" 10000 "$(missing)"

# Somebody takes the probe out: ends are not seen any more, and that is found out. From then on it is right again.
start_target "$PROGRAM"
mount_demo -s -retain 500000
wait_for "$PATIENCE" more_than 100000 || fail "few events: $(cat "$LOG")"
! grep -q "may name" "$MNT/health" || fail "already: $(cat "$MNT/health")"
python3 "$ROOT/tests/take_probes.py" "$DEMO" runtime.casgstatus >/dev/null || fail "the probe does not come out"
wait_for "$PATIENCE" grep -q "may name" "$MNT/health" || fail "it is not noticed: $(cat "$MNT/health")"
n=$(events)
wait_for "$PATIENCE" more_than $((n + 10000)) || fail "nothing more: $(cat "$LOG")"
head -n 500000 "$MNT/events" >"$T/out"
told=$(awk '$1 == "misnamed_fields" { print $2 }' "$MNT/losses.tsv") # of all that was just read, too
stop_xgotopfs
to_end "a probe taken out"
wrong=$(python3 "$CHECK" -marks <"$T/out" | sed -n 's/.* \([0-9]*\) wrong$/\1/p')
[ "$wrong" -le "$told" ] || fail "$wrong marks are wrong, $told are told of"
echo "a probe taken out: $wrong marks wrong, $told told of"
