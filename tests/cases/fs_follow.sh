#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `events` under the tools that follow and read: every event once, in order, while more come.
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need busybox
demo_start -g 5
E=$MNT/events
PIDS=()
stop_followers() { kill "${PIDS[@]}" 2>/dev/null; }
on_exit stop_followers

demo events 500
tail -f "$E" >"$T/f" 2>"$T/f.err" & PIDS+=($!)
tail -n +1 -f "$E" >"$T/n1" 2>"$T/n1.err" & PIDS+=($!)
tail -c +1 -f "$E" >"$T/c1" 2>"$T/c1.err" & PIDS+=($!)
tail -s 0.1 -n 3 -F "$E" >"$T/F" 2>"$T/F.err" & PIDS+=($!)
busybox tail -f "$E" >"$T/bb" 2>"$T/bb.err" & PIDS+=($!)
tail -n +1 -f "$MNT/goroutines/3/events" >"$T/g" 2>"$T/g.err" & PIDS+=($!)
began() { [ -s "$T/$1" ]; }
for f in f n1 c1 F bb g; do wait_for 10 began $f || fail "$f shows nothing"; done

demo rate 2000
grows() { [ "$(wc -l <"$E")" -gt 501 ]; }
wait_for 10 grows || fail "no events"
sleep 3
demo rate 0
demo events 1
LAST=$(($(wc -l <"$E") - 1))
has_last() { tail -n 1 "$T/$1" | grep -q " size=$LAST "; }
for f in f n1 c1 F bb; do wait_for 10 has_last $f || fail "$f does not reach event $LAST"; done
stop_followers
for f in f bb; do numbers "$T/$f" | is_sequence 490 "$LAST" || fail "$f"; done
for f in n1 c1; do numbers "$T/$f" | is_sequence 0 "$LAST" || fail "$f"; done
numbers "$T/F" | is_sequence 497 "$LAST" || fail F
for f in "$T"/*.err; do [ ! -s "$f" ] || fail "$f: $(cat "$f")"; done
numbers "$T/g" | awk '$1 % 5 != 2 { exit 1 }' || fail "another goroutine's events"
cmp -s <(grep ' 3 newobject' "$E") "$MNT/goroutines/3/events" || fail "a goroutine's own events"

# Tools that read to the end.
N=$((LAST + 1))
numbers "$E" | is_sequence 0 "$LAST" || fail "sed"
expect "wc -l" "$(wc -l <"$E")" $N
expect "wc -c" "$(wc -c <"$E")" "$(stat -c %s "$E")"
expect "grep -c" "$(grep -c newobject "$E")" $N
expect "awk" "$(awk 'END { print NR }' "$E")" $N
expect "head" "$(head -n 3 "$E" | numbers | tr '\n' ' ')" "0 1 2 "
expect "tail -n" "$(tail -n 2 "$E" | numbers | tr '\n' ' ')" "$((LAST - 1)) $LAST "
expect "tac" "$(tac "$E" | head -n 1 | numbers)" "$LAST"
expect "python" "$(python3 -c 'import sys; print(sum(1 for l in open(sys.argv[1])))' "$E")" $N
expect "read" "$(while read -r _ _ e _; do echo "$e"; done <"$E" | grep -c newobject)" $N
for c in "cp $E $T/copy" "busybox cp $E $T/copy" "dd if=$E of=$T/copy bs=777 status=none" \
	"dd if=$E of=$T/copy bs=1M status=none"; do
	rm -f "$T/copy"
	$c || fail "$c"
	numbers "$T/copy" | is_sequence 0 "$LAST" || fail "$c"
done
busybox cat "$E" | numbers | is_sequence 0 "$LAST" || fail "busybox cat (sendfile)"
expect "jsonl" "$(python3 -c 'import json,sys
print(sum(json.loads(l)["event_type"] == 3 for l in open(sys.argv[1])))' "$E.jsonl")" $N
expect "tar" "$(tar -cf - -C "$MNT" events | tar -xOf - events | wc -l)" $N
tar -cf "$T/all.tar" -C "$MNT" . 2>"$T/tar.err" || fail "tar: $(cat "$T/tar.err")"
mkdir "$T/cp" && tar -cf - -C "$MNT" . | tar -xf - -C "$T/cp" || fail "tar copy"
diff -r "$T/cp/goroutines/3/allocations" "$MNT/goroutines/3/allocations" || fail "diff"
