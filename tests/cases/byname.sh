#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -b: every process of a binary, those there already and those to come, and no other.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl
cp "$(demo_binary "" stripped)" "$T/server" || fail "the demo does not build"
cp "$T/server" "$T/other"
cd "$T" || exit 1

# serve NAME PROGRAM: sets PID_NAME and URL_NAME.
serve() {
	fresh "$T/$1.out"
	"$2" -listen 127.0.0.1:0 >"$T/$1.out" 2>&1 &
	local pid=$!
	on_exit "end $pid"
	wait_for 20 grep -q listening "$T/$1.out" || fail "$1 does not start"
	printf -v "PID_$1" %s "$pid"
	printf -v "URL_$1" %s "$(cut -d' ' -f2 "$T/$1.out")"
}

serve first ./server
serve alien ./other
start_xgotopfs -b ./server "$MNT"
wait_ready
expect "processes at the start" "$(ls "$MNT/processes")" "$PID_first"
expect "a goroutine from before" "$(sed -n 's/^start_function //p' "$MNT/processes/$PID_first/goroutines/1/status")" runtime.main
serve second ./server
for url in "$URL_first" "$URL_second" "$URL_alien"; do curl -fs "$url/spawn?n=50" >/dev/null || fail "$url"; done

created() {
	[ "$(grep -c "newgoroutine .*func=main.fill .*pid=$1" "$MNT/events")" = 50 ]
}
wait_for 10 created "$PID_first" || fail "not all of the first's: $(grep -c main.fill "$MNT/events")"
wait_for 10 created "$PID_second" || fail "not all of the second's: $(grep -c main.fill "$MNT/events")"
expect "processes" "$(ls "$MNT/processes" | sort -n | tr '\n' ' ')" \
	"$(printf '%s\n' "$PID_first" "$PID_second" | sort -n | tr '\n' ' ')"
expect "the other binary's events" "$(grep -c "pid=$PID_alien" "$MNT/events")" 0
# Each its own goroutines: the second was seen from its first goroutine on.
wait_for 5 grep -q "newgoroutine child=1 .*pid=$PID_second" "$MNT/events" || fail "the second was not seen from its start"
expect "the second's events are its own" \
	"$(grep -c "main.fill" "$MNT/processes/$PID_second/events")" \
	"$(grep "main.fill" "$MNT/events" | grep -c "pid=$PID_second")"

# One ends: its part freezes, the rest goes on.
kill -KILL "$PID_second"
wait "$PID_second" 2>/dev/null
frozen() { grep -q "^state exited" "$MNT/processes/$PID_second/stats"; }
wait_for 10 frozen || fail "the second's end was not noticed"
curl -fs "$URL_first/spawn?n=7" >/dev/null
more() { [ "$(grep -c "newgoroutine .*func=main.fill .*pid=$PID_first" "$MNT/events")" = 57 ]; }
wait_for 10 more || fail "the first is no longer followed"
stop_xgotopfs INT
unharmed "$PID_first"
unharmed "$PID_alien"

# Without a process it waits for one, and every file says so.
cp ./server ./later
start_xgotopfs -b ./later -web -web-port 0 -storage-dir "$T/sessions" "$MNT"
wait_web
waiting="waiting: no process has been seen yet"
for f in stats top summary goroutines.tsv; do expect "$f" "$(cat "$MNT/$f")" "$waiting"; done
expect "health" "$(sed -n 's/^verdict //p' "$MNT/health")" "$waiting"
for f in health stats top summary goroutines; do
	python3 -c 'import json, sys; assert json.load(sys.stdin)["waiting"] is True' <"$MNT/$f.json" || fail "$f.json"
	expect "the answer of $f" "$(curl -s -w ' %{http_code}' "$WEB/api/live/$f" | tr -d '\n')" '{"error":"no process yet"} 503'
done
stop_xgotopfs INT

# The lines name the process.
start_xgotopfs -b ./later
wait_ready
serve third ./later
curl -fs "$URL_third/job" >/dev/null
printed() { grep -q "pid=$PID_third" "$T/out"; }
wait_for 10 printed || fail "nothing of the process that came later"
kill "$PID_third"
wait "$PID_third" 2>/dev/null
stop_xgotopfs INT
