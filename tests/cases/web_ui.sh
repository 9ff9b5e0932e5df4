#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web UI in Chromium on a made-up server: rows, following, zoom, search, panel, range, views, a
# recorded session, settings, both widths; and nothing in the console; then
# a server that goes and comes back, every span of one that holds still, by its pixels, and a past that
# was trimmed. Screenshots go to $SHOTS.
# timeout: 900
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_browser
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
"$TOOL" record "$T/sessions" protobuf 20000 700 >/dev/null || fail "no recording"
start_web -sessions "$T/sessions" -settings "$T/ui.json" -loss
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
# What it exports of a range is a session in one file. First of all: later the beginning is no longer kept.
FIRST=$(curl -fs "$URL/api/live/status" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["first_ns"])')
curl -fs -o "$T/range.tar" "$URL/api/live/export?from=$((FIRST + 1000000000))&to=$((FIRST + 3000000000))&view=t%3D1-2" || fail "no export"
expect "files in it" "$(tar -tf "$T/range.tar" | tr '\n' ' ')" "metadata.json events.pb "
"$XGOTOPFS" -convert "$T/range.tar" -to jsonl >"$T/range.jsonl" || fail "the export is not read"
"$PYTHON" - "$T/range.jsonl" "$FIRST" <<'EOF' || fail "the export has other events than those of the range"
import json, sys
times = [json.loads(line)["timestamp"] - int(sys.argv[2]) for line in open(sys.argv[1])]
assert len(times) > 1000 and min(times) >= 1e9 and max(times) < 3e9, (len(times), min(times), max(times))
EOF
fresh "$T/log" "$T/replay.out"
"$XGOTOPFS" -replay "$T/range.tar" -speed 0 -web -web-port 0 -storage-dir "$T/none" >"$T/replay.out" 2>"$T/log" &
REPLAY=$!
on_exit "end $REPLAY"
wait_for 20 grep -q "web UI: .*#t=1-2" "$T/log" || fail "the replay does not say what is to be seen: $(cat "$T/log")"
kill -TERM "$REPLAY"
wait "$REPLAY"
(cd "$T/ui" && node ui.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "the UI does not do as it should"
(cd "$T/ui" && node answers.mjs "$URL/" ${SHOTS:+"$SHOTS"}) || fail "the UI does not answer as it should"
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
