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
refused() { # FILE TEXT ERROR
	local out
	out=$( (printf '%s' "$2" >"$1") 2>&1) && fail "'$2' was accepted by $1"
	case $out in *"$3"*) ;; *) fail "'$2' to $1: $out" ;; esac
}
# Also a list of which all but the last is good.
for bad in nonsense newobject:2 newobject newobject:0.1,newobject:1 "newobject:-1" makemap:1,bogus:1 makemap:1,goexit:1e400 \
	makemap:1,goexit:18446744073709551617 makemap:1,goexit:nan; do
	refused sample "$bad" "Invalid argument"
	expect "after '$bad'" "$(cat sample)" "$SAMPLE"
done
echo "newobject:1" >>sample || fail ">>"
expect "after >>" "$(cat sample)" "newobject:1"
refused sample "$(head -c 5000 /dev/zero | tr '\0' x)" "Invalid argument"
expect "too long" "$(cat sample)" "newobject:1"
echo 1 >pause && expect pause "$(cat pause)" 1
refused pause 2 "Invalid argument"
refused pause yes "Invalid argument"
echo 0 | tee pause >/dev/null && expect pause "$(cat pause)" 0
echo 2.5 >max_overhead && expect max_overhead "$(cat max_overhead)" 2.5
for bad in x -1 inf nan 101 1e3 1e400 0x10 1.2.3 18446744073709551616 " 5" 5%; do refused max_overhead "$bad" "Invalid argument"; done
refused max_overhead 66 "Numerical result out of range"
expect "after bad values" "$(cat max_overhead)" 2.5
truncate -s 0 pause && expect "truncate" "$(cat pause)" 0
[ ! -e replay ] || fail "replay without a replay"
