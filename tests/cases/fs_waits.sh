#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Nobody waits for what another one asked for, a signal ends every wait, and so does our own end:
# commands and renderings that take seconds, readers in tight loops.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need python3 pgrep
SLOW_MS=$((1500 * SLACK)) # of what others must not wait for
cat >"$T/waits.py" <<'PY'
import os, signal, subprocess, sys, time
mnt, slow = sys.argv[1], int(sys.argv[2]) / 1000

def timed(fn):
    start = time.monotonic()
    fn()
    return time.monotonic() - start

def look():
    os.listdir(mnt)
    for name in "stats", "control/pause", "control/sample", "goroutines/1/status", "events":
        open(f"{mnt}/{name}").read()
    os.listdir(mnt + "/by-wait/select")
    os.stat(mnt + "/by-func/main.main.func1/3")

# Two slow commands, one of them waiting for the other: everybody else is served.
writers = []
for _ in range(2):
    writers.append(subprocess.Popen(["sh", "-c", f"echo 1 >{mnt}/control/pause"]))
    time.sleep(0.4) # the first one is in
took = max(timed(look) for _ in range(3))
assert took < slow / 4, f"others waited {took:.1f} s for a command"

# A signal ends the wait for a command that has been begun, and then for one that has not. (The kernel
# itself lets one writer at a time to a file.)
for writer in writers:
    assert writer.poll() is None
    took = timed(lambda: (writer.send_signal(signal.SIGINT), writer.wait(slow)))
    assert took < slow / 3, f"a signal ended a writer after {took:.1f} s"

# The same for a rendering.
reader = subprocess.Popen(["cat", mnt + "/stacks"], stdout=subprocess.DEVNULL)
time.sleep(0.5)
took = timed(lambda: (reader.send_signal(signal.SIGINT), reader.wait(slow)))
assert took < slow / 3, f"a signal ended a reader after {took:.1f} s"

# What was begun takes effect; what was only asked for, and not waited for, does not.
deadline = time.monotonic() + 4 * slow
while open(mnt + "/control/pause").read() != "1\n":
    assert time.monotonic() < deadline
    time.sleep(0.05)
PY
# Who has others wait does so each time; a machine that stands still for a second, now and then.
for turn in 1 2 3; do
	demo_start -g 100 -slow-pause "$SLOW_MS" -slow-stacks "$SLOW_MS"
	demo events 10
	timeout $((60 * SLACK)) python3 "$T/waits.py" "$MNT" "$SLOW_MS" && break
	[ "$turn" -lt 3 ] || fail "waits"
	demo_stop
done

# A signal that ends nothing does not break a read: the answer comes within a moment.
demo_stop
demo_start -g 100 -slow-stacks 100
cat >"$T/alarm.c" <<'C'
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>
static volatile sig_atomic_t rang;
static void ring(int signo) { rang = signo; }
int main(int argc, char **argv)
{
	const struct itimerval soon = {.it_value.tv_usec = 30000};
	int fd;

	(void)argc;
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = ring}, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		perror("open");
	return !rang ? 2 : fd < 0;
}
C
if command -v cc >/dev/null && cc -o "$T/alarm" "$T/alarm.c"; then
	for _ in 1 2 3 4 5; do # a machine with much to do may take longer than that moment, now and then
		read -rt 0.2 <>"$T/never" # what was rendered is kept for 100 ms
		"$T/alarm" "$MNT/stacks"
		status=$?
		[ "$status" != 2 ] || fail "the alarm came too late"
		[ "$status" != 0 ] || break
	done
	expect "an open with an alarm in it" "$status" 0
fi

# Nor does it break a command that takes half a second: a shell whose child ends just then is told that it is done.
demo_stop
demo_start -g 100 -slow-pause 500
command_with_a_child() {
	sleep 0.1 &
	echo 1 >"$MNT/control/pause" && wait $!
}
command_with_a_child || command_with_a_child || command_with_a_child || fail "a command in which a child ended"

# Readers that never rest do not keep it from ending.
for _ in 1 2 3 4 5 6 7 8; do
	python3 -c 'import sys
try:
    while True: open(sys.argv[1]).read()
except OSError: pass' "$MNT/goroutines/1/status" &
	on_exit "end $!"
done
wait_for 20 pgrep -f "$MNT/goroutines/1/status" >/dev/null
sleep 0.5
cat "$MNT/events_pipe" >/dev/null 2>&1 & PIPE=$!
python3 -c 'import sys, time
file = open(sys.argv[1]); print("open", flush=True); time.sleep(100)' "$MNT/events_pipe" >"$T/idle" &
on_exit "end -KILL $PIPE $!"
wait_for 20 grep -q open "$T/idle" || fail "it did not come to that"
kill -STOP "$PIPE"
kill -INT "$DEMO"
wait_for 20 gone "$DEMO" || fail "readers in a loop keep it from ending"
wait "$DEMO" || fail "status $?: $(cat "$T/log")"
demo_stop

# Nor does what never comes to an end, which is left behind.
demo_start -g 100 -slow-stacks 600000
cat "$MNT/stacks" >/dev/null 2>&1 & CAT=$!
cat "$MNT/stacks" >/dev/null 2>&1 &
wait_for 10 answered rendering || fail "nobody renders"
kill -INT "$DEMO"
wait_for 10 gone "$DEMO" || fail "a helper that is stuck keeps it from ending"
wait_for 20 gone "$CAT" || fail "its reader waits on"
grep -q "left behind" "$T/log" || fail "nothing is said: $(cat "$T/log")"
