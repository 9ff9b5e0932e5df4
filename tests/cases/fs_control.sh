#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Control files: a write is a command, a bad one is refused and changes nothing.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
demo_start -g 1
cd "$MNT/control" || fail "no controls"
on_exit "cd /"
echo newobject:0.1,casgstatus:1 >sample || fail "sample"
SAMPLE=$(cat sample)
case $SAMPLE in *newobject:0.1*) ;; *) fail "sample is '$SAMPLE'" ;; esac
# The shell has no more to say than the errno: one line in the log says what was wrong and what is taken.
refused() { # FILE TEXT ERROR [LOGGED]
	local out lines
	lines=$(wc -l <"$T/log")
	out=$( (printf '%s' "$2" >"$1") 2>&1) && fail "'$2' was accepted by $1"
	case $out in *"$3"*) ;; *) fail "'$2' to $1: $out" ;; esac
	expect "lines in the log for '${2:0:40}' to $1" $(($(wc -l <"$T/log") - lines)) 1
	tail -n 1 "$T/log" | grep -q "control/$1: .*${4:-}" || fail "'${2:0:40}' to $1 is logged as: $(tail -n 1 "$T/log")"
}
# Also a list of which all but the last is good.
for bad in nonsense newobject:2 newobject newobject:0.1,newobject:1 "newobject:-1" makemap:1,bogus:1 makemap:1,goexit:1e400 \
	makemap:1,goexit:18446744073709551617 makemap:1,goexit:nan; do
	refused sample "$bad" "Invalid argument"
	expect "after '$bad'" "$(cat sample)" "$SAMPLE"
done
echo "newobject:1" >>sample || fail ">>"
expect "after >>" "$(cat sample)" "newobject:1"
refused sample "$(head -c 3000 /dev/zero | tr '\0' x)" "Invalid argument" "is not an event"
dd if=/dev/zero of=sample bs=5000 count=1 conv=notrunc status=none 2>/dev/null && fail "5000 bytes were accepted"
tail -n 1 "$T/log" | grep -q "control/sample: what was written is longer than any command: one line is taken" ||
	fail "5000 bytes are logged as: $(tail -n 1 "$T/log")"
expect "too long" "$(cat sample)" "newobject:1"
echo 1 >pause && expect pause "$(cat pause)" 1
refused pause 2 "Invalid argument" '"2" is not taken: 0 (go on) or 1 (pause)'
refused pause yes "Invalid argument" '"yes" is not taken: 0'
printf '1\n0' >"$T/two" && dd if="$T/two" of=pause conv=notrunc status=none 2>/dev/null && fail "two lines were accepted"
tail -n 1 "$T/log" | grep -q "control/pause: what was written is more than one line" || fail "two lines: $(tail -n 1 "$T/log")"
refused pause " " "Invalid argument" "is empty"
refused pause $'\e[2J\t' "Invalid argument" '"?\[2J?" is not taken'
echo 0 | tee pause >/dev/null && expect pause "$(cat pause)" 0
echo 2.5 >max_overhead && expect max_overhead "$(cat max_overhead)" 2.5
for bad in x -1 inf nan 101 1e3 1e400 0x10 1.2.3 18446744073709551616 " 5" 5%; do refused max_overhead "$bad" "Invalid argument" "is not taken: 0 (no bound), or 0.0001 to 100 percent"; done
refused max_overhead 0.00001 "Invalid argument" "is not taken"
refused max_overhead 66 "Numerical result out of range" "Numerical result out of range"
expect "after bad values" "$(cat max_overhead)" 2.5
truncate -s 0 pause && expect "truncate" "$(cat pause)" 0
[ ! -e replay ] || fail "replay without a replay"
