#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Takes the README's picture: the web UI on the demo server under load, in Chromium. Needs root.
# Usage: [XGOTOPFS_BUILD=build] tests/picture.sh [FILE]      FILE: docs/ui.png unless given
FILE=$(realpath -m "${1:-$(dirname "$0")/../docs/ui.png}")
cd "$(dirname "$0")/.." || exit
. tests/lib.sh
. tests/app_lib.sh
. tests/web_lib.sh
need_tracing
need curl
need_browser
DEMO_BINARY=$T/demo # its own: the picture shows its name
cp "$(demo_binary)" "$DEMO_BINARY" || fail "the demo does not build"
start_demo "$DEMO_BINARY"
for _ in 1 2 3; do curl -fs "$URL/leak" >/dev/null || fail "the demo does not answer"; done
"$DEMO_BINARY" -load "$URL" -rate 150 -c 6 >"$T/load.out" 2>&1 &
on_exit "end $!"
mount_demo -web -web-port 0 -storage-dir "$T/sessions"
wait_web
(cd "$T/ui" && timeout 100 node picture.mjs "$WEB" "$FILE") || fail "no picture"
stop_xgotopfs
[ "$(stat -c %s "$FILE")" -le 200000 ] || fail "$FILE is too large for a README"
echo "$FILE"
