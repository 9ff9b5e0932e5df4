#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Somebody sets the machine's clock while a program is traced (here: the clock that xgotopfs sees): health says so, times of
# day go on by the clock as it was, and nothing else minds.
# timeout: 120
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need cc python3
cc -shared -fPIC -D_GNU_SOURCE -o "$T/other_time.so" "$ROOT/tests/targets/other_time.c" -ldl || fail "the shim does not build"
printf '#!/bin/sh\nLD_PRELOAD=%s OTHER_TIME=%s exec %s "$@"\n' "$T/other_time.so" "$T/ahead" "$XGOTOPFS" >"$T/xgotopfs"
chmod +x "$T/xgotopfs"
XGOTOPFS=$T/xgotopfs
ahead() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(float(sys.argv[2]) * 1e9)))' "$T/ahead" "$1"; }
told() { grep -q "^limit the machine's clock is $1 what it would be" "$MNT/health"; }
newest() { tail -n 1 "$MNT/events" | cut -d. -f1; }
# by_the_old_clock: the events that come now are told by the time of day as it was.
by_the_old_clock() {
	local off now
	now=$(date +%s)
	load -n 20
	off=$(($(newest) - now))
	[ "${off#-}" -le $((10 * SLACK)) ] || fail "the newest event is $off s from now"
}
head -c 8 /dev/zero >"$T/ahead"
private_demo
mount_demo -s
by_the_old_clock
! grep -q "the machine's clock" "$MNT/health" || fail "nobody has set it: $(cat "$MNT/health")"
for set in 7230:"2h ahead of" -86430.25:"1d behind"; do
	ahead "${set%%:*}"
	wait_for 5 told "${set#*:}" || fail "${set%%:*}: $(grep "^limit" "$MNT/health")"
	wait_for 5 grep -q '^verdict good' "$MNT/health" || fail "$(head -n 1 "$MNT/health")"
	by_the_old_clock
	expect "lost" "$(sed -n 's/^lost_total //p' "$MNT/stats")" 0
	# What is reckoned in seconds does not mind.
	rate=$(sed -n 's/^rps //p' "$MNT/stats")
	[ -n "$rate" ] || fail "$(cat "$MNT/stats")"
done
ahead 0
wait_for 5 eval '! grep -q "the machine.s clock" "$MNT/health"' || fail "it is set back: $(cat "$MNT/health")"
stop_xgotopfs
