#!/bin/bash
# Requests made to do harm: every argument of every route with numbers past 64 bits, ranges without an end,
# NULs and no UTF-8; bodies of which a part is bad. Each is answered, and changes nothing.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need curl
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
HOSTILE=$ROOT/tests/web/hostile.py
"$TOOL" record "$T/sessions" protobuf 3000 500 >/dev/null || fail "no recording"
ID=$(ls "$T/sessions")

# What ended the process.
start_web -frozen -second -control -history 2 -sessions "$T/sessions" -settings "$T/ui.json"
for goids in 18446744073709551615 0-18446744073709551615 18446744073709551614-18446744073709551615; do
	curl -s -m 10 -o /dev/null "$URL/api/live/tiles/20/0?goids=$goids"
	web_alive
done
"$PYTHON" "$HOSTILE" "$URL" "$ROOT/web/routes.c" "$ROOT/docs/api.md" "$ID" || { web_alive; cat "$T/web.log"; fail "a request did harm"; }
web_alive
grep -i 'not in the table' "$T/web.log" && fail "a handler looks at an argument that its route does not name"
end "$WEB_PID"
wait_for 10 gone "$WEB_PID" || fail "it does not end"

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
