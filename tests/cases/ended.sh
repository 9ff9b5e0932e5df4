#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How a program ended, though it is nobody's child here: problems, health, stats, the log and the API say its exit status or signal,
# whether or not its parent was told already, and so does the recording. In the UI, with its last stacks.
# timeout: 200
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need jq curl python3
own_demo "" stripped

# adopted: starts the demo below a parent that asks for its end when it reads a line.
adopted() {
	fresh "$T/parent.out" "$T/demo.out"
	mkfifo "$T/parent.$1"
	python3 -c '
import subprocess, sys
p = subprocess.Popen([sys.argv[1], "-listen", "127.0.0.1:0"], stdout=open(sys.argv[2], "w"), stderr=subprocess.DEVNULL)
print(p.pid, flush=True)
sys.stdin.readline()
print("ended", p.wait(), flush=True)
sys.stdin.readline()' "$DEMO_BINARY" "$T/demo.out" <"$T/parent.$1" >"$T/parent.out" &
	PARENT=$!
	exec 7>"$T/parent.$1"
	on_exit "end $PARENT"
	wait_for 30 grep -q listening "$T/demo.out" || fail "the demo does not start"
	read -r DEMO <"$T/parent.out"
	on_exit "end -KILL $DEMO"
}
said() { # WORDS KEY VALUE
	wait_for "$PATIENCE" grep -q "^critical target: the program has ended$1, " "$MNT/problems" || fail "problems: $(head -n 3 "$MNT/problems")"
	expect "$2 in stats" "$(sed -n "s/^$2 //p" "$MNT/stats")" "$3"
	grep -q "^limit the target has ended$1: " "$MNT/health" || fail "health: $(grep ended "$MNT/health")"
}

# --- a zombie: its parent does not ask ---
adopted 1
start_xgotopfs -pid "$DEMO" -s -web -web-port 0 -storage-dir "$T/sessions" "$MNT"
wait_ready
wait_web
wait_for "$PATIENCE" grep -q '^goroutine 1 \[' "$MNT/stacks" || fail "no stacks"
expect "exit_status of one that runs" "$(sed -n 's/^exit_status //p' "$MNT/stats")" -
kill -QUIT "$DEMO" # Go prints all stacks, and exits with 2
said " with exit status 2" exit_status 2
expect "exit_signal" "$(sed -n 's/^exit_signal //p' "$MNT/stats")" -
grep -q "; 2 is Go's after a panic or a fatal error" "$MNT/problems" || fail "what 2 is: $(head -n 3 "$MNT/problems")"
wait_for "$PATIENCE" says "has exited with exit status 2; everything stays" || fail "the log: $(cat "$LOG")"
expect "the API" "$(curl -fs "${WEB}api/live/status" | jq -c '.processes[0] | [.state, .exit_status, .exit_signal]')" '["exited",2,null]'
if [ -x "${CHROMIUM:-/usr/bin/chromium}" ] && [ -d "$XGOTOPFS_BUILD/web/ui/node_modules/esbuild" ]; then
	need_browser
	(cd "$T/ui" && timeout $((60 * SLACK)) node ended.mjs "$WEB" ${SHOTS:+"$SHOTS"}) || fail "the UI does not say it"
fi
stop_xgotopfs
end "$PARENT"
id=$(ls "$T/sessions")
start_xgotopfs -replay "$T/sessions/$id" -speed 0 -s "$MNT"
wait_ready
wait_for "$PATIENCE" grep -q '^critical target: the program has ended with exit status 2: ' "$MNT/problems" || fail "the recording: $(head -n 3 "$MNT/problems")"
stop_xgotopfs

adopted 2
start_xgotopfs -pid "$DEMO" -s -probes light "$MNT"
wait_ready
kill -KILL "$DEMO"
said ", killed by signal 9 (SIGKILL)" exit_signal 9
wait_for "$PATIENCE" says "has exited, killed by signal 9 (SIGKILL); everything stays" || fail "the log: $(cat "$LOG")"
stop_xgotopfs
end "$PARENT"

# --- its parent asks at once; Linux keeps it for who looks since 6.15 ---
[ "$(printf '%s\n' 6.15 "$(uname -r)" | sort -V | head -n 1)" = 6.15 ] || exit 0
adopted 3
start_xgotopfs -pid "$DEMO" -s -probes none "$MNT"
wait_ready
echo >&7
kill -TERM "$DEMO"
wait_for "$PATIENCE" grep -q ended "$T/parent.out" || fail "it does not end"
said " with exit status 0" exit_status 0
stop_xgotopfs
