#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -probes demand: whoever reads events brings the probes in, in whatever way it reads, sees events soon, and no probe
# is left after it, also where it was killed.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_tracing
need_websockets
private_demo
load -c 1 -n 100000000 2>/dev/null & # something to see
LOAD=$!
on_exit "end $LOAD"

says_of() { sed -n "s/^$1 //p" "$MNT/health"; }
readers() { [ "$(says_of event_readers)" = "$1" ]; }
intact() { python3 "$ROOT/tests/code_intact.py" "$DEMO" >/dev/null; }
in_now() { [ "$(says_of probes_in)" = yes ]; }
out() { [ "$(says_of probes_in)" = no ] && intact; }

# 100 ms on a machine with processors to spare.
SOON_MS=$((100 * $(slowed 1) * SLACK))
# How long from the open to the first event that comes after it, in ms.
first_event() {
	python3 - "$1" <<'PY'
import os, select, sys, time
path = sys.argv[1]
began = time.monotonic()
fd = os.open(path, os.O_RDONLY | (os.O_NONBLOCK if path.endswith("pipe") else 0))
if not path.endswith("pipe"):
    os.lseek(fd, 0, os.SEEK_END)
while time.monotonic() - began < 5 * int(os.environ["SLACK"]):
    try:
        text = os.read(fd, 65536)
    except BlockingIOError:
        text = b""
    if any(b" casgstatus " in l or b" newobject " in l or b'"attributes"' in l for l in text.splitlines()):
        print(round((time.monotonic() - began) * 1000))
        sys.exit(0)
    time.sleep(0.002)
sys.exit("no event")
PY
}

# left WHO: five seconds after it went, no probe is there.
left() {
	local since
	since=$(date +%s%N)
	wait_at_most "$(slowed 5)" out || fail "$1: a probe is left $((($(date +%s%N) - since) / 1000000)) ms after it: $(grep -E '^(probes|event_r)' "$MNT/health")"
	echo "$1: out $((($(date +%s%N) - since) / 1000000)) ms after it"
}

mount_demo -probes demand -web -web-port 0 -record=false -storage-dir "$T/s"
wait_web
wait_for 10 out || fail "probes are in and nobody reads"
for file in events events.jsonl events_pipe; do
	wait_for 10 readers 0 || fail "$file: who is it that reads: $(says_of event_readers)"
	ms=$(first_event "$MNT/$file") || fail "$file: $ms"
	echo "$file: the first event after $ms ms"
	# By what the machine had to do before, or had meanwhile.
	[ "$ms" -le "$SOON_MS" ] || [ "$ms" -le $((100 * $(slowed 1) * SLACK)) ] || fail "$file: no event within $SOON_MS ms, but after $ms"
	left "$file"
done

# Of a goroutine alone; -f, as people do it, and a program that is killed while it reads.
tail -n 0 -s 0.02 -f "$MNT/goroutines/1/events" >"$T/of_one" &
reader=$!
on_exit "end $reader"
wait_for 10 readers 1 || fail "a goroutine's own events: $(says_of event_readers) readers"
wait_for 10 in_now || fail "no probe for a goroutine's events"
kill -KILL "$reader"
wait "$reader" 2>/dev/null
left "tail -f of a goroutine, killed"

# By the web: the original's frames, protobuf, and the ticks that the UI's timeline lives from.
cat >"$T/ws.py" <<'PY'
import asyncio, sys, time, websockets
async def main(url, protocol):
    began = time.monotonic()
    async with websockets.connect(url, subprotocols=[protocol] if protocol else None, max_size=1 << 26) as ws:
        while True:
            frame = await asyncio.wait_for(ws.recv(), 60)
            if protocol == "xgotop.ticks" or len(frame) > 60:
                break
        print(round((time.monotonic() - began) * 1000), flush=True)
        await asyncio.sleep(3600)
asyncio.run(main(*sys.argv[1:]))
PY
for protocol in "" xgotop.pb xgotop.ticks; do
	fresh "$T/ws.out"
	"$PYTHON" "$T/ws.py" "${WEB/http/ws}ws" "$protocol" >"$T/ws.out" 2>&1 &
	reader=$!
	on_exit "end $reader"
	wait_for 20 [ -s "$T/ws.out" ] || fail "/ws $protocol: nothing"
	wait_for 5 readers 1 || fail "/ws $protocol: $(says_of event_readers) readers, $(cat "$T/ws.out")"
	wait_for 5 in_now || fail "/ws $protocol: no probe"
	echo "/ws $protocol: the first frame after $(cat "$T/ws.out") ms"
	kill -KILL "$reader"
	wait "$reader" 2>/dev/null
	left "/ws $protocol, killed"
done

# Several: who leaves takes nothing from the others, and one who opens it again at once finds the probes in.
for n in 1 2 3 4 5 6 7 8; do
	fresh "$T/tail.$n"
	tail -n 0 -s 0.02 -f "$MNT/events" >"$T/tail.$n" &
	tails[n]=$!
	on_exit "end ${tails[n]}"
done
wait_for 10 readers 8 || fail "of eight readers $(says_of event_readers)"
wait_for 5 in_now || fail "no probe for eight readers"
switched=$(says_of probes_switched)
for n in 1 2 3 4 5 6 7; do kill -KILL "${tails[n]}"; done
wait_for 10 readers 1 || fail "of one reader $(says_of event_readers)"
sleep 5
grown=$(stat -c %s "$T/tail.8")
more() { [ "$(stat -c %s "$T/tail.8")" -gt "$grown" ]; }
wait_for 5 more || fail "seven of eight readers were killed, and the last one sees nothing more"
since=$(date +%s%N)
kill -KILL "${tails[8]}"
head -c 100 "$MNT/events" >/dev/null
now=$(says_of probes_switched)
# Two seconds are waited for the next one, which a busy machine may take for this.
[ $(($(date +%s%N) - since)) -gt 1500000000 ] || expect "switched by who comes and goes" "$now" "$switched"
left "the last of eight"
stop_xgotopfs

# A recording is one as long as it goes on: where the disk is full, nobody reads any more.
mkdir "$T/small"
if mount -t tmpfs -o size=2m tmpfs "$T/small" 2>/dev/null; then
	on_exit "umount $T/small"
	mount_demo -probes demand -record -storage-dir "$T/small/s"
	wait_for 10 readers 1 || fail "a recording: $(says_of event_readers) readers"
	wait_for 5 in_now || fail "no probe for a recording"
	wait_for 60 says "recording stopped: No space left" || fail "the disk does not fill up: $(df "$T/small")"
	wait_for 10 out || fail "probes for a recording that has stopped: $(grep -E '^(probes|event_r|record)' "$MNT/health")"
	kill -INT "$XPID"
	ended 1
fi
unharmed "$DEMO"
