#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium for who has no pointer or cannot see it, at every width, and behind a proxy with a path of its own. Screenshots go to $SHOTS.
# timeout: 900
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_browser
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
"$TOOL" record "$T/sessions" protobuf 20000 700 >/dev/null || fail "no recording"
"$TOOL" record "$T/sessions" jsonl 5000 200 >/dev/null || fail "no recording"
start_web -second -control -sessions "$T/sessions" -settings "$T/ui.json"
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
(cd "$T/ui" && node reach.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "not all can be reached"
web_alive
