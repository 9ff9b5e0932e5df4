#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# All that can be done to a tracer at the same time, for some seconds: a busy program, a mount that is
# read everywhere, events followed, control files and the API changing rates and pausing, WebSocket
# clients, a recording and what reads it. Then it ends as ever. (With ThreadSanitizer this is where races
# show.)
# timeout: 60
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need curl
need_websockets
own_demo "" stripped
SECONDS_LONG=6
start_demo "$DEMO_BINARY"
start_xgotopfs -pid "$DEMO" -web -web-port 0 -storage-dir "$T/sessions" -retain 20000 "$MNT"
wait_ready
wait_web
WEB=${WEB%%\?*} WEB=${WEB%/}
"$DEMO_BINARY" -load "$URL" -rate 100 -c 3 >"$T/load.out" 2>&1 &
LOAD=$!
on_exit "end $LOAD"

end_time=$((SECONDS + SECONDS_LONG))
during() { [ $SECONDS -lt $end_time ]; }
trouble() { echo "$*" >>"$T/trouble"; }

reader() {
	local file
	while during; do
		for file in stats stats.json metrics health health.json stacks goroutines.tsv events events.jsonl \
			by-func by-state/waiting by-wait types goroutines goroutines/1 sessions pprof/goroutine; do
			if [ -d "$MNT/$file" ]; then ls -l "$MNT/$file" >/dev/null 2>&1; else cat "$MNT/$file" >/dev/null 2>&1; fi
		done
		[ -s "$MNT/README" ] || trouble "README is empty"
	done
}
one_by_one() { # goroutines come and go: a file may be gone when it is opened
	while during; do cat "$MNT"/goroutines/*/{status,stats.json,allocations} >/dev/null 2>&1; done
}
commander() {
	local rates
	while during; do
		for rates in newobject:0.1,casgstatus:1 casgstatus:1,newgoroutine:1,goexit:1 \
			casgstatus:1,makeslice:1,makemap:1,newobject:1,newgoroutine:1,goexit:1; do
			echo "$rates" >"$MNT/control/sample" || trouble "control/sample takes no $rates"
		done
		echo 1 >"$MNT/control/pause" || trouble "no pause"
		echo 0 >"$MNT/control/pause" || trouble "no end of the pause"
		echo 50 >"$MNT/control/max_overhead" 2>/dev/null
		curl -s -m $((20 * SLACK)) -o /dev/null -d '{"sample":"casgstatus:1,newobject:0.5","max_overhead":0}' "$WEB/api/control" ||
			trouble "no answer from /api/control"
		curl -s -m $((20 * SLACK)) -o /dev/null -d '{"nanoseconds_per_pixel":1000}' "$WEB/api/config" || trouble "no answer from /api/config"
	done
}
asker() {
	local session path
	session=$(ls "$T/sessions" | grep -m 1 -E '^[0-9a-f-]{36}$')
	while during; do
		for path in info sessions metrics control live/status live/rows live/goroutines live/stats live/stacks \
			live/summary live/flame live/types live/sites 'live/tiles/20/0?goids=1,5-9' live/edges \
			"sessions/$session/events?limit=10" "sessions/$session/goroutines"; do
			curl -s -m $((20 * SLACK)) -o /dev/null "$WEB/api/$path" || trouble "no answer from /api/$path"
		done
	done
}
workers=()
for worker in reader one_by_one commander asker; do
	$worker &
	workers+=($!)
done
tail -s 0.1 -f "$MNT/events" >"$T/followed" 2>/dev/null &
TAIL=$!
on_exit "end $TAIL"
timeout $((50 * SLACK)) "$PYTHON" "$(dirname "$0")/../web/push.py" "$WEB" "$SECONDS_LONG" >"$T/push.out" 2>&1 || trouble "push: $(tail -n 3 "$T/push.out")"
wait "${workers[@]}"
[ ! -e "$T/trouble" ] || fail "$(sort "$T/trouble" | uniq -c)"
wait_for 10 test -s "$T/followed" || fail "nothing was followed"
end "$TAIL"
kill -0 "$LOAD" 2>/dev/null || fail "the client gave up: $(cat "$T/load.out")"
echo casgstatus:1,makeslice:1,makemap:1,newobject:1,newgoroutine:1,goexit:1 >"$MNT/control/sample" || fail "control/sample"
stop_xgotopfs
unharmed "$DEMO"
