#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every span of a recorded session by its pixels, to its last moment, at each width and zoom; it is some
# milliseconds long, so that what is alone is finer than the stored levels. Screenshots go to $SHOTS.
# timeout: 180
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_browser
ID=$("$XGOTOPFS_BUILD/tests/bench/session_tool" record "$T/sessions" protobuf 20000 700) || fail "no recording"
start_web -sessions "$T/sessions" -settings "$T/ui.json"
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
(cd "$T/ui" && node pixels.mjs "$URL/#source=$ID" ${SHOTS:+"$SHOTS"}) || fail "a span is not seen"
web_alive
