#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A flood that nobody reads for three seconds: what was captured and what was lost are together what was,
# of each type; and what lives afterwards is known again within two seconds. The truth is the program's own
# count, and for changes of state, which no program can count, that of a second tracer that loses nothing.
# timeout: 120
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
FLOOD=$("$ROOT/tests/targets/build.sh" local plain flood) || fail "the flood does not build"
start_target "$FLOOD"
TYPES="casgstatus newgoroutine goexit newobject makeslice makemap"
floods=1

# flood SECONDS WORKERS COMMAND...: sets DONE to the line that says what was done.
flood() {
	local seconds=$1 workers=$2
	shift 2
	floods=$((floods + 1))
	echo "f $seconds $workers" >&8
	"$@"
	wait_for 60 flooded || fail "the flood does not end"
	DONE=$(tail -n 1 "$T/target.out")
}
flooded() { [ "$(grep -c '^newgoroutine' "$T/target.out")" -ge "$floods" ]; }
done_of() { echo "$DONE" | grep -o "$1 [0-9]*" | cut -d' ' -f2; }
stat() { sed -n "s/^$2 //p" "$1/stats"; }
living() { jq -c '.[] | select(.state != "dead") | [.goid, .state, .wait_reason, .start_func]' "$1/goroutines.json" | sort; }
held_up() {
	sleep 0.2
	kill -STOP "$XPID"
	sleep 3
	kill -CONT "$XPID"
}

# --- held up for three seconds
REF=$T/reference
mkdir "$REF"
"$XGOTOPFS" -pid "$DEMO" -ring-size 256M "$REF" >/dev/null 2>"$T/reference.log" &
reference=$!
end_reference() {
	kill -INT "$reference" 2>/dev/null && wait "$reference"
	! grep -q " $REF fuse" /proc/mounts || fusermount3 -u -z "$REF"
}
on_exit end_reference
wait_for "$PATIENCE" grep -q "Ctrl-C ends" "$T/reference.log" || fail "the second tracer: $(cat "$T/reference.log")"
mount_demo -ring-size 1M
flood 3 2 held_up
back=$(date +%s%N)
applied() { [ "$(stat "$MNT" ewp)" = 0 ] && [ "$(stat "$REF" ewp)" = 0 ]; }
wait_for 20 applied || fail "the backlog is not applied"
# For every figure: how many live in each state, and who.
healed() {
	diff <(grep -E '^goroutines_(live|runnable|running|syscall|waiting|state_unknown) ' "$MNT/stats") \
		<(grep -E '^goroutines_(live|runnable|running|syscall|waiting|state_unknown) ' "$REF/stats") &&
		grep -q '^states_in_doubt no' "$MNT/stats"
}
wait_at_most "$(slowed $((SLACK / 2)))" healed >"$T/diff" || fail "not healed in two seconds: $(tail -n 20 "$T/diff")"
echo "healed $((($(date +%s%N) - back) / 1000000)) ms after the flood"
[ "$(living "$REF" | wc -l)" -ge 4 ] || fail "few live: $(living "$REF")"
same_live() { [ "$(living "$MNT")" = "$(living "$REF")" ]; } # the runtime wakes one of its own now and then
wait_for 5 same_live || fail "who lives: $(diff <(living "$MNT") <(living "$REF"))"
expect "what the reference lost" "$(stat "$REF" lost_total)" 0
for type in $TYPES; do
	captured=$(stat "$MNT" "events_$type") lost=$(stat "$MNT" "lost_$type") truth=$(stat "$REF" "events_$type")
	echo "$type: captured $captured lost $lost truth $truth"
	expect "captured and lost of $type" "$((captured + lost))" "$truth"
	[ "$lost" -gt 0 ] || fail "no $type was lost: the flood is too small"
done
# The program's own counts; one goroutine was started before the reference came.
for type in newgoroutine goexit; do
	expect "what the program did, $type" "$(stat "$REF" "events_$type")" "$(($(done_of "$type") - 1))"
done
for type in newobject makeslice makemap; do
	more=$(($(stat "$REF" "events_$type") - $(done_of "$type")))
	[ "$more" -ge 0 ] && [ "$more" -lt 200 ] || fail "$type: $more more than the program counts"
done
expect "lines that say what helps" "$(grep -c 'found no room in a ring: .*-ring-size' "$LOG")" 1
stop_xgotopfs
end_reference
unharmed "$DEMO"

# --- whoever is slow, and what a bound lets go: little is retained, and a flood goes by
start_xgotopfs -pid "$DEMO" -retain 2000 -retain-exited 5 -web -web-port 0 -storage-dir "$T/sessions" "$MNT"
wait_ready
wait_web
# A reader of events_pipe, one of /ws and a download that stop after their beginning.
cat >"$T/slow.py" <<'PY'
import os, re, socket, sys, time
pipe, url = sys.argv[1:]
host, port = re.match(r"http://([^:/]+):(\d+)", url).groups()
pipe = os.open(pipe, os.O_RDONLY)
def ask(request):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect((host, int(port)))
    s.sendall((request + f"Host: {host}:{port}\r\n\r\n").encode())
    return s
ws = ask("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")
ws.recv(20)
print("ready", flush=True)
os.read(pipe, 100)
def begin():  # what the kernel takes at once of a short one is not slow
    downloads = [ask("GET /api/live/events?format=jsonl&limit=100000 HTTP/1.1\r\n") for _ in range(8)]
    texts = {download: download.recv(100) for download in downloads}
    time.sleep(1.5)
    for download in downloads:
        download.setblocking(False)
    return texts
os.set_blocking(pipe, False)
def read(call):
    try:
        return call(65536)
    except BlockingIOError:
        time.sleep(0.002)
def holed(texts):
    return any(re.search(rb'"event_type":6,.*"lost":[1-9]', text) for text in texts.values())
deadline = time.monotonic() + 15 * int(os.environ["SLACK"])
texts = begin()
for _ in range(100):
    read(lambda n: os.read(pipe, n))
# Where some are missing in what a download gets, there is a line; those that were whole at once are begun again.
while not holed(texts):
    assert time.monotonic() < deadline, "no line says that events are missing"
    ended = 0
    for download in texts:
        more = read(download.recv)
        texts[download] += more or b""
        ended += more == b"" or texts[download].endswith(b"0\r\n\r\n")
    if ended == len(texts):
        texts = begin()
PY
fresh "$T/slow"
python3 "$T/slow.py" "$MNT/events_pipe" "$WEB" >"$T/slow" 8>&- &
slow_pid=$!
on_exit "end $slow_pid"
wait_for 20 grep -q ready "$T/slow" || fail "the slow readers do not begin" # or it would be over before
slow() { wait "$slow_pid" || fail "the slow readers"; }
flood 4 2 slow
shows() { [ "$(stat "$MNT" "loss_$1")" -gt 0 ]; }
for way in events_forgotten goroutines_forgotten mount_missed download_missed stream_missed timeline_missed \
	recording_missed; do
	wait_for 20 shows "$way" || fail "nothing was lost that way: $way: $(grep loss_ "$MNT/stats")"
	for shown in "$(grep "^$way	" "$MNT/losses.tsv" | cut -f2)" \
		"$(sed -n "s/^loss $way \([0-9]*\) .*/\1/p" "$MNT/health")" \
		"$(sed -n "s/^xgotopfs_losses_total{way=\"$way\",.*} //p" "$MNT/metrics")" \
		"$(curl -s "${WEB}api/live/losses" | jq ".[] | select(.way == \"$way\").count")" \
		"$(curl -s "${WEB}api/live/status" | jq ".losses[] | select(.way == \"$way\").count")"; do
		[ "${shown:-0}" -gt 0 ] || fail "$way is not shown everywhere: '$shown'"
	done
done
expect "what the others lost" "$(stat "$MNT" lost_total)" 0
# What a recording lacks is a line wherever it is read.
session=$(ls "$MNT/sessions")
same() {
	curl -s "${WEB}api/sessions/$session/events?format=jsonl" >"$T/by_web" && cat "$MNT/sessions/$session/events.jsonl" >"$T/by_mount" &&
		cmp -s "$T/by_web" "$T/by_mount" && grep -q '"event_type":6,.*"lost":[1-9]' "$T/by_web"
}
wait_for 10 same || fail "the session is not the same by web and by mount: $(wc -l "$T/by_web" "$T/by_mount"; grep -c '"event_type":6' "$T/by_web" "$T/by_mount")"
stop_xgotopfs
unharmed "$DEMO"
