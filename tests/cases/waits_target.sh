#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A target that does not run: stopped, held by a debugger, frozen, or in a system call that no signal
# ends. Attaching, looking, pausing and leaving take as long as ever, and harm it as little.
# timeout: 150
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../disk_lib.sh"
need_tracing
need python3 curl

# look WHAT: everything a user does with a target, each within seconds.
look() {
	mount_demo
	timeout $((10 * SLACK)) cat "$MNT/stacks" >"$T/stacks" || fail "$1: stacks"
	grep -q '^goroutine 1 \[' "$T/stacks" || fail "$1: no stack of the main goroutine: $(head -n 3 "$T/stacks")"
	timeout $((10 * SLACK)) ls "$MNT/goroutines" >/dev/null || fail "$1: ls"
	timeout $((10 * SLACK)) cat "$MNT/goroutines/1/stack" "$MNT/health" >/dev/null || fail "$1: stack, health"
	timeout $((10 * SLACK)) sh -c "echo 1 >'$MNT/control/pause'" || fail "$1: cannot pause"
	timeout $((10 * SLACK)) sh -c "echo 0 >'$MNT/control/pause'" || fail "$1: cannot go on"
	stop_xgotopfs
	unharmed "$DEMO"
	echo "$1: fine" >&2
}
answers() { curl -fs --max-time $((20 * SLACK)) "$URL/job" >/dev/null; }
state_is() { grep -q "^State:.[$1]" "/proc/$DEMO/status"; }

private_demo
look running
kill -STOP "$DEMO"
wait_for 20 state_is T || fail "it does not stop"
look stopped
kill -CONT "$DEMO"
answers || fail "the server does not answer after a stop"

# Attached while it ran, left while it was stopped.
mount_demo
kill -STOP "$DEMO"
stop_xgotopfs
unharmed "$DEMO"
kill -CONT "$DEMO"
answers || fail "the server does not answer after it was left while it was stopped"

# A debugger has stopped all of its threads, and says nothing.
cat >"$T/debugger.py" <<'PY'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
pid = int(sys.argv[1])
SEIZE, INTERRUPT = 0x4206, 0x4207
for tid in map(int, os.listdir(f"/proc/{pid}/task")):
    for request in SEIZE, INTERRUPT:
        if libc.ptrace(request, tid, 0, 0):
            sys.exit(77)
print("holds", flush=True)
sys.stdin.read()
PY
mkfifo "$T/let_go"
python3 "$T/debugger.py" "$DEMO" <"$T/let_go" >"$T/debugger" 2>&1 &
DEBUGGER=$!
exec 8>"$T/let_go"
on_exit "end $DEBUGGER"
debugger_said() { [ -s "$T/debugger" ] || gone_or_zombie "$DEBUGGER"; }
wait_for 10 debugger_said || fail "the debugger says nothing"
if grep -q holds "$T/debugger"; then
	wait_for 20 state_is t || fail "the debugger does not stop it"
	look "held by a debugger"
else
	echo "no debugger here: $(cat "$T/debugger")" >&2
fi
exec 8>&-
wait "$DEBUGGER"
answers || fail "the server does not answer after a debugger had it"

# Frozen: version 1 of control groups, or version 2.
GROUP=
for top in /sys/fs/cgroup/freezer /sys/fs/cgroup; do
	[ -e "$top/cgroup.procs" ] && mkdir "$top/xgotopfs-test.$$" 2>/dev/null || continue
	GROUP=$top/xgotopfs-test.$$
	break
done
freeze() {
	if [ -e "$GROUP/freezer.state" ]; then
		[ "$1" = 1 ] && echo FROZEN >"$GROUP/freezer.state" || echo THAWED >"$GROUP/freezer.state"
	else
		echo "$1" >"$GROUP/cgroup.freeze"
	fi
}
is_frozen() { grep -qs FROZEN "$GROUP/freezer.state" || grep -qs 'frozen 1' "$GROUP/cgroup.events"; }
leave_group() {
	freeze 0
	kill -KILL "$DEMO" 2>/dev/null
	wait_for 20 rmdir "$GROUP" 2>/dev/null
}
if [ -n "$GROUP" ] && { [ -e "$GROUP/freezer.state" ] || [ -e "$GROUP/cgroup.freeze" ]; }; then
	on_exit leave_group
	echo "$DEMO" >"$GROUP/cgroup.procs" && freeze 1 && wait_for 20 is_frozen || fail "it does not freeze"
	look frozen
	freeze 0
	answers || fail "the server does not answer after it was frozen"
else
	echo "no group to freeze it in" >&2
fi
unharmed "$DEMO"

# In a system call that no signal ends: it has started a program that lies on a disk that hangs.
make_disk
cp "$(type -P true)" "$T/behind/program" # it runs once the disk answers, and ends
end_demo() {
	kill -KILL "$DEMO"
	wait "$DEMO" 2>/dev/null
}
end_demo
"$ROOT/scripts/build-go.sh" "$ROOT/tests/targets/forks" "$T/forks" >&2 || fail "no Go program"
hang_disk
"$T/forks" "$DISK/program" >"$T/forks.out" 2>&1 &
DEMO=$!
on_exit "end -KILL $DEMO"
in_kernel() { cat /proc/"$DEMO"/task/*/status 2>/dev/null | grep -q '^State:.D'; }
wait_for 10 in_kernel || fail "no thread of it is in the kernel for good"
look "in an uninterruptible sleep"
mend_disk
end_demo

# Being dumped onto a disk that hangs.
if grep -q '^[|/]' /proc/sys/kernel/core_pattern || ! ulimit -c unlimited; then
	echo "no core file is written here: not tried" >&2
else
	start_dumped() {
		cd "$DISK" && GOTRACEBACK=crash exec "$DEMO_BINARY" -listen 127.0.0.1:0
	}
	start_dumped >"$T/dumped" 2>&1 &
	DEMO=$!
	on_exit "end -KILL $DEMO"
	wait_for 20 grep -q listening "$T/dumped" || fail "the demo does not start: $(cat "$T/dumped")"
	mount_demo
	hang_disk
	kill -QUIT "$DEMO"
	dumping() { grep -q '^CoreDumping:.1' "/proc/$DEMO/status"; }
	wait_for 20 dumping || fail "it is not being dumped"
	timeout $((10 * SLACK)) ls "$MNT/goroutines" >/dev/null || fail "being dumped: ls"
	timeout $((20 * SLACK)) cat "$MNT/stacks" >/dev/null 2>&1
	[ $? != 124 ] || fail "being dumped: stacks"
	timeout $((20 * SLACK)) sh -c "echo 1 >'$MNT/control/pause'" 2>/dev/null
	[ $? != 124 ] || fail "being dumped: pause"
	stop_xgotopfs
	start_xgotopfs -pid "$DEMO" "$MNT"
	came() { gone_or_zombie "$XPID" || grep -q "Ctrl-C ends" "$LOG"; }
	wait_for "$PATIENCE" came || fail "being dumped: attaching does not come to an end"
	kill -INT "$XPID"
	wait_for "$PATIENCE" gone_or_zombie "$XPID" || fail "being dumped: it does not end"
	echo "being dumped: $(tail -n 1 "$LOG")" >&2
	mend_disk
	wait "$DEMO" 2>/dev/null
	check_log
fi
