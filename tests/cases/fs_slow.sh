#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What takes long holds nobody else up: stacks of a slow target, the first look at a large feed.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need python3 busybox
SLOW_MS=$((1000 * SLACK)) # of what others must not wait for
cat >"$T/slow.py" <<'PY'
import os, sys, threading, time
mnt, long = sys.argv[1], int(sys.argv[2]) / 1000
worst = 0
stop = False
def look():
    global worst
    while not stop:
        t = time.monotonic()
        open(mnt + "/stats").read()
        os.stat(mnt + "/goroutines/7")
        worst = max(worst, time.monotonic() - t)
        time.sleep(0.005)
def timed(f):
    t = time.monotonic(); f(); return time.monotonic() - t
looker = threading.Thread(target=look); looker.start()
slow = threading.Thread(target=lambda: open(mnt + "/stacks").read()); slow.start()
first = timed(lambda: os.stat(mnt + "/events"))
again = min(timed(lambda: os.stat(mnt + "/events")) for _ in range(5))
size = os.stat(mnt + "/events").st_size
during = worst
slow.join()
cat = timed(lambda: os.system("cat %s/events >/dev/null" % mnt))
stop = True; looker.join()
print("first stat of 1,000,000 events %.3f s, again %.4f s; cat of %.0f MB %.2f s; others waited at most %.3f s"
      % (first, again, size / 1e6, cat, worst), file=sys.stderr)
assert first < 7.5 * long and again < 0.1 and worst < long / 4, (first, again, worst)
PY
# Who holds others up does so each time; a machine that stands still for a second, now and then.
for turn in 1 2 3; do
	demo_start -g 100 -slow-stacks "$SLOW_MS"
	demo events 1000000
	timeout $((60 * SLACK)) python3 "$T/slow.py" "$MNT" "$SLOW_MS" && break
	[ "$turn" -lt 3 ] || fail "slow"
	demo_stop
done
expect "all events" "$(wc -l <"$MNT/events")" 1000000
# A first look that does not stat: sendfile must not stop early, nor pad.
demo events 100000
expect "sendfile" "$(timeout $((30 * SLACK)) busybox cat "$MNT/events.jsonl" | tail -n 1 | grep -c '"attributes":\[1099999,')" 1
# One goroutine's log among a million events of all.
expect "of one goroutine" "$(timeout $((30 * SLACK)) wc -l <"$MNT/goroutines/7/events")" 10000
