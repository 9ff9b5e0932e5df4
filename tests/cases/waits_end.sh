#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A signal ends it, whatever it waits for: a reader that takes nothing of its output, a disk that does
# not answer. A second signal ends it at once, and leaves nothing behind in the target either.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../disk_lib.sh"
need_tracing
need python3 pgrep
private_demo
"$DEMO_BINARY" -load "$URL" -c 2 >"$T/load.out" 2>&1 &
on_exit "end $!"

SLOW=${XGOTOPFS_SANITIZED:+10}
SLOW=${SLOW:-0}

# A pipe that nobody reads, for both streams.
silent_pipe() {
	mkfifo "$T/$1"
	sleep 1000 <>"$T/$1" &
	on_exit "end $!"
}
silent_pipe out.pipe
silent_pipe err.pipe
fresh "$LOG"
"$XGOTOPFS" -pid "$DEMO" >"$T/out.pipe" 2>"$LOG" &
XPID=$!
on_exit kill_xgotopfs
wait_ready
full() { python3 -c 'import os, select, sys
out = select.poll()
out.register(os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK), select.POLLOUT)
sys.exit(bool(out.poll(0)))' "$T/$1"; }
wait_for 20 full out.pipe || fail "the pipe does not fill"
kill -INT "$XPID"
ended 0 "$(slowed $((8 + SLOW)))"
grep -q "events were not printed" "$LOG" || fail "nothing is said of what was not printed: $(cat "$LOG")"
unharmed "$DEMO"

python3 -c 'import os, sys; fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
try:
    while True: os.write(fd, b"x" * 4096)
except BlockingIOError: pass' "$T/err.pipe"
"$XGOTOPFS" -pid "$DEMO" -log-level debug "$(mkdir -p "$MNT" && echo "$MNT")" >/dev/null 2>"$T/err.pipe" &
XPID=$!
wait_for "$PATIENCE" test -e "$MNT/stats" || fail "not mounted"
kill -INT "$XPID"
ended 0 "$(slowed $((8 + SLOW)))"
unharmed "$DEMO"

# Two signals at once, as timeout(1) sends them, mean one. (Stopped, it has both before it looks.)
mount_demo
kill -STOP "$XPID"
wait_for 20 grep -q '^State:.T' "/proc/$XPID/status" || fail "it does not stop"
kill -INT "$XPID"
kill -TERM "$XPID"
kill -CONT "$XPID"
ended

# A command gets the signal, and its end is ours.
start_xgotopfs -s -- "$DEMO_BINARY" -listen 127.0.0.1:0
wait_for "$PATIENCE" grep -q listening "$T/out" || fail "the command does not start: $(cat "$LOG")"
kill -INT "$XPID"
wait_for "$PATIENCE" gone_or_zombie "$XPID" || fail "the command's end is not ours: $(cat "$LOG")"
wait "$XPID"
XPID=

# A disk that does not answer.
make_disk
recorded() { [ -n "$(find "$T/behind" -name 'events.*' -size +20k)" ]; }

mount_demo -record -storage-dir "$DISK/sessions"
wait_for 20 recorded || fail "nothing is recorded"
hang_disk
timeout $((5 * SLACK)) cat "$MNT/stats" >/dev/null || fail "who wants the disk for nothing waits for it"
timeout -s INT 1 ls "$MNT/sessions" >/dev/null 2>&1
[ $? != 0 ] || fail "the disk answers"
kill -INT "$XPID"
ended 1 "$(slowed $((25 + SLOW)))"
grep -q "the disk does not answer" "$LOG" || fail "nothing is said of the disk: $(cat "$LOG")"
mount_is_gone
unharmed "$DEMO"
mend_disk

# two_signals HANG: records, makes the disk hang so, and ends it twice.
two_signals() {
	rm -rf "$T/behind/sessions"
	mount_demo -record -storage-dir "$DISK/sessions"
	wait_for 20 recorded || fail "nothing is recorded"
	"$1"
	kill -INT "$XPID"
	wait_for "$PATIENCE" says "waiting for the disk" || fail "it does not say what it waits for"
	kill -INT "$XPID"
}

# And a second signal.
two_signals hang_disk
ended 130 "$(slowed $((2 * SLACK)))" # with one it takes 25 s
soon_unharmed "$DEMO"
wait_for 10 not_mounted || fail "still mounted"

# The same where the disk has taken a request: the kernel lets nobody who waits for that go, so we are not gone before it
# answers; the mount is, or whoever looks at it would wait, too.
mend_disk
two_signals hang_disk_within
wait_for 10 not_mounted || fail "still mounted: $(cat "$LOG") $(waits_in)"
[ "$(ls "/proc/$XPID/task" | wc -l)" -gt 1 ] || fail "nothing held it up"
soon_unharmed "$DEMO"
mend_disk
ended 130

# The disk hangs before it has begun: nobody hears of that but the parent of -daemon, who hands both
# signals on.
mend_disk
child_of_daemon() {
	hang_disk
	start_xgotopfs -daemon -pid "$DEMO" -record -storage-dir "$DISK/other" "$MNT"
	wait_for "$PATIENCE" child || fail "no child: $(cat "$LOG")"
	on_exit "end -KILL $CHILD"
	wait_for "$PATIENCE" stuck || fail "it does not wait for the disk: $(cat "$LOG")"
}
child() { CHILD=$(pgrep -P "$XPID" -f -- "-daemon -pid $DEMO"); }
stuck() { grep -q "fuse\|request_wait" "/proc/$CHILD/wchan" "/proc/$CHILD/stack" 2>/dev/null; }
child_of_daemon
kill -INT "$XPID"
once_more() { sleep 0.5; kill -INT "$XPID" 2>/dev/null; gone_or_zombie "$XPID"; } # a second one is one that comes later
wait_for 3 once_more || fail "a second signal does not end it: $(cat "$LOG")"
ended 130
wait_for 20 gone "$CHILD" || fail "the daemon lives on"
soon_unharmed "$DEMO"
wait_for 10 not_mounted || fail "still mounted"

# Who kills the daemon before it is ready (the kernel, for want of memory) tells nobody else.
mend_disk
child_of_daemon
kill -KILL "$CHILD"
ended 1
grep -q "killed by signal 9" "$LOG" || fail "nothing is said of a daemon that was killed: $(cat "$LOG")"
soon_unharmed "$DEMO"
wait_for 10 not_mounted || fail "still mounted"
