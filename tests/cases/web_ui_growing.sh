#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium on a session that is being recorded: it shows what comes. Screenshots go to
# $SHOTS.
# timeout: 180
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_browser
"$XGOTOPFS_BUILD/tests/bench/session_tool" record "$T/sessions" protobuf 1000000 500 3000 >/dev/null &
recorder=$!
on_exit "kill $recorder"
start_web -sessions "$T/sessions" -settings "$T/ui.json"
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
(cd "$T/ui" && node growing.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "the UI does not do as it should"
web_alive
