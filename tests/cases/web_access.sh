#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who gets in on a loopback address: root and who started it, by the uid at the other end of the connection; all
# others by the token. Slow clients are cut off and one user cannot take all places. Two instances side by side.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_root
need curl jq
as_nobody true 2>/dev/null || skip "may not become another user"
WEB_TESTS=$ROOT/tests/web

# code COMMAND...: the status that curl gets.
code() { "$@" -s -m $((20 * SLACK)) -o "$T/answer" -w "%{http_code}"; }

# --- the server by itself, over IPv4 and IPv6
for address in 127.0.0.1 127.0.0.2 ::1; do
	if [ "$address" = ::1 ] && ! grep -qs 00000000000000000000000000000001 /proc/net/if_inet6; then
		echo "no IPv6 on the loopback interface" >&2
		continue
	fi
	start_web -listen "$address" -history 1
	expect "length of the token" "${#WEB_TOKEN}" 32
	timeout $((60 * SLACK)) "$PYTHON" "$WEB_TESTS/access.py" "$URL/?token=$WEB_TOKEN" "$WEB_PID" || fail "access.py on $address"
	web_alive
	end "$WEB_PID"
done
# Off loopback there is a token, too, and everybody needs it.
start_web -listen 0.0.0.0 -history 1
expect "root, off loopback" "$(code curl "http://127.0.0.1:$PORT/api/info")" 401
expect "root, off loopback, with the token" "$(code curl -H "Authorization: Bearer $WEB_TOKEN" "http://127.0.0.1:$PORT/api/info")" 200
first=$WEB_TOKEN
end "$WEB_PID"
start_web -history 20 -rate 20000 -patience $((SLACK / 2))
[ "$WEB_TOKEN" != "$first" ] || fail "the token is always the same"
timeout $((90 * SLACK)) "$PYTHON" "$WEB_TESTS/slow.py" "$URL/?token=$WEB_TOKEN" "$WEB_PID" $((SLACK / 2)) || fail "slow.py"
web_alive

# --- two of them on one host: a browser that logs in to one stays logged in to the other
mkfifo "$T/stdin2" && exec 8<>"$T/stdin2" # ends it with this case
"$WEB_DEMO" -port 0 -history 1 <"$T/stdin2" 8<&- >"$T/url2" 2>"$T/web2.log" &
on_exit "end $!"
wait_for 60 test -s "$T/url2" || fail "no second server: $(cat "$T/web2.log")"
second=$(cat "$T/url2")
mkdir "$T/jar" && chmod 777 "$T" "$T/jar"
browser() { as_nobody curl -c "$T/jar/cookies" -b "$T/jar/cookies" "$@"; }
expect "the first link" "$(code browser "$URL/?token=$WEB_TOKEN")" 303
expect "the second link" "$(code browser "$second")" 303
expect "cookies ($(cat "$T/jar/cookies"))" "$(grep -c xgotopfs_token_ "$T/jar/cookies")" 2
expect "the first, still" "$(code browser "$URL/api/info")" 200
expect "the second, still" "$(code browser "${second%%\?*}api/info")" 200
grep -q "$WEB_TOKEN" "$T/jar/cookies" && fail "the cookie is the token"

# --- the program: who started it
mkdir "$T/sessions" && cp -r "$ROOT/tests/data/original/$ORIGINAL_PB" "$T/sessions" || fail "no session"
replay() { start_xgotopfs -replay "$ORIGINAL_PB" -storage-dir "$T/sessions" -speed 0 -web -web-port 0 "$@"; }
replay
wait_web
[[ $WEB_LINK =~ ^http://127\.0\.0\.1:[0-9]+/\?token=[0-9a-f]{32}$ ]] || fail "printed: $WEB_LINK"
expect "root" "$(code curl "${WEB}api/info")" 200
expect "nobody" "$(code as_nobody curl "${WEB}api/info")" 401
expect "nobody, stacks" "$(code as_nobody curl "${WEB}api/live/stacks")" 401
expect "nobody, sessions" "$(code as_nobody curl "${WEB}api/sessions")" 401
expect "nobody, control" "$(code as_nobody curl -d '{"paused":true}' "${WEB}api/control")" 401
expect "nobody with the link" "$(code as_nobody curl "$WEB_LINK")" 303
stop_xgotopfs
for variable in SUDO_UID PKEXEC_UID; do
	export $variable=65534
	replay
	wait_web
	expect "nobody, who started it ($variable)" "$(code as_nobody curl "${WEB}api/info")" 200
	expect "another" "$(code setpriv --reuid 1 --clear-groups curl "${WEB}api/info")" 401
	expect "root" "$(code curl "${WEB}api/info")" 200
	stop_xgotopfs
	unset $variable
done
for uid in -1 x "" 4294967295 99999999999 "65534 " 0xfffe; do
	SUDO_UID=$uid replay
	wait_web
	expect "nobody, SUDO_UID='$uid'" "$(code as_nobody curl "${WEB}api/info")" 401
	stop_xgotopfs
done

# --- origins that are none
for origin in '*' null localhost:5173 http://localhost:5173/ HTTP://localhost http://localhost:80 file:///x; do
	refuses 2 "$origin" -replay "$ORIGINAL_PB" -storage-dir "$T/sessions" -web -web-port 0 -web-allow-origin "$origin"
done
printf '[web]\nweb-allow-origin = http://a:1\nweb-allow-origin = http://b:2/\n' >"$T/ini"
refuses 2 "http://b:2/" -config "$T/ini" -replay "$ORIGINAL_PB" -storage-dir "$T/sessions" -web -web-port 0
exit 0
