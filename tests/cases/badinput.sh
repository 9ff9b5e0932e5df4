#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What cannot be traced or mounted: one clear line, the documented status, nothing left behind, the
# target unharmed.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need gcc
own_demo "" stripped
start_demo "$DEMO_BINARY"
mkdir -p "$MNT"

# --- processes
refuses 5 "no process 4194304" -pid 4194304
sleep 300 &
sleeper=$!
on_exit "end $sleeper"
refuses 3 "not a Go program" -pid "$sleeper" "$MNT"
kill -0 "$sleeper" || fail "the process that is not Go was hurt"
refuses 3 "kernel thread" -pid 2
thread=$(ls "/proc/$DEMO/task" | tail -n 1)
[ "$thread" = "$DEMO" ] || refuses 5 "thread of process $DEMO; use -pid $DEMO" -pid "$thread"
fresh "$T/child"
python3 -c 'import os, time
child = os.fork()
if child == 0: os._exit(0)
print(child, flush=True)
time.sleep(300)' >"$T/child" &
parent=$!
on_exit "end $parent"
zombie() { [ -s "$T/child" ] && grep -q '^State:.*zombie' "/proc/$(cat "$T/child")/status"; }
wait_for 10 zombie || fail "no zombie"
refuses 5 "zombie" -pid "$(cat "$T/child")"

# A process that goes while we come: whatever is said, nothing hangs and nothing stays. Never 0 unless it
# was traced, and never a crash.
for delay in 0 0.005 0.02 0.05 0.1; do
	fresh "$T/victim"
	"$DEMO_BINARY" -listen 127.0.0.1:0 >"$T/victim" 2>/dev/null &
	victim=$!
	wait_for 10 grep -q listening "$T/victim" || fail "it did not come to that"
	fresh "$T/out" "$LOG"
	timeout $((60 * SLACK)) "$XGOTOPFS" -s -pid "$victim" >"$T/out" 2>"$LOG" &
	tracer=$!
	sleep "$delay"
	kill -KILL "$victim"
	wait "$victim" 2>/dev/null
	wait "$tracer"
	status=$?
	case $status in
	0 | 5) ;;
	*) fail "target gone after $delay s: status $status: $(cat "$LOG")" ;;
	esac
	check_log
done

# --- binaries
refuses 1 "No such file" -b /nonexistent
refuses 3 "not an ELF" -b /etc/passwd
refuses 3 "directory" -b /tmp
refuses 3 "not a Go program" -b /bin/true
head -c 3000 "$DEMO_BINARY" >"$T/cut" && chmod +x "$T/cut"
timeout $((60 * SLACK)) "$XGOTOPFS" -b "$T/cut" >"$T/out" 2>"$LOG"
status=$?
expect "status of a cut-off binary" "$status" 3
check_log
: >"$T/empty"
timeout $((60 * SLACK)) "$XGOTOPFS" -b "$T/empty" >"$T/out" 2>"$LOG"
status=$?
expect "status of an empty binary" "$status" 3
printf 'int main(void) { return 0; }\n' >"$T/c.c"
gcc -m64 -o "$T/c" "$T/c.c" && refuses 3 "not a Go program" -b "$T/c"

# --- mount points
refuses 1 "no such folder" -pid "$DEMO" /nonexistent/mnt
: >"$T/file"
refuses 1 "$T/file" -pid "$DEMO" "$T/file"
mkdir "$T/full" && : >"$T/full/x"
refuses 1 "$T/full" -pid "$DEMO" "$T/full"
refuses 2 "one mount point" -pid "$DEMO" "$MNT" "$T/full"
mount_demo
"$XGOTOPFS" -pid "$DEMO" "$MNT" >"$T/out" 2>"$T/second"
status=$?
expect "status of a second mount ($(cat "$T/second"))" "$status" 1
grep -q "$MNT" "$T/second" || fail "the busy mount point is not named: $(cat "$T/second")"
[ -s "$MNT/README" ] || fail "the second mount disturbed the first"
stop_xgotopfs
timeout $((60 * SLACK)) "$XGOTOPFS" -pid "$DEMO" -o nosuchoption "$MNT" >"$T/out" 2>"$LOG"
status=$?
expect "status with a bad mount option ($(cat "$LOG"))" "$status" 2
! is_mounted || fail "mounted with a bad option"
# A mount that a crash left, and nobody took away.
mount_demo -o noauto_unmount
kill -KILL "$XPID"
wait "$XPID" 2>/dev/null
is_mounted || fail "nothing stale to recover from"
mount_demo
[ -s "$MNT/README" ] || fail "not usable over a stale mount"
stop_xgotopfs

# --- the web server
refuses 2 "numeric" -pid "$DEMO" -s -web -web-listen nosuchaddress -storage-dir "$T/s"
python3 -m http.server -b 127.0.0.1 0 >"$T/web" 2>&1 &
web=$!
on_exit "end $web"
taken() { python3 "$ROOT/tests/listening.py" "$web" >"$T/port" 2>/dev/null; }
wait_for 20 taken || fail "no web server to be in the way"
refuses 1 "$(cat "$T/port")" -pid "$DEMO" -s -web -web-port "$(cat "$T/port")" -storage-dir "$T/s"
refuses 1 "$T/file" -pid "$DEMO" -s -record -storage-dir "$T/file"

# --- permission
public_folder
cp "$XGOTOPFS" "$PUBLIC" && chmod 755 "$PUBLIC/xgotopfs"
as_nobody "$PUBLIC/xgotopfs" -pid "$DEMO" >"$T/out" 2>"$LOG"
status=$?
expect "status as nobody ($(cat "$LOG"))" "$status" 4
expect "lines as nobody" "$(wc -l <"$LOG")" 1

# --- commands
refuses 1 "No such file" -- /nonexistent
refuses 4 "Permission denied" -- /etc/passwd
refuses 3 "not a Go program" -- /bin/true
# What a debugger has already cannot be held until its probes are in.
if command -v strace >/dev/null; then
	# The leak sanitizer works with ptrace itself.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -o "$T/strace" "$XGOTOPFS" -s -- "$DEMO_BINARY" -listen 127.0.0.1:0 >"$T/out" 2>"$LOG" </dev/null
	status=$?
	expect "status below strace -f ($(cat "$LOG"))" "$status" 4
	grep -q 'cannot start .*: it may not be held by ptrace, as where a debugger or strace -f has it' "$LOG" ||
		fail "it does not say why: $(cat "$LOG")"
fi

soon_unharmed "$DEMO"
expect "sessions left by what failed" "$(ls "$T/s" 2>/dev/null)" ""
expect "mounts left" "$(grep -c " $T/" /proc/mounts)" 0
