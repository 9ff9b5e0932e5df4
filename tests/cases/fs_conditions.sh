#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# wait/<condition>: a read waits until it holds, then there is one line, and the end; what is no condition is
# not there; a signal, O_NONBLOCK, poll and the end of the program end the wait.
# timeout: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need python3 timeout
demo_start -g 5
W=$MNT/wait

# A condition has any number, and nothing else is one. None is listed: cp -a and find would wait.
for f in goroutines_gt_0 goroutines_gt_137438953471 blocked_gt_0 blocked_gt_1h30m blocked_gt_1.5s; do
	[ -f "$W/$f" ] || fail "$f is not there"
done
for f in goroutines_gt_ goroutines_gt_-1 goroutines_gt_07 goroutines_gt_1x goroutines_gt_137438953472 \
	goroutines_gt_99999999999999999999 blocked_gt_ blocked_gt_10 blocked_gt_1ns blocked_gt_s blocked_gt_-1s nothing; do
	[ ! -e "$W/$f" ] || fail "$f is there"
	cat "$W/$f" >"$T/none" 2>&1 && fail "$f can be read"
	grep -q 'No such file' "$T/none" || fail "$f: $(cat "$T/none")"
done
expect "ls wait" "$(ls "$W")" ""
(echo x >"$W/goroutines_gt_5") 2>/dev/null && fail "it can be written to"

# What holds already is told at once, also to many at a time and in small pieces; the same in processes/PID.
expect "what holds" "$(timeout $((10 * SLACK)) cat "$W/goroutines_gt_4")" "goroutines=5"
expect "of one process" "$(timeout $((10 * SLACK)) cat "$MNT/processes/4000/wait/goroutines_gt_4")" "goroutines=5"
expect "piece by piece" "$(timeout $((10 * SLACK)) dd if="$W/goroutines_gt_4" bs=3 status=none)" "goroutines=5"
timeout $((10 * SLACK)) cat "$W/blocked_gt_1ms" >"$T/blocked" || fail "nobody is blocked"
grep -qE '^blocked_ns=[0-9]+ goid=[0-9]+ function=".+" reason="(chan receive|select)"$' "$T/blocked" || fail "$(cat "$T/blocked")"
expect "lines" "$(wc -l <"$T/blocked")" 1

# What does not hold is waited for.
timeout $((30 * SLACK)) cat "$W/goroutines_gt_7" >"$T/seven" &
SEVEN=$!
timeout $((30 * SLACK)) cat "$W/goroutines_gt_9" >"$T/nine" &
NINE=$!
on_exit "end $SEVEN $NINE"
opened() { [ "$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c "$W/goroutines_gt_$1")" -ge 1 ]; }
wait_for 10 opened 7 && wait_for 10 opened 9 || fail "not opened"
demo goroutines 2
[ ! -s "$T/seven" ] || fail "it did not wait: $(cat "$T/seven")"
demo goroutines 1
wait "$SEVEN" || fail "it does not end: $?"
expect "when it holds" "$(cat "$T/seven")" "goroutines=8"
[ ! -s "$T/nine" ] && kill -0 "$NINE" || fail "9 did not wait: $(cat "$T/nine")"

# Who waits can be interrupted, must not wait, or polls.
timeout -s INT 1 cat "$W/goroutines_gt_1000"
expect "a signal" $? 124
cat >"$T/poll.py" <<'PY'
import os, select, subprocess, sys
path, enough = sys.argv[1:]
fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
try:
    sys.exit(f"read without waiting: {os.read(fd, 100)}")
except BlockingIOError:
    pass
poll = select.poll()
poll.register(fd, select.POLLIN)
assert not poll.poll(300), "ready before"
print("polls", flush=True)
assert poll.poll(20000 * int(os.environ["SLACK"])), "never ready"
assert os.read(fd, 100) == f"goroutines={enough}\n".encode()
assert os.read(fd, 100) == b""
PY
python3 "$T/poll.py" "$W/goroutines_gt_8" 9 >"$T/polls" 2>&1 &
POLL=$!
on_exit "end $POLL"
polls() { grep -q polls "$T/polls"; }
wait_for 20 polls || fail "$(cat "$T/polls")"
demo goroutines 1
wait "$POLL" || fail "poll: $(cat "$T/polls")"

# The end of the program is the end of the wait.
demo exit
wait "$NINE" || fail "9 does not end: $?"
expect "nothing is told" "$(cat "$T/nine")" ""
expect "what holds still does" "$(timeout $((10 * SLACK)) cat "$W/goroutines_gt_8")" "goroutines=9"
