#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A session of a real program that is being recorded: each request of the web server's shows what was
# written until then, none of them waits for all to be read again; and after its end, all of it.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need curl
own_demo "" stripped
start_demo "$DEMO_BINARY"
"$DEMO_BINARY" -load "$URL" -rate 40 -c 2 >"$T/load.out" 2>&1 &
LOAD=$!
on_exit "end $LOAD"
mount_demo -web -web-port 0 -storage-dir "$T/sessions"
wait_web
field() { "$PYTHON" -c "import json, sys; d = json.load(sys.stdin); print($1)"; }
status() { curl -fs "$WEB/api/sessions/$SESSION/status"; }
events() { status | field 'sum(d["events"].values()) if d.get("state") == "ready" else 0'; }
SESSION=$(curl -fs "$WEB/api/info" | field 'd["recording"]["session"]')
some() { [ "$(events)" -gt 0 ]; }
wait_for "$PATIENCE" some || fail "nothing comes: $(status)"
more() { [ "$(events)" -gt "$seen" ]; }
for _ in 1 2 3 4 5; do
	seen=$(events)
	wait_for "$PATIENCE" more || fail "it stays at $seen events: $(status)"
done
expect "one session is open" "$(curl -fs "$WEB/api/info" | field '(d["sessions_open"], d["sessions_bytes"] > 0)')" "(1, True)"
# It is about the process that runs. (While what came is being read, the answer is that it is.)
process() { status | field '" ".join(str(d["processes"][0][k]) for k in ("pid", "state")) if d["state"] == "ready" else "not yet"'; }
told() { PROCESS=$(process) && [ "$PROCESS" != "not yet" ]; }
wait_for "$PATIENCE" told || fail "no process: $(status)"
expect "its process" "$PROCESS" "$DEMO running"
# The target ends, the recording with it: all of it is there.
end "$LOAD"
kill "$DEMO"
whole() {
	local recorded
	recorded=$(curl -fs "$WEB/api/sessions/$SESSION" | field 'd["event_count"] if d["state"] == "done" else -1')
	[ "$recorded" -gt 0 ] && [ "$(events)" = "$recorded" ]
}
wait_for "$PATIENCE" whole || fail "not all of it: $(curl -fs "$WEB/api/sessions/$SESSION"; status)"
wait_for "$PATIENCE" told || fail "no process: $(status)"
expect "its process" "$PROCESS" "$DEMO exited"
stop_xgotopfs
