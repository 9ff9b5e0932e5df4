#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A budget where it is hard to keep: one of next to nothing, controls that are written to all the while, twenty
# processes, a program that executes itself in and between windows. What was not seen is told as the program counts it,
# and once the bound is lifted every event is seen.
# timeout: 240
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
key() { sed -n "s/^$1 //p" "${2:-$MNT}/stats"; }
COUNTED=$("$ROOT/tests/targets/build.sh" "${XGOTOPFS_BUDGET_RELEASE:-1.25}" plain counted) || fail "it does not build"
agrees() { grep -q '^audit agrees' "$MNT/health"; }

# exactly N: so many goroutines are begun and ended, and each is seen, and besides only the few that the runtime begins
# for its first garbage collections.
exactly() {
	local began ended answers
	began=$(key events_newgoroutine) ended=$(key events_goexit) answers=$(wc -l <"$T/target.out")
	echo "${2:-short} $1" >&8
	answered() { [ "$(wc -l <"$T/target.out")" -gt "$answers" ]; }
	wait_for 30 answered || fail "the program does not go on: $(tail -n 3 "$T/target.out")"
	few() { [ "$1" -ge "$2" ] && [ "$1" -le $(($2 + 8)) ]; }
	seen() { few $(($(key events_newgoroutine) - began)) "$1" && few $(($(key events_goexit) - ended)) "$1"; }
	wait_for 10 seen "$1" || fail "began $(($(key events_newgoroutine) - began)), ended $(($(key events_goexit) - ended)) of $1"
	expect "lost" "$(key lost_total)" 0
}

# --- next to nothing: a single window, and the runtime's numbers ---
start_target "$COUNTED"
mount_demo -s -max-overhead 0.01
for _ in $(seq 100); do echo "short 1000" >&8 && sleep 0.02; done
echo count >&8
wait_for 30 grep -q '^count' "$T/target.out" || fail "it does not come to an end"
told() { local all=$(($(key events_newgoroutine) + $(key estimated_unseen_newgoroutine) - 100000)); [ "${all#-}" -le $((100 + $(key estimated_unseen_error_newgoroutine))) ]; }
wait_for 10 told || fail "of 100000 goroutines: $(grep -E '^(budget|events_newg|estimated.*newg)' "$MNT/stats")"

# --- the controls, by whoever likes ---
storm() { # FILE VALUE...
	local end=$((SECONDS + 8)) file=$MNT/control/$1
	shift
	while [ $SECONDS -lt $end ]; do
		local values=("$@")
		echo "${values[RANDOM % $#]}" 2>/dev/null >"$file"
	done
}
storm probes full light demand none full &
storms=($!)
storm max_overhead 0 0.01 3 99 0.0001 100 &
storms+=($!)
storm sample casgstatus:1 newobject:0.1 goroutines:0.2 casgstatus:1,newgoroutine:1,goexit:1 newgoroutine:1,goexit:1 &
storms+=($!)
for _ in $(seq 100); do echo "short 500" >&8 && sleep 0.05; done
wait "${storms[@]}"
echo 0 >"$MNT/control/max_overhead" && echo full >"$MNT/control/probes" &&
	echo casgstatus:1,newgoroutine:1,goexit:1,newobject:1,makeslice:1,makemap:1,goroutines:1 >"$MNT/control/sample" || fail "controls are refused: $(tail -n 3 "$LOG")"
wait_for 20 agrees || fail "after a storm: $(grep -E '^(audit|warning)' "$MNT/health")"
exactly 20000
stop_xgotopfs
unharmed "$DEMO"
exec 8>&-
end "$DEMO"

# --- it executes itself ---
EXECS=$("$ROOT/tests/targets/build.sh" "${XGOTOPFS_BUDGET_RELEASE:-1.25}" plain execs) || fail "it does not build"
start_target "$EXECS"
mount_demo -s -max-overhead 1
for i in $(seq 15); do
	case $((i % 3)) in
	0) echo "exec $EXECS" ;;
	1) echo "thread-exec $EXECS" ;;
	2) echo "exec $EXECS chain 3" ;;
	esac >&8
	echo "busy 50" >&8
	echo "work 2000" >&8
	sleep "0.$((i % 5))"
done
echo count >&8
wait_for 60 grep -q '^goroutines' "$T/target.out" || fail "it does not come to an end: $(tail -n 3 "$T/target.out")"
echo 0 >"$MNT/control/max_overhead" || fail "the bound cannot be lifted"
wait_for 20 agrees || fail "after execs in windows: $(grep -E '^(audit|warning)' "$MNT/health") $(tail -n 3 "$LOG")"
exactly 5000 work
stop_xgotopfs
unharmed "$DEMO"
exec 8>&-
end "$DEMO"

# --- twenty processes ---
cp "$COUNTED" "$T/counted"
start_xgotopfs -s -b "$T/counted" -max-overhead 3 "$MNT"
wait_ready
for i in $(seq 20); do
	mkfifo "$T/in.$i"
	fresh "$T/out.$i"
	"$T/counted" <"$T/in.$i" >"$T/out.$i" &
	pids[i]=$!
	on_exit "end ${pids[i]}"
	exec {fds[i]}>"$T/in.$i"
done
followed() { [ "$(ls "$MNT/processes" | wc -l)" -ge 20 ]; }
wait_for 20 followed || fail "followed: $(ls "$MNT/processes")"
for _ in $(seq 15); do
	for i in $(seq 20); do echo "short 300" >&"${fds[i]}"; done
	sleep 0.2
done
echo 0 >"$MNT/control/max_overhead" || fail "the bound cannot be lifted"
wait_for 20 agrees || fail "of twenty: $(grep -E '^(audit|warning)' "$MNT/health")"
for i in $(seq 20); do
	echo count >&"${fds[i]}"
	wait_for 30 grep -q '^count' "$T/out.$i" || fail "process $i does not go on"
	before[i]=$(key events_newgoroutine "$MNT/processes/${pids[i]}")
	echo "more $i" >&"${fds[i]}"
done
for i in $(seq 20); do
	each() { [ $(($(key events_newgoroutine "$MNT/processes/${pids[i]}") - before[i])) = "$i" ]; }
	wait_for 20 each || fail "process $i: began $(($(key events_newgoroutine "$MNT/processes/${pids[i]}") - before[i])) of $i"
	expect "those of process $i that wait" "$(ls "$MNT/processes/${pids[i]}/by-func/main.waits" | grep -c '^[0-9]')" "$i"
done
stop_xgotopfs
for i in $(seq 20); do unharmed "${pids[i]}"; done
