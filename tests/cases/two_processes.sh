#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Two processes of one binary, side by side: -pid sees one only, -b both and keeps them apart, two
# tracers on the two do not disturb each other. Held against what each says it did.
# timeout: 240
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
cp "$(target local stripped workload)" "$T/workload" || fail "no workload"

# begin N: starts workload N, which waits; sets PID_N.
begin() {
	mkfifo "$T/in$1"
	fresh "$T/said$1" "$T/err$1"
	"$T/workload" <"$T/in$1" >"$T/said$1" 2>"$T/err$1" &
	printf -v "PID_$1" %s $!
	on_exit "end $!"
	exec {in}>"$T/in$1"
	printf -v "IN_$1" %s "$in"
	wait_for 20 grep -q ready "$T/said$1" || fail "workload $1 does not start: $(cat "$T/err$1")"
}
go_on() { local in=IN_$1; echo >&"${!in}"; }
done_with() { wait_for 60 grep -q go_version "$T/said$1" || fail "workload $1: $(cat "$T/err$1")"; }
# finish N: it ends, its truth is in $T/truthN.
finish() {
	local in=IN_$1 pid=PID_$1
	echo >&"${!in}"
	exec {in}>&-
	wait "${!pid}" || fail "workload $1 failed: $(cat "$T/err$1")"
	sed -n '/^{/p' "$T/said$1" >"$T/truth$1"
}
# trace NAME ARG...: a tracer in the background, its session in $T/NAME; sets TRACER_NAME.
trace() {
	local name=$1
	shift
	fresh "$T/xout" "$T/log-$name"
	"$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$T/$name" "$@" >"$T/xout" 2>"$T/log-$name" &
	printf -v "TRACER_$name" %s $!
	on_exit "end $!"
	wait_for "$PATIENCE" grep -q "Ctrl-C ends" "$T/log-$name" || fail "$name: $(cat "$T/log-$name")"
}
stop_trace() {
	local pid=TRACER_$1
	kill -INT "${!pid}" 2>/dev/null
	wait "${!pid}" || fail "tracer $1: status $?: $(cat "$T/log-$1")"
	LOST=$(lost_of "$T/log-$1")
}
minor=$(minor_of local "$T/workload")
exactly() { # TRUTH EVENTS LOST
	python3 "$ROOT/tests/exact.py" "$1" "$2" --go "$minor" --lost "$3" >"$T/found" || fail "$2: $(cat "$T/found")"
}

# -pid: the other one runs too, and leaves nothing.
begin 1
begin 2
trace pid -pid "$PID_1"
go_on 2
go_on 1
done_with 1
done_with 2
finish 2
finish 1
stop_trace pid
exactly "$T/truth1" "$T"/pid/*/events.jsonl "$LOST"

# Two tracers, each with one of them: the second comes while the first is attached, and goes first.
begin 3
begin 4
trace first -pid "$PID_3"
trace second -pid "$PID_4"
go_on 3
go_on 4
done_with 3
done_with 4
finish 4
stop_trace second
exactly "$T/truth4" "$T"/second/*/events.jsonl "$LOST"
finish 3
stop_trace first
exactly "$T/truth3" "$T"/first/*/events.jsonl "$LOST"

# -b: both in one session, told apart by pid; goids are the same in both.
begin 5
trace both -b "$T/workload"
begin 6
go_on 5
go_on 6
done_with 5
done_with 6
finish 5
finish 6
stop_trace both
expect "lost" "$LOST" 0
python3 - "$T"/both/*/events.jsonl "$PID_5" "$T/events5" "$PID_6" "$T/events6" <<'PY' || fail "events without a process"
import json, sys
path, *pairs = sys.argv[1:]
files = {int(pairs[i]): open(pairs[i + 1], "w") for i in (0, 2)}
first = int(pairs[0])
with open(path) as f:
    for line in f:
        files[json.loads(line).get("pid", first)].write(line)
PY
exactly "$T/truth5" "$T/events5" 0
exactly "$T/truth6" "$T/events6" 0
