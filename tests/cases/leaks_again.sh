#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who reads `leaks`, makes a leak and reads again is not answered by the look before: the rests between passes of a small
# heap are no reason to wait ten times as long.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl
own_demo ""
start_demo "$DEMO_BINARY"
mount_demo
of() { sed -n "s/^$1 //p" "$T/leaks"; }
cat "$MNT/leaks" >"$T/leaks" || fail "leaks cannot be read"
expect "leaked at first" "$(of leaked)" 0
first=$(of as_of_unix_ns)
curl -fs "$URL/leak" >/dev/null || fail "the demo does not answer"
again() { cat "$MNT/leaks" >"$T/leaks" && [ "$(of as_of_unix_ns)" != "$first" ]; }
wait_for 40 again || fail "nobody looks again: $(cat "$T/leaks")"
expect "leaked then" "$(of leaked)" 1
worked=$(($(of pass_ns) * $(of passes) / 1000000)) between=$((($(of as_of_unix_ns) - first) / 1000000))
echo "looked again after $between ms, worked $worked ms"
# Two seconds, or ten times what it worked, and a look of a second and a half.
[ "$between" -lt $((8000 + 20 * worked)) ] || fail "the next look came $between ms later, of $worked ms of work"
stop_xgotopfs INT
