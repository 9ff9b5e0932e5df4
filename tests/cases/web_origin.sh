#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -web-allow-origin: the pages of that origin use the API and /ws, all others nothing; with curl, and from pages in
# Chromium that are served from other ports.
# timeout: 120
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need curl
need_browser
held_port
GOOD=$PORT_HELD
ORIGIN=http://localhost:$GOOD
start_web -history 2 -allow-origin "$ORIGIN" -allow-origin https://dash.example

# headers ARG...: of an answer, in lower case.
headers() { curl -s -m $((10 * SLACK)) -o /dev/null -D - "$@" | tr -d '\r' | tr 'A-Z' 'a-z'; }
has() { grep -qxF -- "$1" "$T/headers" || fail "no '$1' in: $(cat "$T/headers")"; }
lacks() { ! grep -q -- "$1" "$T/headers" || fail "'$1' in: $(cat "$T/headers")"; }

for origin in "$ORIGIN" https://dash.example; do
	headers -H "Origin: $origin" "$URL/api/info" >"$T/headers"
	has "http/1.1 200 ok"
	has "access-control-allow-origin: $origin"
	has "access-control-allow-credentials: true"
	has "vary: origin"
	headers -X OPTIONS -H "Origin: $origin" -H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: content-type' "$URL/api/config" >"$T/headers"
	grep -q "^http/1.1 204" "$T/headers" || fail "$(head -n 1 "$T/headers")"
	has "access-control-allow-origin: $origin"
	has "access-control-allow-methods: get, head, post"
	has "access-control-allow-headers: authorization, content-type"
	lacks content-length
done
# An error can be read, too.
headers -H "Origin: $ORIGIN" "$URL/nothing" >"$T/headers"
has "http/1.1 404 not found"
has "access-control-allow-origin: $ORIGIN"
# Nobody else's, not even nearly.
for origin in http://localhost:1 "http://localhost:${GOOD}0" "https://localhost:$GOOD" "http://127.0.0.1:$GOOD" \
	"http://LOCALHOST:$GOOD" "$ORIGIN/" "$ORIGIN, $ORIGIN" http://dash.example https://dash.example.evil https://x.dash.example null '*'; do
	headers -H "Origin: $origin" "$URL/api/info" >"$T/headers"
	has "http/1.1 403 forbidden"
	lacks access-control
	has "vary: origin"
	headers -X OPTIONS -H "Origin: $origin" -H 'Access-Control-Request-Method: POST' "$URL/api/config" >"$T/headers"
	has "http/1.1 405 method not allowed"
	lacks access-control
done
headers "$URL/api/info" >"$T/headers"
lacks access-control
headers -H "Origin: $ORIGIN" -H 'Host: evil.example' "$URL/api/info" >"$T/headers"
has "http/1.1 403 forbidden"
lacks access-control
headers -X OPTIONS -H "Origin: $ORIGIN" -H 'Host: evil.example' -H 'Access-Control-Request-Method: POST' "$URL/api/info" >"$T/headers"
lacks access-control

# An allowed page of a user who may not is let in no further than he is.
if [ "$(id -u)" = 0 ] && as_nobody true 2>/dev/null; then
	expect "nobody's" "$(as_nobody curl -s -o /dev/null -w '%{http_code}' -H "Origin: $ORIGIN" "$URL/api/info")" 401
	expect "nobody's with the token" "$(as_nobody curl -s -o /dev/null -w '%{http_code}' -H "Origin: $ORIGIN" -H "Authorization: Bearer $WEB_TOKEN" "$URL/api/info")" 200
fi

(cd "$T/ui" && timeout $((90 * SLACK)) node origin.mjs "$URL" "$GOOD") || fail "a page in Chromium"
web_alive
