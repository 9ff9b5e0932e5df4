#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A big recorded session can be looked at while it is still being read: what is there so far, and only for
# who asks for that; in the end all of it.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
session=$("$XGOTOPFS_BUILD/tests/bench/session_tool" record "$T/sessions" protobuf 2000000 5000) || fail "no recording"
cat >"$T/look.py" <<'PY'
import json, os, sys, time, urllib.error, urllib.request

base, SLACK = sys.argv[1], int(os.environ["SLACK"])


def get(path):
    try:
        with urllib.request.urlopen(base + path, timeout=15 * SLACK) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


seen, refused, loaded = [], 0, 0
deadline = time.monotonic() + 30 * SLACK
while True:
    code, status = get("/status?partial=1")
    assert code == 200, status
    if status["state"] == "ready":
        break
    assert status["state"] == "loading" and time.monotonic() < deadline, status
    assert status["loaded"] >= loaded, "it goes back"
    loaded = status["loaded"]
    if "processes" not in status:
        continue
    code, rows = get("/rows?partial=1")
    assert code == 200, rows
    seen.append(len(rows["rows"]))
    code, plain = get("/rows")
    if code == 503:
        refused += 1
    else:
        assert code == 200 and get("/status")[1]["state"] == "ready", (code, plain)
code, rows = get("/rows")
assert code == 200, rows
assert status["created"] > 90000, status["created"]
assert seen == sorted(seen)
if len(seen) <= 2 or not refused:
    sys.exit(77)
assert 0 < seen[0] < len(rows["rows"]), (seen, len(rows["rows"]))
print(f"looked at {len(seen)} times while it was read: {seen[0]} to {seen[-1]} of {len(rows['rows'])} rows")
PY
# It may all be read before anybody has looked three times and asked without partial=1: then once more.
for turn in 1 2 3 4 5; do
	start_web -sessions "$T/sessions"
	"$PYTHON" "$T/look.py" "$URL/api/sessions/$session"
	status=$?
	web_alive
	end "$WEB_PID"
	[ "$status" = 77 ] || break
done
expect "status of look.py (77: never refused, or hardly looked at)" "$status" 0
