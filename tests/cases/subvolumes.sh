#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# btrfs: a snapshot's files have the inode numbers of those that they were, and /proc/PID/maps gives them the
# device of all subvolumes. Who executes the snapshot's copy does not execute the file that is watched.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../redeploy_lib.sh"
need_tracing
need mkfs.btrfs
build_versions
truncate -s 256M "$T/image" && mkfs.btrfs -q "$T/image" || fail "no file system is made"
mkdir "$T/disk"
mount -o loop "$T/image" "$T/disk" 2>/dev/null || skip "no btrfs can be mounted here"
on_exit "umount -l $T/disk"
btrfs subvolume create "$T/disk/one" >/dev/null && cp "$V1" "$T/disk/one/app" &&
	sync -f "$T/disk" && btrfs subvolume snapshot "$T/disk/one" "$T/disk/two" >/dev/null || fail "no subvolumes"
expect "inode numbers" "$(stat -c %i "$T/disk/one/app")" "$(stat -c %i "$T/disk/two/app")"

APP=$T/disk/two/app
start_app
TWIN=$PID
exec 8>&7
APP=$T/disk/one/app
start_app
OWN=$PID
watch_app
wait_for "$PATIENCE" probed || fail "no probe in its own process: $(cat "$LOG")"
expect "processes" "$(ls "$MNT/processes")" "$OWN"
! grep -q "process $TWIN" "$LOG" || fail "the twin's process is spoken of: $(cat "$LOG")"
PID=$TWIN
! probed || fail "there are breakpoints in the snapshot's process"
PID=$OWN
stop_app
traced_exactly
stop_xgotopfs

# The snapshot's process by its number: all that it does.
PID=$TWIN
start_xgotopfs -pid "$TWIN" "$MNT" 7>&- 8>&-
wait_ready
echo 50 >&8
wait_for 20 counted 50 || fail "$(seen)"
wait_for 5 healthy || fail "$(health | head -n 3)"
stop_xgotopfs
exec 8>&-
wait "$TWIN" || fail "the snapshot's program: status $?"
