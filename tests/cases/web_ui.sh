#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium on a made-up server: rows, following, zoom, search, panel, range, views, a
# recorded session, settings, both widths; and nothing in the console; then
# a server that goes and comes back, every span of one that holds still, by its pixels, and a past that
# was trimmed. Screenshots go to $SHOTS.
# timeout: 300
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_browser
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
"$TOOL" record "$T/sessions" protobuf 20000 700 >/dev/null || fail "no recording"
start_web -sessions "$T/sessions" -settings "$T/ui.json" -loss
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
(cd "$T/ui" && node ui.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "the UI does not do as it should"
web_alive
(cd "$T/ui" && node gone.mjs "$WEB_DEMO" ${SHOTS:+"$SHOTS"}) || fail "the UI does not say that the server is gone"
# The first server ends as the next one starts.
start_web -frozen -goroutines 30 -rate 300 -history 10 -settings "$T/ui.json"
(cd "$T/ui" && node pixels.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "a span is not seen"
web_alive
# More than is kept.
start_web -frozen -goroutines 30 -rate 20000 -history 60 -settings "$T/ui.json"
(cd "$T/ui" && node trimmed.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "a past that was trimmed looks whole"
web_alive
