#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The UI and big sources: see web_ui.mjs. A session of 10 million events and 10,000 goroutines, one of as many
# events and 500,000 goroutines, 10,000 live ones, and 500,000 live ones with 10 million events. Needs Chromium and a build with the UI.
# Usage: web_ui.sh BUILD-FOLDER        (meson test --benchmark web_ui passes it)
export XGOTOPFS_BUILD=$1
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_browser
cp "$(dirname "$0")/web_ui.mjs" "$T/ui"
tool=$XGOTOPFS_BUILD/tests/bench/session_tool
long=$("$tool" record "$T/sessions" protobuf 10000000 5000 0 10000) || fail "no session"
many=$("$tool" record "$T/sessions" protobuf 10000000 5000) || fail "no session"
start_web -sessions "$T/sessions" -goroutines 10000 -rate 2000 -history 100
memory() { awk '/^RssAnon/ { printf "the server has %d MiB of its own\n", $2 / 1024 }' "/proc/$WEB_PID/status"; }
cd "$T/ui" || exit 1
memory
node web_ui.mjs "10,000 goroutines, 10 M events" "$URL/#source=$long" || fail "Chromium"
memory
node web_ui.mjs "500,000 goroutines, 10 M events" "$URL/#source=$many" "10,000 live goroutines" "$URL/" || fail "Chromium"
memory
WEB_PATIENCE=300
start_web -goroutines 500000 -rate 100000 -history 100
memory
node web_ui.mjs "500,000 live goroutines" "$URL/" || fail "Chromium"
memory
