#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The main job: attach to a running, stripped server, mount, look, and leave without a trace.
# timeout: 240
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl
own_demo "" stripped
start_demo "$DEMO_BINARY"
curl -fs "$URL/leak" >/dev/null || fail "the demo does not answer"

mount_demo
expect "filesystem type" "$(findmnt -n -o FSTYPE "$MNT")" fuse.xgotopfs
# Goroutines that were there before us: seen at once, without an event.
expect "state of goroutine 1" "$(sed -n 's/^state //p' "$MNT/goroutines/1/status")" waiting
expect "start of goroutine 1" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
expect "leaked goroutines" "$(ls "$MNT/by-func" | grep -c forgotten)" 1
leaked=$(ls "$MNT/by-func/main.(*server).forgotten")
expect "why it waits" "$(sed -n 's/^wait_reason //p' "$MNT/goroutines/$leaked/status")" "chan receive"
wait_for 5 grep -q 'main.(\*server).leak' "$MNT/goroutines/$leaked/status" || fail "no creation site"
wait_for 5 grep -q 'main.(\*server).forgotten' "$MNT/goroutines/$leaked/stack" || fail "no stack"

load -n 600 -c 3
seen() { grep -q "$1" "$MNT/events"; }
for what in "casgstatus" "newobject type=main.Request size=" "makeslice type=main.Page" \
	"makemap key=int elem=" "newgoroutine child=.*func=main.fill" "goexit"; do
	wait_for 10 seen "$what" || fail "no '$what' in events"
done
# Of six paths three note a Request and one starts five goroutines that make one each.
requests() { sed -n 's/^count //p' "$MNT/types/main.Request" | head -n 1; }
requests_are() { [ "$(requests)" = "$1" ]; }
wait_for 10 requests_are 800 || fail "requests counted: $(requests) of 800"
fills() { grep -c ' newgoroutine .* func=main.fill' "$MNT/events"; }
fills_are() { [ "$(fills)" = "$1" ]; }
wait_for 10 fills_are 500 || fail "fill goroutines of their parent: $(fills) of 500"
expect "lost" "$(sed -n 's/^lost_total //p' "$MNT/stats")" 0
wait_for 5 grep -q '^verdict ' "$MNT/health" || fail "health has no verdict"

# The stack of who has exited says so, and is read without an error.
exited=$(awk -F'\t' '$2 == "dead" { print $1; exit }' "$MNT/goroutines.tsv")
[ -f "$MNT/goroutines/$exited/status" ] || fail "no exited goroutine: '$exited'"
wait_for 5 grep -q "^goroutine $exited \[exited\]:" "$MNT/goroutines/$exited/stack" || fail "the stack of one that has exited: $(cat "$MNT/goroutines/$exited/stack")"
expect "listed" "$(ls "$MNT/goroutines/$exited" | grep -cx stack)" 1
tar cf - -C "$MNT/goroutines" "$exited" >/dev/null 2>"$T/tar" || fail "tar: $(cat "$T/tar")"

# The rates can be changed while it runs; nonsense changes nothing.
echo newobject:1 >"$MNT/control/sample" || fail "control/sample refuses a rate"
expect "rates" "$(cat "$MNT/control/sample")" newobject:1
{ echo nosuch:1 >"$MNT/control/sample"; } 2>/dev/null && fail "control/sample took nonsense"
expect "rates after nonsense" "$(cat "$MNT/control/sample")" newobject:1

stop_xgotopfs INT
grep -q "events in .* 0 lost" "$LOG" || fail "no final count: $(cat "$LOG")"
unharmed "$DEMO"
curl -fs "$URL/job" >/dev/null || fail "the demo does not answer any more"

# SIGTERM, an unmount from outside, and in the background.
# The end with a reader that follows is as quiet as any.
mount_demo
tail -f "$MNT/events" >/dev/null 2>&1 &
on_exit "end $!"
following() { [ -n "$(find "/proc/$1/fd" -lname "$MNT/events" 2>/dev/null)" ]; }
wait_for 10 following $! || fail "tail does not follow"
stop_xgotopfs TERM
mount_demo
fusermount3 -u "$MNT" || fail "cannot unmount"
ended 0
unharmed "$DEMO"
# The first block of docs/oncall.md, as it is pasted, where there is no folder yet.
pasted=$(sed -n '/^    mkdir/,/^$/p' "$ROOT/docs/oncall.md" | sed "s,xgotopfs -,$XGOTOPFS -,; s,/mnt/x,$T/x,g; s,\$(pidof server),$DEMO,")
(cd "$T" && bash -c "$pasted" >"$T/said" 2>"$LOG") || fail "-daemon: $(cat "$LOG") of $pasted"
[ -s "$T/x/README" ] || fail "-daemon came back before it was mounted"
# It says how it ends, and what to type first.
grep -qF "; fusermount3 -u $T/x ends" "$LOG" && grep -qF ": cat $T/x/problems" "$LOG" || fail "-daemon says: $(cat "$LOG")"
grep -q '^problems [0-9]*, watched for' "$T/said" || fail "no problems of $pasted: $(cat "$T/said")"
fusermount3 -u "$T/x"
soon_unharmed "$DEMO"
# So is README.md's, to its end.
pasted=$(awk '/^```$/ { if (on) exit; on = 1; next } on' "$ROOT/README.md" | sed "s,^xgotopfs -,$XGOTOPFS -,; s,/mnt/xgotop,$T/readme,g; s,\$(pidof server),$DEMO,")
(cd "$T" && bash -e -c "$pasted" >"$T/said" 2>"$LOG") || fail "README.md: $(cat "$LOG") of $pasted"
for what in '^problems [0-9]*, watched for' '^verdict ' '^goroutine 1 \['; do
	grep -q "$what" "$T/said" || fail "no $what of $pasted: $(head -n 20 "$T/said")"
done
! mountpoint -q "$T/readme" || fail "README.md does not end it"
soon_unharmed "$DEMO"

# Killed outright: the kernel takes the probes, the target goes on, the next start works.
mount_demo
kill -KILL "$XPID"
wait "$XPID" 2>/dev/null
soon_unharmed "$DEMO"
mount_demo
expect "goroutine 1 after a crash" "$(sed -n 's/^state //p' "$MNT/goroutines/1/status")" waiting

# The target dies: the tree stays as it was, and says so.
load -n 60
kill -KILL "$DEMO"
wait "$DEMO" 2>/dev/null
wait_for 10 says "has exited.*; everything stays" || fail "no word of the end: $(cat "$LOG")"
expect "state of the process" "$(sed -n 's/^state //p' "$MNT/stats")" exited
expect "goroutine 1 is still there" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
tail -n 1 "$MNT/events" | grep -q . || fail "events are gone"
# The last stacks that were read stay, and say of when they are.
wait_for 5 grep -q "before the program ended" "$MNT/goroutines/1/stack" || fail "the last stack: $(head -n 3 "$MNT/goroutines/1/stack")"
tar cf - -C "$MNT" goroutines >/dev/null 2>"$T/tar" || fail "tar: $(head -n 3 "$T/tar")"
stop_xgotopfs INT
