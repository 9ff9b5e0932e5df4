# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced after lib.sh by the cases that need a disk which does not answer: $DISK shows $T/behind until
# it hangs.
# shellcheck shell=bash

make_disk() {
	DISK=$T/disk
	mkdir -p "$T/behind" "$DISK"
	fresh "$T/through"
	"$XGOTOPFS_BUILD/tests/targets/through_fs" "$T/behind" "$DISK" >"$T/through" 2>&1 &
	THROUGH=$!
	on_exit end_disk
	wait_for 10 grep -q ready "$T/through" || fail "no file system: $(cat "$T/through")"
}

end_disk() {
	kill -KILL "$THROUGH" 2>/dev/null
	! grep -q " $DISK fuse" /proc/mounts || fusermount3 -u -z "$DISK"
}

hang_disk() {
	kill -USR1 "$THROUGH"
	wait_for 20 grep -q '^State:.T' "/proc/$THROUGH/status" || fail "the disk does not hang"
}

# hang_disk_within: with a request that it has taken, so that who waits for it cannot even be killed.
hang_disk_within() {
	on_exit mend_disk # or what ends nobody would be waited for
	kill -USR2 "$THROUGH"
	wait_for 20 grep -q '^State:.T' "/proc/$THROUGH/status" || fail "no request came"
}

mend_disk() { kill -CONT "$THROUGH"; }
