#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A deadlock over a lock and a channel, a WaitGroup or a Cond is told as a cycle, with the evidence for both steps, in reach or not, whatever the
# one at the channel's other end would do there; what only looks like one is not. problems tells it of a convoy.
# timeout: 240
# beside: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing

declare -A pids
end_all() {
	local way
	for way in "${!pids[@]}"; do
		kill -KILL "${pids[$way]}"
		wait "${pids[$way]}" 2>/dev/null
	done
	pids=()
}
on_exit end_all

# start WAY...: all at once, as they rest.
start() {
	local way
	for way; do
		fresh "$T/$way"
		"$binary" "$way" >"$T/$way" &
		pids[$way]=$!
	done
	for way; do wait_for 30 grep -qs '^ready' "$T/$way" || fail "mixed $way does not start: $(cat "$T/$way")"; done
}

who() { sed -n "s/^$2 //p" "$T/$1"; }
look() { "$XGOTOPFS" -leaks once -pid "${pids[$1]}" >"$T/$1.leaks" 2>&1; }

# cycle WAY NUMBER: a cycle of so many, and who waits for whom.
cycle() {
	look "$1"
	[ "$(grep -c '^group [a-z]* cycle:' "$T/$1.leaks")" = 1 ] && [ "$(grep -c '^  \* goroutine' "$T/$1.leaks")" = "$2" ] &&
		grep -A 1 "^  \* goroutine $(who "$1" lock) .* waits on \(chan\|WaitGroup\|Cond\) " "$T/$1.leaks" |
		grep -qE " possible (other end|holder) $(who "$1" end): (has a pointer (to|into) .* whose code has a (chan receive|chan send|select|close|sync\.\(\*WaitGroup\)\.Done|sync\.\(\*Cond\)\.Broadcast)|defers sync\.\(\*WaitGroup\)\.Done in .*); it waits for who waits here" &&
		grep -qE " (likely|possible) holder $(who "$1" lock): " "$T/$1.leaks"
}
no_group() { look "$1" && ! grep -q '^group' "$T/$1.leaks"; }

told() { grep '^critical convoy: .* at main\.(\*hub)\.ask ' "$MNT/problems" | grep -q "; possibly a deadlock: that is for G$(who global end) to end, which has a pointer "; }

for build in 1.17/stripped 1.22/plain 1.27/stripped; do
	binary=$("$ROOT/tests/targets/build.sh" "${build%/*}" "${build#*/}" mixed) || fail "no target for Go $build"
	start local field global selects receives closes read chain buffered method group groupdefer cond finepool finesends fineother finehelper fineends
	for way in local field global selects receives closes read buffered method group groupdefer cond; do
		wait_for 30 cycle "$way" 2 || fail "Go $build, $way: $(cat "$T/$way" "$T/$way.leaks")"
	done
	wait_for 30 cycle chain 3 || fail "Go $build, chain: $(cat "$T/chain" "$T/chain.leaks")"
	for way in finepool finesends fineother finehelper fineends; do
		no_group "$way" || fail "Go $build, $way: $(cat "$T/$way" "$T/$way.leaks")"
	done
	echo "Go $build: each of them"
	[ "$build" = 1.27/stripped ] || end_all
done

DEMO=${pids[global]}
mount_demo -probes none
wait_for 30 told || fail "problems: $(cat "$MNT/problems")"
# A step of it is possible, so all of it is.
wait_for 60 grep -q '2 possibly in a deadlock: ' "$MNT/problems" || fail "problems: $(cat "$MNT/problems")"
stop_xgotopfs
