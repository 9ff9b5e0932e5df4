#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A client written from the original's documentation works with our server.
# timeout: 120
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need curl
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
[ -x "$TOOL" ] || fail "$TOOL is not built"
"$TOOL" record "$T/sessions" protobuf 3000 500 >/dev/null || fail "no recording"
"$TOOL" record "$T/sessions" jsonl 2000 100 >/dev/null || fail "no recording"
start_web -second -sessions "$T/sessions" -settings "$T/ui.json"
"$PYTHON" "$(dirname "$0")/../web/api.py" "$URL" || fail "the client found something"
web_alive
# The settings outlive the server.
end "$WEB_PID"
wait_for 10 gone "$WEB_PID" || fail "it does not end"
start_web -settings "$T/ui.json"
expect "kept colour" "$(curl -s "$URL/api/config" | grep -o '"4":"#[0-9a-f]*"')" '"4":"#123456"'
