#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium on a real program in which 100,000 goroutines start, and end all at once: the
# legend, the rows, by-state/COUNTS, its folders and REST are of one mind as soon as they have.
# timeout: 240
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need_browser
built "$T/counted" "$ROOT/tests/targets/counted" "$T/counted" || fail "the target does not build"
start_target "$T/counted"
mount_demo -web -web-port 0 -storage-dir "$T/sessions"
wait_web
(cd "$T/ui" && timeout $((200 * SLACK)) node burst.mjs "$WEB" "${SHOTS:-$T}" "$MNT" "$T/target.in" "$T/target.out") || fail "the UI does not do as it should"
stop_xgotopfs
unharmed "$DEMO"
