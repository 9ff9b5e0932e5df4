#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Several processes, and recorded sessions: the same tree for each, its own events in it.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
demo_start -g 4 -procs 3 -sessions yes
demo events 3000
expect "processes" "$(ls "$MNT/processes" | tr '\n' ' ')" "4000 4001 4002 "
expect "every event" "$(wc -l <"$MNT/events")" 3000
expect "with its process" "$(grep -c pid=4001 "$MNT/events")" 1000
for p in 0 1 2; do
	numbers "$MNT/processes/400$p/events" | awk -v p=$p '$1 % 3 != p { exit 1 } END { exit NR != 1000 }' ||
		fail "events of process 400$p"
done
grep -q pid= "$MNT/processes/4001/events" && fail "no need to say whose they are"
expect "goroutines of the first" "$(ls "$MNT/goroutines" | wc -l)" "$(ls "$MNT/processes/4000/goroutines" | wc -l)"
expect "goroutine in one" "$(wc -l <"$MNT/processes/4001/goroutines/1/events")" \
	"$(grep -c ' 1 newobject' "$MNT/processes/4001/events")"
wait_for 5 grep -q '^pid 4002$' "$MNT/processes/4002/stats" || fail "stats of process 4002"

cat "$MNT/processes/4002/events_pipe" >"$T/pipe" &
CAT=$!
on_exit "end $CAT"
opened() { ls -l /proc/$CAT/fd 2>/dev/null | grep -q events_pipe; }
wait_for 20 opened || fail "not opened"
demo events 30
has() { [ "$(wc -l <"$T/pipe")" = 10 ]; }
wait_for 20 has || fail "events_pipe of one process: $(wc -l <"$T/pipe")"

S=$MNT/sessions/11111111-2222-3333-4444-555555555555
expect "sessions" "$(ls "$MNT/sessions")" "${S##*/}"
expect "session files" "$(ls "$S" | tr '\n' ' ')" "events.jsonl metadata.json "
expect "metadata" "$(cat "$S/metadata.json")" '{"n":00000000}'
expect "lines" "$(wc -l <"$S/events.jsonl")" 100000
expect "last" "$(tail -n 1 "$S/events.jsonl")" '{"n":00099999}'
expect "copied" "$(cp "$S/events.jsonl" "$T/copy" && stat -c %s "$T/copy")" "$(stat -c %s "$S/events.jsonl")"
[ ! -e "$MNT/sessions/nobody" ] || fail "a session that is not there"
