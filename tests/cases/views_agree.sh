#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every view that there is, in each of its forms: the mount and REST show the same. Of a program under
# load, what REST says is bounded by what the mount says before and after; of a replay that has come to its
# end they are the same byte for byte; of a recorded session that the web server reads for itself, too, but for
# what they say of themselves.
# timeout: 600
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3
"$XGOTOPFS_BUILD/tests/targets/view_table" >"$T/views" || fail "no table of views"
agree() { python3 "$ROOT/tests/views_agree.py" "$T/views" "$@" >"$T/found" || fail "$*: $(cat "$T/found")"; }

# --- live ---
private_demo
mkdir "$T/sessions"
start_xgotopfs -pid "$DEMO" -s -retain-exited 100 -web -web-port 0 -storage-dir "$T/sessions" "$MNT"
wait_ready
wait_web
"$DEMO_BINARY" -load "$URL" -rate $((SLACK > 4 ? 60 : 300)) -c 4 >"$T/load" 2>&1 &
LOAD=$!
on_exit "end $LOAD"
busy() { [ "$(sed -n 's/^events_total //p' "$MNT/stats")" -gt 1000 ]; }
wait_for 20 busy || fail "no load: $(cat "$T/load")"
agree "$MNT" "$WEB" "api/live?proc=0" under-load
kill -0 "$LOAD" || fail "the load ended before: $(cat "$T/load")"
session=$(ls "$MNT/sessions" | head -n 1)
end "$LOAD"
stop_xgotopfs

# --- replayed, and read by the web server ---
start_xgotopfs -replay "$session" -storage-dir "$T/sessions" -speed 0 -s -retain-exited 200000 -web -web-port 0 "$MNT"
wait_ready
wait_web
at_end() { grep -q '^state done' "$MNT/control/replay"; }
wait_for 60 at_end || fail "the replay does not end: $(cat "$MNT/control/replay")"
agree "$MNT" "$WEB" "api/live?proc=0"
agree "$MNT/processes/$DEMO" "$WEB" "api/live?proc=0"
read_whole() { curl -fs "$WEB/api/sessions/$session/status" | grep -q '"state":"ready"'; }
wait_for 60 read_whole || fail "the session is not read: $(curl -s "$WEB/api/sessions/$session/status")"
agree "$MNT" "$WEB" "api/sessions/$session"
# What a file has no arguments for: what is replayed and what is read say the same, some rows of some pages.
for query in range_by?by={reason,function,waker,waker_function,site,caller} "range_by?by=waker&offset=3&limit=5" "range_by?filter=was:network,chan*" \
	"flame?by=alloc&format=folded&weight=bytes" flame?by=cpu; do
	url="$WEB/api/live/$query&proc=0"
	curl -fs "$url" >"$T/replayed" || fail "$query of what is replayed: $(curl -s "$url")"
	curl -fs "$WEB/api/sessions/$session/$query" >"$T/read" || fail "$query of what is read: $(curl -s "$WEB/api/sessions/$session/$query")"
	cmp "$T/replayed" "$T/read" || fail "$query: what is replayed and what is read differ"
done
stop_xgotopfs
