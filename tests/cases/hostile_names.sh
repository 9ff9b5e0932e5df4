#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program whose functions, types, files and path hold what no compiler writes: escape sequences, line
# ends, C1 controls, bytes that are not UTF-8, a dump's header. None of it comes out of anything that we
# write: every file of the mount, every REST answer, stdout and stderr, recorded sessions in all forms;
# and no line is one that a name made up. The walk and the table of routes find what is added later.
# timeout: 150
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3
check() { python3 "$ROOT/tests/hostile.py" "$@" >"$T/found" || fail "$1: $(cat "$T/found")"; }

"$XGOTOPFS_BUILD/web/web_routes" >"$T/routes" || fail "no list of routes"
binary=$("$ROOT/tests/targets/build.sh" local plain hostile 2>"$T/build.log") || fail "no target: $(cat "$T/build.log")"
folder=$T/$'p\e[2J\n'goroutine
mkdir "$folder" "$T/sessions"
evil=$folder/$'e\xff\xc2\x9b\x7f\tvil'
python3 "$ROOT/tests/hostile.py" patch "$binary" "$evil" || fail "cannot write names into it"
start_target "$evil" "$T"

# --- the mount and REST, while it is recorded ---
start_xgotopfs -pid "$DEMO" -log-level debug -web -web-port 0 -storage-dir "$T/sessions" -retain 20000 "$MNT"
wait_ready
wait_web
named() { ls "$MNT/by-func" | grep -qF 'main.e\x1b[2J'; }
wait_for 10 named || fail "no hostile function: $(ls "$MNT/by-func")"
check tree "$MNT"
session=$(ls "$MNT/sessions" | head -n 1)
check rest "$WEB" "$T/routes" "$session"
# What is shown says what the name was.
for shown in 'main.l\\ngoroutine 99 \[\.\.\.\]:' 'main.u\\xff\\xfe\\xc3(\\xed\\xa0\\x80' 'main.c\\u009b2J\\x9b31m\\x7f' \
	'^\\x67oroutine 99 \[' '/s\\x1b\[2J/\\ngoroutine 99'; do
	wait_for 5 grep -q "$shown" "$MNT/stacks" || fail "stacks lack '$shown': $(cat "$MNT/stacks")"
done
grep -q '^goroutine 99 ' "$MNT/stacks" && fail "a forged goroutine"
stop_xgotopfs
check file "$LOG" "$T/out"

# --- recorded, in all forms ---
"$XGOTOPFS" -sessions -storage-dir "$T/sessions" >"$T/list" 2>"$LOG" || fail "-sessions: $(cat "$LOG")"
check file "$T/list" "$LOG" "$T/sessions/$session"/*
for form in jsonl protobuf perfetto; do
	"$XGOTOPFS" -convert "$session" -storage-dir "$T/sessions" -to "$form" -out "$T/as.$form" 2>"$LOG" || fail "-to $form"
done
mv "$T/as.protobuf" "$T/as.pb"
check file "$T/as.jsonl" "$T/as.pb" "$T/as.perfetto" "$LOG"
start_xgotopfs -replay "$session" -storage-dir "$T/sessions" -speed 0 "$MNT"
wait_ready
wait_for 10 named || fail "not in the replay: $(ls "$MNT/by-func")"
check tree "$MNT"
stop_xgotopfs
check file "$LOG"

# --- a session somebody wrote by hand ---
mkdir "$T/made" "$T/made/$session"
printf '{"id":"%s","start_time":"2026-01-01T00:00:00Z","pid":1,"binary_path":"/\\u001b[2J\\ngoroutine 99 [running]:\\u009b","host":"h\\u001b[2J","go_version":"g\\u202e","stopped":"s\\nFORGED"}\n' "$session" >"$T/made/$session/metadata.json"
printf '{"timestamp":1,"event_type":4,"goroutine":1,"parent_goroutine":0,"attributes":[1,2,0,0,0],"func":"f\\u001b[2J\\ngoroutine 99 [running]:\\u009b"}\n' >"$T/made/$session/events.jsonl"
"$XGOTOPFS" -sessions -storage-dir "$T/made" >"$T/list" 2>"$LOG" || fail "-sessions: $(cat "$LOG")"
check file "$T/list" "$LOG"
"$XGOTOPFS" -convert "$session" -storage-dir "$T/made" >"$T/as.jsonl" 2>"$LOG" || fail "-convert: $(cat "$LOG")"
check file "$T/as.jsonl" "$LOG"
as_it_was=ad662111-7874-4aa4-b982-cac648075fbf
cp -r "$T/made/$session" "$T/made/$as_it_was"
"$XGOTOPFS" -convert "$as_it_was" -storage-dir "$T/made" -to perfetto -out "$T/as.perfetto" 2>"$LOG" || fail "-to perfetto"
# Raw bytes that no JSON has, in the files themselves.
printf '\e[2J\xc2\x9b\xff\xe2\x80\xae\x7f{}\n' | tee -a "$T/made/$session/metadata.json" >>"$T/made/$session/events.jsonl"
start_xgotopfs -replay "$session" -storage-dir "$T/made" -speed 0 -web -web-port 0 "$MNT"
wait_ready
wait_web
check rest "$WEB" "$T/routes" "$session"
# The trace that the web makes of it says the same of its process and times.
python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' \
	"${WEB%/}/api/sessions/$as_it_was/perfetto" >"$T/web.perfetto" && cmp "$T/web.perfetto" "$T/as.perfetto" || fail "another trace over the web"
check file "$MNT/sessions/$session/metadata.json" "$MNT/sessions/$session/events.jsonl" "$MNT/health" "$MNT/events"
expect "size of the copy" "$(wc -c <"$MNT/sessions/$session/events.jsonl")" "$(wc -c <"$T/made/$session/events.jsonl")"
stop_xgotopfs
check file "$LOG"

# --- without a mount: stdout, and what is wrong with it ---
start_xgotopfs -pid "$DEMO"
wait_for "$PATIENCE" test -s "$T/out" || fail "no events: $(cat "$LOG")"
stop_xgotopfs
check file "$T/out" "$LOG"
"$XGOTOPFS" -doctor -pid "$DEMO" >"$T/out" 2>"$LOG"
check file "$T/out" "$LOG"
"$XGOTOPFS" -doctor -b "$evil" >"$T/out" 2>"$LOG"
check file "$T/out" "$LOG"
"$XGOTOPFS" -b "$folder/$'no\e[2J\nFORGED'" >"$T/out" 2>"$LOG"
"$XGOTOPFS" -replay $'no\e[2J\nFORGED' >>"$T/out" 2>>"$LOG"
"$XGOTOPFS" $'-no\e[2J\nFORGED' >>"$T/out" 2>>"$LOG"
check file "$T/out" "$LOG"
unharmed "$DEMO"
