#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Requests made to do harm: every argument of every route with numbers past 64 bits, ranges without an end,
# NULs and no UTF-8; bodies of which a part is bad. Each is answered, and changes nothing.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need curl
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
HOSTILE=$ROOT/tests/web/hostile.py
"$XGOTOPFS_BUILD/web/web_routes" >"$T/routes" || fail "no list of routes"
"$TOOL" record "$T/sessions" protobuf 3000 500 >/dev/null || fail "no recording"
ID=$(ls "$T/sessions")

# What ended the process.
start_web -frozen -second -control -history 2 -sessions "$T/sessions" -settings "$T/ui.json"
for goids in 18446744073709551615 0-18446744073709551615 18446744073709551614-18446744073709551615; do
	curl -s -m $((10 * SLACK)) -o /dev/null "$URL/api/live/tiles/20/0?goids=$goids"
	web_alive
done
"$PYTHON" "$HOSTILE" "$URL" "$T/routes" "$ROOT/docs/api.md" "$ID" || { web_alive; cat "$T/web.log"; fail "a request did harm"; }
web_alive
grep -i 'not in the table' "$T/web.log" && fail "a handler looks at an argument that its route does not name"
end "$WEB_PID"
wait_for 10 gone "$WEB_PID" || fail "it does not end"

# A recorded session may hold any times: it is shown, and takes the server nowhere. Plain replay and -convert too.
odd=11111111-2222-4333-8444-555555555555
mkdir "$T/odd" "$T/odd/$odd"
echo '{"id":"'$odd'","start_time":"2026-01-02T03:04:05Z","pid":7,"binary_path":"/x","event_count":0}' >"$T/odd/$odd/metadata.json"
for time in 9223372036854775808 1 4611686018427387903 4611686018427387904 18446744073709551615 9223372036854775807 0; do
	echo '{"timestamp":'$time',"event_type":0,"goroutine":1,"parent_goroutine":0,"attributes":[4,1,18446744073709551615,0,0]}'
	echo '{"timestamp":'$time',"event_type":3,"goroutine":18446744073709551615,"parent_goroutine":0,"attributes":[18446744073709551615,25,0,0,0]}'
	echo '{"timestamp":'$time',"event_type":4,"goroutine":1,"parent_goroutine":0,"attributes":[1,18446744073709551615,0,0,0]}'
done >"$T/odd/$odd/events.jsonl"
start_web -frozen -history 1 -sessions "$T/odd"
odd_ready() { curl -s -m $((10 * SLACK)) "$URL/api/sessions/$odd/status" | grep -q '"state":"ready"'; }
wait_for 30 odd_ready || { web_alive; fail "the session of odd times is not ready"; }
for path in events rows goroutines?full=1 goroutines/1 goroutines/1/spans goroutines/18446744073709551615/events sites summary range \
	stays edges types latency flame?by=origin perfetto pprof/offcpu pprof/goroutine pprof/allocs series/44/0?n=4096 latency/20/0 \
	utilisation/44/262143 tiles/14/0?goids=1,18446744073709551615 tiles/13/0?goids=1 tiles/42/16382?goids=1 groups/44/0 \
	"goroutines?full=1&filter=age>1s" health stats; do
	code=$(curl -s -m $((20 * SLACK)) -o "$T/answer" -w '%{http_code}' "$URL/api/sessions/$odd/$path")
	case $code in 200 | 404 | 501) ;; *) web_alive; fail "odd times: $path: $code $(head -c 200 "$T/answer")" ;; esac
done
web_alive
end "$WEB_PID"
timeout $((30 * SLACK)) "$XGOTOPFS" -replay "$T/odd/$odd" -speed 0 >"$T/answer" 2>"$T/log" || fail "replaying odd times: $(cat "$T/log")"
for form in jsonl protobuf perfetto; do
	timeout $((30 * SLACK)) "$XGOTOPFS" -convert "$T/odd/$odd" -to $form -out "$T/$form.out" 2>"$T/log" || fail "converting odd times to $form: $(cat "$T/log")"
done

# One of several that cannot be set after all.
for key in sample max_overhead paused replay sample-late max_overhead-late paused-late; do
	start_web -frozen -control -fail $key -history 1
	"$PYTHON" "$HOSTILE" "$URL" half-way $key || fail "$key failed half-way"
	web_alive
	end "$WEB_PID"
done

# Settings that cannot be written hold, and that they are not kept is said.
mkdir "$T/settings.json"
start_web -frozen -history 1 -settings "$T/settings.json"
curl -s -d '{"nanoseconds_per_pixel":7}' "$URL/api/config" >"$T/answer"
grep -q '"nanoseconds_per_pixel":7,.*"not_kept":"..*settings.json: ' "$T/answer" || fail "not said: $(cat "$T/answer")"
curl -s "$URL/api/config" | grep -q '"nanoseconds_per_pixel":7,' || fail "the setting does not hold"
