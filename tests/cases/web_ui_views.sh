#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium on a made-up server with two processes and two sessions: choosing a process,
# the flame graph, latency over time, comparing, who waits for whom, the selected time by several keys, names of any kind, two tabs, paper; both widths; and nothing in the console. Screenshots
# go to $SHOTS.
# timeout: 600
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_browser
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
"$TOOL" record "$T/sessions" protobuf 20000 700 >/dev/null || fail "no recording"
"$TOOL" record "$T/sessions" jsonl 5000 200 >/dev/null || fail "no recording"
start_web -second -control -sessions "$T/sessions" -settings "$T/ui.json"
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
(cd "$T/ui" && node leaks.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "the graph of leaks does not do as it should"
(cd "$T/ui" && node range.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "the selected time is not told as it should"
(cd "$T/ui" && node hard.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "what is rare breaks the UI"
(cd "$T/ui" && node views.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "the UI does not do as it should"
web_alive
