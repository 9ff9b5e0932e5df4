#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Profiles for `go tool pprof`, read by it: in the mount, over HTTP and of a replayed session. Their sums are what
# the other files say: goroutines in the dump, allocations and bytes counted, time in each state.
# timeout: 240
# beside: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl go
DEMO_BINARY=$T/demo
cp "$(demo_binary "" stripped)" "$DEMO_BINARY" || fail "the demo does not build"

# pprof ARG...: no symbolizing, nothing outside the test's folder.
pprof() { PPROF_TMPDIR=$T go tool pprof -symbolize=none "$@" 2>"$T/pprof.err" || fail "pprof $*: $(cat "$T/pprof.err")"; }
# total INDEX FILE: the sum of one kind of value over all samples, as pprof reads them.
total() { pprof -raw "$2" | awk -v column="$1" '/^Samples:/ { on = 1; getline; next } /^Locations/ { on = 0 } on && $1 ~ /^[0-9]/ { sub(":", "", $column); sum += $column } END { printf "%.0f\n", sum }'; }
stat_of() { sed -n "s/^$1 //p" "$MNT/stats"; }
# users: the folders of goroutines that are not the runtime's own.
users() { grep -l '^system no' "$MNT"/goroutines/*/status | xargs -n 1 dirname; }
# states: nanoseconds in the states that are no running, from the goroutines' own files.
states() { users | sed 's,$,/stats,' | xargs cat | awk '/^(waiting|runnable|syscall)_ns/ { sum += $2 } END { printf "%.0f\n", sum }'; }

start_demo "$DEMO_BINARY"
start_xgotopfs -pid "$DEMO" -s -web -web-port 0 -storage-dir "$T/sessions" "$MNT"
wait_ready
wait_web
load -n 2000 -c 4
same_goroutines() {
	cp "$MNT/pprof/goroutine" "$T/goroutine"
	[ "$(total 1 "$T/goroutine")" = "$(grep -c '^goroutine [0-9]' "$MNT/stacks")" ]
}
wait_for 20 same_goroutines || fail "goroutines: pprof $(total 1 "$T/goroutine"), stacks $(grep -c '^goroutine ' "$MNT/stacks")"
pprof -top "$T/goroutine" | grep -q 'main\.(\*server)\.worker' || fail "no worker: $(pprof -top "$T/goroutine")"
pprof -tags "$T/goroutine" | grep -q 'chan receive' || fail "no wait reason"
pprof -list 'main.main' -trim_path=/ "$T/goroutine" >/dev/null 2>&1 # no source here: it must not crash

# At rest: what is counted twice is the same twice.
counted() { echo "$(stat_of events_makeslice) $(stat_of events_makemap) $(stat_of events_newobject) $(stat_of alloc_bytes)"; }
at_rest() {
	local before
	before=$(counted)
	cp "$MNT/pprof/allocs" "$T/allocs"
	COUNTED=$(counted)
	[ "$before" = "$COUNTED" ]
}
wait_for 30 at_rest || fail "it never rests"
# shellcheck disable=SC2046 # words
set -- $COUNTED
expect "retained" "$(stat_of trimmed_events)" 0
expect "allocations" "$(total 1 "$T/allocs")" $(($1 + $2 + $3))
expect "bytes" "$(total 2 "$T/allocs")" "$4"
pprof -top "$T/allocs" | grep -q 'net/http\.readRequest' || fail "no caller: $(pprof -top "$T/allocs")"
pprof -tags "$T/allocs" | grep -q 'main\.Request' || fail "no type"

# Those that wait go on waiting while the files are read: before, the profile, after.
before=$(states)
cp "$MNT/pprof/offcpu" "$T/offcpu"
after=$(states)
offcpu=$(total 2 "$T/offcpu")
[ "$before" -le "$offcpu" ] && [ "$offcpu" -le "$after" ] || fail "off-CPU: $offcpu ns, the goroutines say $before to $after"
for kind in goroutine allocs offcpu; do
	pprof -top "${WEB}api/live/pprof/$kind" | grep -q '^File: ' || fail "not over HTTP: $kind"
	gzip -t "$T/$kind" || fail "$kind is not compressed"
	pprof -comments "$T/$kind" | grep -q . || fail "$kind does not say what it counts"
done
expect "no such profile" "$(curl -s -o /dev/null -w '%{http_code}' "${WEB}api/live/pprof/block")" 404
# (The client's connections may end only now.)
same_in_processes() { [ "$(total 1 "$MNT/processes/$DEMO/pprof/goroutine")" = "$(total 1 "$MNT/pprof/goroutine")" ]; }
wait_for 20 same_in_processes || fail "in processes/: $(total 1 "$MNT/processes/$DEMO/pprof/goroutine"), not $(total 1 "$MNT/pprof/goroutine")"
stop_xgotopfs
unharmed "$DEMO"

# A replayed session does not move: exact.
start_xgotopfs -replay "$(ls "$T/sessions")" -storage-dir "$T/sessions" -speed 0 -s -web -web-port 0 "$MNT"
wait_ready
wait_web
over() { grep -q "^state done" "$MNT/control/replay"; }
wait_for "$PATIENCE" over || fail "the replay does not end: $(cat "$MNT/control/replay")"
expect "off-CPU time" "$(total 2 "$MNT/pprof/offcpu")" "$(states)"
# Those that have exited and are kept have folders, too.
expect "goroutines" "$(total 1 "$MNT/pprof/goroutine")" "$(users | sed 's,$,/status,' | xargs grep -L '^state dead' | wc -l)"
pprof -comments "$MNT/pprof/goroutine" | grep -q 'no stacks here' || fail "it does not say that these are no stacks"
pprof -top "$MNT/pprof/allocs" | grep -q '^Type: event_space' || fail "events go by the name of all allocations"
curl -fs -o "$T/web" "${WEB}api/sessions/$(ls "$T/sessions")/pprof/allocs?partial=1" || wait_for 20 curl -fs -o "$T/web" "${WEB}api/sessions/$(ls "$T/sessions")/pprof/allocs" || fail "no profile of a session"
expect "allocations of the session" "$(total 1 "$MNT/pprof/allocs")" $(($(stat_of events_makeslice) + $(stat_of events_makemap) + $(stat_of events_newobject)))
stop_xgotopfs
