#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Readers of `events` when little is retained: those that come late begin at a whole line, those
# that are overtaken are told how many events they missed, and nobody sees one twice.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need python3 busybox
demo_start -g 3 -retain 1000
E=$MNT/events

# adds_up FIRST|any LAST FILE: the numbers seen and those told as trimmed make an unbroken sequence.
adds_up() {
	awk -v first="$1" -v next_="$(numbers "$3" | head -n 1)" -v last="$2" '
		NR == 1 && first != "any" { next_ = first }
		# The text itself may begin with a line for what was missed before its first event.
		NR == 1 && $3 == "trimmed" && first == "any" { next }
		$3 == "trimmed" { sub("count=", "", $4); next_ += $4; told += $4; next }
		$3 != "newobject" { print "torn line " NR ": " $0; exit bad = 1 }
		{ sub("size=", "", $5); if ($5 != next_) { print "line " NR ": got " $5 ", wanted " next_; exit bad = 1 }
		  next_++ }
		END { if (!bad && next_ != last + 1) { print "ends at " next_ - 1; bad = 1 }
		      print "told of " told + 0 >"/dev/stderr"; exit bad }' "$3"
}

demo events 10
[ "$(wc -l <"$E")" = 10 ] || fail "ten events"
demo events 5000
SIZE=$(stat -c %s "$E")
# All that went between the two looks is told in a line where it is missing.
cat "$E" >"$T/cat"
adds_up 10 5009 "$T/cat" || fail "gap"
# As many are retained as may be: what watches over disks must not take that for a full one.
[ "$(stat -f -c %a "$MNT")" -gt 0 ] || fail "no room left: $(df "$MNT")"
df --output=pcent "$MNT" | awk 'NR == 2 { exit !($1 + 0 <= 60) }' || fail "full: $(df "$MNT")"
# Once more has gone, a new reader begins at the oldest line; sizes never shrink.
demo events 600
[ "$(stat -c %s "$E")" -ge "$SIZE" ] || fail "the size shrinks"
for c in "cat $E" "busybox cat $E" "dd if=$E bs=100 status=none" "grep . $E" "tail -n +1 $E"; do
	$c >"$T/out" || fail "$c"
	FIRST=$(numbers "$T/out" | head -n 1)
	[ "$FIRST" -le 4630 ] || fail "$c begins at $FIRST, 4610 is retained"
	adds_up any 5609 "$T/out" || fail "$c"
done
expect "tail -n 1" "$(tail -n 1 "$E" | numbers)" 5609

# Overtaken in the middle of the file, and of a line.
exec 5<"$E"
head -c 4000 <&5 >"$T/slow" # a pipe-less read of exactly that many bytes
demo events 3000
cat <&5 >>"$T/slow"
exec 5<&-
adds_up any 8609 "$T/slow" 2>"$T/told" || fail "overtaken"
grep -q "told of [1-9]" "$T/told" || fail "nobody told the reader"

# A reader of events_pipe that is overtaken is told as well.
cat >"$T/pipe.py" <<'PY'
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print("open", flush=True)
text = os.read(fd, 100)
sys.stdin.readline()
os.set_blocking(fd, False)
try:
    while part := os.read(fd, 777):
        text += part
except BlockingIOError:
    pass
open(sys.argv[2], "wb").write(text)
PY
mkfifo "$T/go"
exec 6<>"$T/go"
python3 "$T/pipe.py" "$MNT/events_pipe" "$T/pipe" <&6 >"$T/pipe.out" &
PY=$!
on_exit "end $PY"
wait_for 10 test -s "$T/pipe.out" || fail "it did not come to that"
demo events 10
demo events 5000
echo >&6
wait_for 10 gone $PY || fail "the pipe's reader does not end"
exec 6>&-
adds_up any "$(tail -n 1 "$E" | numbers)" "$T/pipe" 2>"$T/told" || fail "events_pipe"
grep -q "told of [1-9]" "$T/told" || fail "nobody told the pipe's reader"

# tail -f far too slow for what comes: no event twice, all that is missing is told.
tail -s 0.3 -n +1 -f "$E" >"$T/tail" 2>"$T/tail.err" &
TAIL=$!
on_exit "end $TAIL"
wait_for 10 test -s "$T/tail" || fail "it did not come to that"
demo rate 20000
sleep 2
demo rate 0
demo events 1
LAST=$(tail -n 1 "$E" | numbers)
has_last() { tail -n 1 "$T/tail" | grep -q " size=$LAST "; }
wait_for 10 has_last || fail "tail does not reach $LAST"
kill $TAIL
[ ! -s "$T/tail.err" ] || fail "tail: $(cat "$T/tail.err")"
adds_up any "$LAST" "$T/tail" || fail "tail"
