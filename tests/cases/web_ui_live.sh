#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium on the demo server under load, traced and mounted: rows with its names,
# following, pausing, search, the panel with its stack and its path in the mount; and nothing in the
# console; then the six questions of docs/ui.md on examples/three-bugs. Screenshots of both themes and widths go to $SHOTS.
# timeout: 460
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need curl
need_browser
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
start_demo "$DEMO_BINARY"
for _ in 1 2 3; do curl -fs "$URL/leak" >/dev/null || fail "the demo does not answer"; done
# Enough to see it work, and little enough to leave a small machine for the browser.
"$DEMO_BINARY" -load "$URL" -rate 40 -c 2 >"$T/load.out" 2>&1 &
LOAD=$!
on_exit "end $LOAD"

mount_demo -web -web-port 0 -storage-dir "$T/sessions" # where its settings are, too
wait_web
SHOTS=${SHOTS:-$T/shots}
mkdir -p "$SHOTS"
(cd "$T/ui" && timeout $((200 * SLACK)) node live.mjs "$WEB" "$SHOTS" "$MNT") || fail "the UI does not do as it should"
for picture in 1280-light 1280-dark 390-light 390-dark; do
	[ -s "$SHOTS/live-$picture.png" ] || fail "no picture $picture"
done
kill -0 "$LOAD" 2>/dev/null || fail "the client gave up: $(cat "$T/load.out")"
stop_xgotopfs
unharmed "$DEMO"
end "$LOAD"
end "$DEMO"

# Three planted bugs: each of the six questions is answered in three steps at most.
start_three_bugs
mount_demo -web -web-port 0 -storage-dir "$T/sessions"
wait_web
(cd "$T/ui" && timeout $((220 * SLACK)) node walk.mjs "$WEB" "$SHOTS") || fail "a question has no answer in three steps"
kill -0 "$LOAD" 2>/dev/null || fail "the load gave up: $(cat "$T/three-bugs.out")"
stop_xgotopfs
unharmed "$DEMO"
