#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -- COMMAND: traced from its first instruction, its exit status and signals passed on.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
DEMO_BINARY=$(demo_binary) || fail "the demo does not build"
mkdir "$T/short"
cat >"$T/short/go.mod" <<'GO'
module short

go 1.17
GO
cat >"$T/short/main.go" <<'GO'
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

type Early struct{ words [16]int }

var kept *Early

func init() { kept = &Early{} }

// Copies stdin to stdout, then ends with the status given, or by the signal 128 below it.
func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("echo", lines.Text())
	}
	n, _ := strconv.Atoi(os.Args[1])
	if n >= 128 {
		syscall.Kill(os.Getpid(), syscall.Signal(n-128))
		select {}
	}
	fmt.Fprintln(os.Stderr, "to stderr")
	os.Exit(n)
}
GO
"$ROOT/scripts/build-go.sh" "$T/short" "$T/prog" || fail "the test program does not build"

for want in 0 1 7 42 143 137; do
	echo hello | timeout $((60 * SLACK)) "$XGOTOPFS" -log-level warn -- "$T/prog" $want >"$T/out" 2>"$LOG"
	expect "status passed on" $? $want
	grep -q '^echo hello$' "$T/out" || fail "stdin or stdout did not reach the command"
	# It was there before main.init: nothing of the program ran untraced.
	expect "events of init" "$(grep -c 'newobject type=main.Early' "$T/out")" 1
	expect "creation of the main goroutine" "$(grep -c ' newgoroutine child=1 ' "$T/out")" 1
	check_log
done
grep -q "Killed\|to stderr" "$LOG" || timeout $((60 * SLACK)) "$XGOTOPFS" -s -log-level warn -- "$T/prog" 0 2>&1 </dev/null |
	grep -q "to stderr" || fail "stderr did not reach the terminal"
# From PATH, with options of its own that are not ours.
PATH=$T:$PATH timeout $((60 * SLACK)) "$XGOTOPFS" -s -log-level warn -- prog 3 -pid -sample </dev/null >"$T/out" 2>"$LOG"
expect "status of a command found in PATH" $? 3

# A signal a process sends us reaches the command; its end is ours.
start_xgotopfs -s -- "$DEMO_BINARY" -listen 127.0.0.1:0
listening() { grep -q listening "$T/out"; }
wait_for "$PATIENCE" listening || fail "the server does not start: $(cat "$LOG")"
command=$(sed -n 's/.* pid //p' "$T/out")
kill -TERM "$XPID"
ended 0
wait_for 20 gone "$command" || fail "the command was not ended"
start_xgotopfs -s -- "$DEMO_BINARY" -listen 127.0.0.1:0
wait_for "$PATIENCE" listening || fail "the server does not start: $(cat "$LOG")"
kill -KILL "$(sed -n 's/.* pid //p' "$T/out")"
ended 137

# With a mount point the tree stays when the command ends, and its status is still ours.
mkdir -p "$MNT"
start_xgotopfs "$MNT" -- "$T/prog" 9
wait_for "$PATIENCE" says "exited with exit status 9; everything stays" || fail "no word of the end: $(cat "$LOG")"
wait_for 5 grep -q 'newobject type=main.Early' "$MNT/events" || fail "its events are not in the tree"
expect "its state" "$(sed -n 's/^state //p' "$MNT/stats")" exited
kill -INT "$XPID"
ended 9
mount_is_gone
