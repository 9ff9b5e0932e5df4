#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The watched binary lies where no lease keeps writers off it (overlayfs): each process is looked at and
# probed on its own, nothing is in the file for the next one, and a file that changed is noticed.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../redeploy_lib.sh"
need_tracing
build_versions
mkdir "$T/disk"
mount -t tmpfs none "$T/disk" 2>/dev/null || skip "no tmpfs can be mounted here"
on_exit "umount -l $T/disk"
mkdir "$T/disk"/{lower,upper,work} "$T/merged"
cp "$V1" "$T/disk/lower/app"
mount -t overlay none -o "lowerdir=$T/disk/lower,upperdir=$T/disk/upper,workdir=$T/disk/work" "$T/merged" 2>/dev/null ||
	skip "no overlayfs can be mounted here"
on_exit "umount -l $T/merged"
APP=$T/merged/app
"$XGOTOPFS" -doctor -b "$APP" | grep -q "^note *file *no lease" || fail "-doctor does not say that there is no lease"

# Two are there already, one comes.
start_app
FIRST=$PID
watch_app
probed || fail "the process that was there is not probed"
echo 50 >&7
wait_for 10 counted 50 || fail "$(seen)"
in_health "^verdict good: " || fail "$(health | head -n 1)"
in_health "^limit the start of a process is not traced: no lease" || fail "$(health | head -n 4)"
stop_app
gone_quiet() { [ "$(health | sed -n 's/^probes_attached //p')" = 0 ]; }
wait_for 20 gone_quiet || fail "probes outlive the last process: $(health)"
traced_exactly

# A writer is not held up at all; the first write makes a copy in the upper layer, the others are in place.
for new in "$V2" "$V1" "$V3" "$V2"; do
	deploy "$new"
	echo "a writer waited $DELAY_MS ms"
	runs 3
	traced_exactly
done
# Deployed the moment the last process has ended, and started at once.
for new in "$V1" "$V2" "$V1" "$V2" "$V3" "$V1"; do
	start_app
	wait_for "$PATIENCE" probed || fail "not probed: $(cat "$LOG")"
	stop_app
	deploy "$new"
	runs 1
done
# Rates and pause reach every process; one that executes something else is let go of.
start_app
wait_for "$PATIENCE" probed || fail "not probed: $(cat "$LOG")"
echo 1 >"$MNT/control/pause"
! probed || fail "paused, and probed"
echo 0 >"$MNT/control/pause"
probed || fail "not probed again"
echo newobject:1 >"$MNT/control/sample"
expect "probes for objects" "$(cat "$MNT/processes/$PID/health" 2>/dev/null | grep -c '^probe runtime.newobject')" 1
stop_app
printf 'not a program\n' >"$APP"
chmod +x "$APP"
"$APP" 2>/dev/null
kill -0 "$XPID" || fail "it ended: $(cat "$LOG")"
deploy "$V1"
runs 3
stop_xgotopfs

# One process only, and a command from its first instruction.
start_app
start_xgotopfs -pid "$PID" "$MNT" 7>&-
wait_ready
echo 50 >&7
objects() { [ "$(grep -c ' newobject type=main.Marker ' "$MNT/events")" = 50 ]; }
wait_for 10 objects || fail "$(grep -c Marker "$MNT/events") objects"
stop_xgotopfs
unharmed "$PID"
stop_app
echo 20 | timeout $((60 * SLACK)) "$XGOTOPFS" -log-level warn -- "$APP" >"$T/out" 2>"$LOG" || fail "-- COMMAND: $(cat "$LOG")"
expect "objects of the command" "$(grep -c ' newobject type=main.Marker ' "$T/out")" 20
