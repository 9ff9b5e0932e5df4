#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who may not: foreign pages, rebound names, other machines without the token; and what would bring
# the server down: huge and half requests, 500 connections, a flood.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need curl
mkdir -p "$T/sessions"
echo secret >"$T/secret"
start_web -sessions "$T/sessions" -history 2

# status ARG...: what curl gets; the answer is in $T/answer
status() { curl -s -m $((10 * SLACK)) -o "$T/answer" -w '%{http_code}' --path-as-is "$@"; }
want() {
	local code=$1
	shift
	expect "status of $*" "$(status "$@")" "$code"
	[ "$code" -lt 400 ] || jq -e '.error|length>0' <"$T/answer" >/dev/null || fail "no JSON error for $*: $(cat "$T/answer")"
}
need jq
want 200 "$URL/api/info"
want 403 -H 'Host: evil.example' "$URL/api/info"
want 403 -H "Host: localhost.evil.example:$PORT" "$URL/api/info"
want 200 -H "Host: localhost:$PORT" "$URL/api/info"
want 200 -H "Host: [::1]:$PORT" "$URL/api/info"
want 403 -H 'Origin: http://evil.example' "$URL/api/info"
want 403 -H 'Origin: null' "$URL/api/info"
want 403 -H "Origin: http://localhost:1" "$URL/api/info"
want 200 -H "Origin: $URL" "$URL/api/info"
want 403 -H 'Sec-Fetch-Site: cross-site' "$URL/api/info"
want 403 -H 'Origin: http://evil.example' -X POST -d '{"nanoseconds_per_pixel":1}' "$URL/api/config"
want 405 -X OPTIONS -H 'Origin: http://evil.example' "$URL/api/info"
want 405 -X DELETE "$URL/api/sessions"
want 405 -X POST -d '' "$URL/api/sessions"
want 411 -X POST "$URL/api/config"

# Nothing that may cross sites, and what keeps the UI from being framed or injected into.
curl -s -D "$T/headers" -o /dev/null "$URL/"
grep -qi '^access-control' "$T/headers" && fail "a CORS header"
for header in "content-security-policy: default-src 'none'" "x-content-type-options: nosniff" \
	"x-frame-options: DENY" "referrer-policy: no-referrer" "cross-origin-resource-policy: same-origin"; do
	grep -qi "^$header" "$T/headers" || fail "no $header"
done
grep -qi '^content-security-policy:.*unsafe' "$T/headers" && fail "unsafe in the policy"

# Ids do not climb.
for id in ../secret ..%2fsecret %2e%2e%2fsecret ....//secret /etc/passwd \
	00000000-0000-0000-0000-00000000000/ 00000000-0000-0000-0000-000000000000%00; do
	code=$(status "$URL/api/sessions/$id/events")
	case $code in 400 | 404 | 000) ;; *) fail "session id $id: $code" ;; esac
	grep -q secret "$T/answer" && ! grep -q error "$T/answer" && fail "$id was read"
done
mkdir "$T/outside" && echo '{"id":"x"}' >"$T/outside/metadata.json" && : >"$T/outside/events.jsonl"
ln -s "$T/outside" "$T/sessions/11111111-1111-1111-1111-111111111111"
want 404 "$URL/api/sessions/11111111-1111-1111-1111-111111111111/events"

# Huge, long, many.
a() { head -c "$1" /dev/zero | tr '\0' a; }
want 414 "$URL/api/live/goroutines?filter=$(a 9000)"
want 400 "$URL/api/live/goroutines?filter=$(a 3000)"
want 414 "$URL/$(a 2000)"
want 400 "$URL/api/live/tiles/20/5?goids=1-2000"
want 400 "$URL/api/live/tiles/99/5?goids=1"
want 400 "$URL/api/live/tiles/20/99999999999999999999?goids=1"
want 400 "$URL/api/live/tiles/20/18446744073709551615?goids=1"
want 400 "$URL/api/live/series/20/5?n=100000"
want 400 "$URL/api/live/goroutines?limit=100000000"
want 400 "$URL/api/live/latency/20/5?n=100000"
want 400 "$URL/api/live/latency/20/99999999999999999999"
want 400 "$URL/api/live/flame?goids=1-2000"
want 400 "$URL/api/live/flame?filter=$(a 3000)"
want 405 -X POST -d '' "$URL/api/live/flame"
want 405 -X POST -d '' "$URL/api/live/summary"
want 414 "$URL/api/info?$(printf 'x=1&%.0s' $(seq 50))"
head -c 100000 /dev/zero >"$T/big"
want 413 -X POST --data-binary "@$T/big" "$URL/api/config"
# Past the header buffer the connection is cut, and nothing else.
status "$URL/api/info?x=$(a 60000)" >/dev/null
want 200 "$URL/api/info"

"$PYTHON" "$(dirname "$0")/../web/rude.py" "$URL" || fail "a rude client did harm"
web_alive
want 200 "$URL/api/info"
[ "$(curl -s "$URL/api/info" | jq .refused)" -gt 0 ] || fail "refusals are not counted"

# A body whose end could be read in two ways is not read (request smuggling behind a proxy).
exec 5<>"/dev/tcp/127.0.0.1/$PORT" || fail "no connection"
printf 'POST /api/control HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}GET /api/info HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n' "$PORT" "$PORT" >"$T/two_requests"
# At once: the shell itself writes line by line, and is killed when the server has closed meanwhile.
cat "$T/two_requests" >&5
timeout $((20 * SLACK)) cat <&5 >"$T/answers"
exec 5<&- 5>&-
expect "answers to a body of two lengths" "$(grep -ac '^HTTP/1.1' "$T/answers")" 1
grep -q '^HTTP/1.1 411' "$T/answers" || fail "two lengths: $(head -n 1 "$T/answers")"

# Off loopback: never without a token, and with it only for who has it.
"$WEB_DEMO" -port 0 -listen 0.0.0.0 -token short -history 0 </dev/null >/dev/null 2>&1 && fail "a short token"
"$WEB_DEMO" -port 0 -listen localhost -history 0 </dev/null >/dev/null 2>&1 && fail "a name to listen on"
end "$WEB_PID"
# (No address of this machine is sure to be there but loopback ones: all of them, and one of them.)
token=0123456789abcdef0123
start_web -listen 0.0.0.0 -token $token -history 1
URL=http://127.0.0.1:$PORT
want 401 "$URL/api/info"
want 401 "$URL/"
want 401 -H 'Authorization: Bearer 0123456789abcdef0124' "$URL/api/info"
want 401 -H "Authorization: Bearer ${token}0" "$URL/api/info"
want 200 -H "Authorization: Bearer $token" "$URL/api/info"
want 200 "$URL/api/info?token=$token"
expect "the link with the token" "$(status -D "$T/headers" "$URL/?token=$token")" 303
grep -qi "^set-cookie: xgotopfs_token_$PORT=.*HttpOnly; SameSite=Strict" "$T/headers" || fail "no cookie"
want 200 -H "Cookie: a=b; xgotopfs_token=$token" "$URL/api/info"
want 403 -H "Authorization: Bearer $token" -H 'Origin: http://evil.example' "$URL/api/info"
web_alive
