#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program that would make a look at it cost gigabytes: a source file's name of 300 KB in each of
# 20,000 goroutines, and recursions of 10,000 calls. Each look is answered soon, in little memory; names
# are cut where one sees it, and deep stacks are as Go prints them.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3
mkdir "$T/src"
printf 'module long\n\ngo 1.17\n' >"$T/src/go.mod"
python3 - >"$T/src/main.go" <<'PY'
print('''package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

var started sync.WaitGroup

//go:noinline
func park() { started.Done(); time.Sleep(time.Hour) }

//go:noinline
func deep(n int) int {
	if n == 0 {
		park()
		return 0
	}
	return deep(n-1) + 1
}

//line /%s.go:7
//go:noinline
func long() { park() }

//go:noinline
func longer() { long() }

func main() {
	started.Add(20050)
	for i := 0; i < 50; i++ {
		go deep(10000)
	}
	for i := 0; i < 20000; i++ {
		go longer()
	}
	started.Wait()
	fmt.Println("ready")
	os.Stdin.Read(make([]byte, 1))
}''' % ("long" * 75000))
PY
go=$("$ROOT/scripts/go.sh") || fail "no Go"
(cd "$T/src" && GOTOOLCHAIN=local GOFLAGS=-mod=mod GOWORK=off "$go" build -o "$T/long" .) 2>"$T/build.log" ||
	fail "does not build: $(head -c 500 "$T/build.log")"
start_target "$T/long"
start_xgotopfs -pid "$DEMO" -s -web -web-port 0 -storage-dir "$T/sessions" "$MNT"
wait_ready
wait_web

# look WHAT COMMAND...
look() {
	local begun=$SECONDS
	timeout $((60 * SLACK)) "${@:2}" >"$T/answer" || fail "$1: no answer"
	[ -s "$T/answer" ] || fail "$1: nothing"
	[ $((SECONDS - begun)) -le "$(slowed $((5 * SLACK)))" ] || fail "$1: $((SECONDS - begun)) s"
	[ "$(stat -c %s "$T/answer")" -lt $((257 << 20)) ] || fail "$1: $(stat -c %s "$T/answer") bytes"
	[ "$1" = flame ] || expect "lines of $1 that are too long" "$(awk 'length > 8000' "$T/answer" | wc -l)" 0
}
look pprof cat "$MNT/pprof/goroutine"
look table cat "$MNT/goroutines.tsv"
look status cat "$MNT/goroutines/1/status"
look flame python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' "${WEB%/}/api/live/flame"
look stacks cat "$MNT/stacks"
grep -q 'cut:' "$T/answer" && fail "cut: $(grep -a 'cut:' "$T/answer")"
expect "goroutines" "$(grep -c '^goroutine ' "$T/answer")" 20051
expect "creators" "$(grep -c '^created by main.main in goroutine 1$' "$T/answer")" 20050
expect "deep ones" "$(grep -c '^\.\.\.99[0-9][0-9] frames elided\.\.\.$' "$T/answer")" 50
grep -q $'^\t/longlong.*…~[0-9a-f]\{8\}:8 ' "$T/answer" || fail "a cut name is not marked: $(grep -m 1 -a longlong "$T/answer" | tail -c 60)"
peak=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$XPID/status")
echo "peak: $((peak / 1024)) MiB"
[ -n "${XGOTOPFS_SANITIZED:-}" ] || [ "$peak" -lt $((600 << 10)) ] || fail "it took $((peak / 1024)) MiB"
stop_xgotopfs
unharmed "$DEMO"
