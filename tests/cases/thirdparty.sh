#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A server nobody here wrote, as its package has it: Debian's rclone, stripped.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need rclone curl
mkdir "$T/files"
for i in $(seq 20); do head -c 10000 /dev/urandom >"$T/files/$i"; done
RCLONE=$("$ROOT/tests/own.sh" "$(type -P rclone)") || fail "no copy of it"
RCLONE_CONFIG=$T/rclone.conf "$RCLONE" -v --cache-dir "$T/cache" serve http --addr 127.0.0.1:0 "$T/files" \
	>"$T/rclone.log" 2>&1 &
DEMO=$!
on_exit "end $DEMO"
listens() { python3 "$ROOT/tests/listening.py" "$DEMO" >"$T/port" 2>/dev/null; }
wait_for 20 listens || fail "rclone does not serve: $(cat "$T/rclone.log")"
url=http://127.0.0.1:$(cat "$T/port")/

mount_demo
for i in $(seq 20); do curl -fs "$url$i" | cmp -s - "$T/files/$i" || fail "rclone serves something else while traced"; done

# One connection that stays open: its goroutine waits for the next request.
exec 5<>"/dev/tcp/127.0.0.1/$(cat "$T/port")"
printf 'HEAD /1 HTTP/1.1\r\nHost: x\r\n\r\n' >&5
read -r -t $((10 * SLACK)) answer <&5
[[ $answer == HTTP/1.1\ 200* ]] || fail "no answer: $answer"
serving() { goroutine=$(ls "$MNT/by-func/net%2Fhttp.(*conn).serve" 2>/dev/null | tail -n 1) && [ -n "$goroutine" ]; }
alone() { [ "$(ls "$MNT/by-func/net%2Fhttp.(*conn).serve" 2>/dev/null | wc -l)" = 1 ]; }
wait_for 10 alone || fail "goroutines that serve: $(ls "$MNT/by-func" "$MNT/by-func/net%2Fhttp.(*conn).serve")"
serving || fail "no goroutine serves"
status=$(cat "$MNT/goroutines/$goroutine/status")
for line in '^state ' '^start_function net/http.(\*conn).serve$' '^created_by net/http.(\*Server).Serve'; do
	grep -q "$line" <<<"$status" || fail "status lacks '$line': $status"
done
wait_for 5 grep -q 'net/http.(\*conn).serve' "$MNT/goroutines/$goroutine/stack" || fail "no stack of it"
expect "goroutine 1" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
for what in 'newobject type=http.Request ' 'makeslice type=uint8 ' 'makemap key=' \
	'newgoroutine child=[0-9]* func=net/http' 'casgstatus .*to=waiting reason="IO wait"'; do
	wait_for 5 grep -q "$what" "$MNT/events" || fail "no '$what'"
done
[ -d "$MNT/types/http.Request" ] || [ -f "$MNT/types/http.Request" ] || fail "no type http.Request"
expect "lost" "$(sed -n 's/^lost_total //p' "$MNT/stats")" 0
wait_for 5 grep -q "^go_version go1" "$MNT/health" || fail "no Go version"
stop_xgotopfs
unharmed "$DEMO"
curl -fs "${url}2" | cmp -s - "$T/files/2" || fail "rclone no longer serves"
