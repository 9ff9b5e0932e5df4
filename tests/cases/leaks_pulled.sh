#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# An iter.Pull that nobody can ask again or stop is leaked, and told by the iterator that it runs; so is who waits for one that never yields. Those
# that somebody may still ask are not, also while they are asked all of the time.
# timeout: 300
# beside: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
FINE='fine(Global|Frame|Stop|Sleeper|Known|Busy|Waiter|Defers|Asks|Loop|Starts)'

look() { "$XGOTOPFS" -leaks once -pid "$DEMO" >"$T/leaks" 2>&1; }
key() { sed -n "s/^$1 //p" "$T/leaks"; }
# runs N ITERATOR: so many of its goroutines, in as many groups alike, are one block with what it means.
runs() { grep -A 2 "^group leaked orphan: $1 goroutines in $1 groups alike" "$T/leaks" | grep -B 1 "^  \* .* waits on coroutine .*, which runs main\.$2\$" | grep -q 'iter.Pull that nobody can ask again: its stop was not called'; }
all_told() {
	look
	[ "$(key leaked)" = "$LOST" ] && runs 10 lostAsked && runs 10 lostNeverAsked && runs 10 lostKept &&
		grep -q '^  \* goroutine [0-9]* main\.lostCaller .* waits on coroutine ' "$T/leaks" && grep -q '^  \* goroutine [0-9]* runtime\.corostart .* waits on chan .*, which runs main\.[.a-zA-Z]*lostBody' "$T/leaks"
}
none_accused() { ! grep -E "^  [* ] goroutine .*main\.$FINE" "$T/leaks"; }

for build in 1.23/stripped 1.27/stripped; do
	binary=$("$ROOT/tests/targets/build.sh" "${build%/*}" "${build#*/}" pulled) || fail "no target for Go $build"
	start_target "$binary"
	LOST=$(sed -n 's/^ready //p' "$T/target.out")
	wait_for 60 all_told || fail "Go $build: $(cat "$T/leaks")"
	none_accused || fail "Go $build: accused: $(cat "$T/leaks")"
	echo "Go $build: $(key leaked) of $LOST"
	[ "$build" = 1.27/stripped ] || { kill "$DEMO" && wait_for 10 gone "$DEMO" || fail "the target does not end"; }
done
mount_demo -probes none
# Those of numbers, of who waits in a `next`, and not of who waits for something else meanwhile.
expect "rows of waits" "$(grep -cE '\scoroutine\s.*[0-9]:resume' "$MNT/waits")" 81
problem_told() { grep -q 'leaked: runtime.corostart, coroutine, made at iter\.Pull.*, which runs main\.lost[A-Za-z]*; an iter.Pull that nobody can ask again' "$MNT/problems"; }
wait_for 60 problem_told || fail "problems: $(cat "$MNT/problems")"
stop_xgotopfs
kill "$DEMO" && wait_for 10 gone "$DEMO" || fail "the target does not end"

start_target "$("$ROOT/tests/targets/build.sh" 1.27 stripped pulled)" busy
for _ in 1 2; do
	look
	none_accused || fail "accused while they are asked: $(cat "$T/leaks")"
done
[ "$(key leaked)" -gt 0 ] && [ "$(key leaked)" -le "$LOST" ] || fail "busy: $(cat "$T/leaks")"
echo "busy: $(key leaked) of $LOST"
