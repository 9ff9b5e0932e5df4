#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium on two demo servers traced with -b: the person chooses which one is shown,
# the address keeps it, the paths in the mount are those of the chosen one, and one that has ended stays
# as it was.
# timeout: 180
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need curl
need_browser
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
cp "$DEMO_BINARY" "$T/demo" # its own, so that no other case's server is traced, too
start_demo "$T/demo"
FIRST=$DEMO
start_demo "$T/demo"
for _ in 1 2 3; do curl -fs "$URL/leak" >/dev/null || fail "the demo does not answer"; done
start_xgotopfs -b "$T/demo" -web -web-port 0 -storage-dir "$T/sessions" "$MNT"
wait_ready
wait_web
SHOTS=${SHOTS:-$T/shots}
mkdir -p "$SHOTS"
(cd "$T/ui" && timeout $((120 * SLACK)) node processes.mjs "$WEB" "$SHOTS" "$MNT" "$FIRST" "$DEMO") || fail "the UI does not do as it should"
stop_xgotopfs
unharmed "$FIRST"
