#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Large, trimmed `events` through sendfile and the page cache's reads ahead: still whole lines in
# order, from the oldest retained on.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need busybox
demo_start -g 3 -retain 50000
demo events 100
[ "$(wc -l <"$MNT/events")" = 100 ] || fail "a hundred events"
demo events 40000
stat "$MNT/events" >/dev/null
demo events 40000
for c in "busybox cat $MNT/events" "cat $MNT/events"; do
	$c | numbers >"$T/numbers"
	FIRST=$(head -n 1 "$T/numbers")
	is_sequence "$FIRST" 80099 "$T/numbers" || fail "$c"
	[ "$FIRST" -le 31000 ] || fail "$c begins at $FIRST"
done
