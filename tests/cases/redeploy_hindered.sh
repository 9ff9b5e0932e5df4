#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The watched binary is changed in place at bad moments: while a writer keeps it open, while tracing is
# paused, while rates change, while the tracer is stopped, when its keeper or it itself was killed.
# timeout: 150
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../redeploy_lib.sh"
need_tracing
build_versions
APP=$T/app
cp "$V1" "$APP"

# Open for writing before we come, and closed as it was.
exec 8<>"$APP"
watch_app
being_written() { health | grep -q "^warning nothing is traced: the file is open for writing"; }
wait_for 20 says "is open for writing: it is not traced until that is over" || fail "not a word: $(cat "$LOG")"
exec 8>&-
wait_for 20 says "is not open for writing any more, and as it was" || fail "not noticed: $(cat "$LOG")"
traced_exactly
wait_for 10 healthy || fail "$(health)"

# A writer who takes his time: who looks is told, and nothing is traced of what he leaves behind half done.
exec 8<>"$APP"
wait_for 20 being_written || fail "$(health)"
in_health "^probes_attached 0$" || fail "probes while it is written: $(health | grep '^probes_attached')"
head -c 100000 "$V2" >&8
exec 8>&-
deploy "$V2"
retraced
traced_exactly

# While paused nothing is in the file; to go on puts the new code's probes in.
echo 1 >"$MNT/control/pause"
deploy "$V1"
runs 3
retraced
echo 0 >"$MNT/control/pause"
traced_exactly
# While somebody changes the rates.
for rate in 0.5 0.25 1 0.5 1 0.25 1; do echo "newobject:$rate,newgoroutine:1" >"$MNT/control/sample" || exit 1; done &
CHANGER=$!
for new in "$V2" "$V1" "$V2"; do
	deploy "$new"
	runs 2
done
wait "$CHANGER" || fail "a rate was refused"
RETRACED=$(grep -c "was changed: tracing it as it is now" "$LOG")
echo "newobject:1,newgoroutine:1,casgstatus:1,makeslice:1,makemap:1,goexit:1" >"$MNT/control/sample"
newest() { [ "$(grep -c "was changed: tracing it as it is now" "$LOG")" -ge 3 ]; }
wait_for "$PATIENCE" newest || fail "$(cat "$LOG")"
wait_for 10 healthy || fail "$(health)"
traced_exactly

# A tracer that is stopped (a terminal's Ctrl-Z): its keeper stands in.
changes=$(grep -c "was changed: tracing it as it is now" "$LOG")
another() { [ "$(grep -c "was changed: tracing it as it is now" "$LOG")" -gt "$changes" ]; }
kill -STOP "$XPID"
deploy "$V1"
echo "a writer waited $DELAY_MS ms for a tracer that was stopped"
runs 3
kill -CONT "$XPID"
wait_for "$PATIENCE" another || fail "$(cat "$LOG")"
traced_exactly
! grep -q "is not traced any more" "$LOG" || fail "it was in time: $(cat "$LOG")"

# One that is stopped with nothing in the file, as it is between its last probe and letting the writer in, too. And the
# file is the one of before again as it takes that for another: only one of the two is traced, and lets writers in.
unprobed() { health | grep -q "^probes_attached 0$"; }
for _ in 1 2 3 4; do
	echo 1 >"$MNT/control/pause"
	wait_for "$PATIENCE" unprobed || fail "$(health)"
	kill -STOP "$XPID"
	deploy "$V2"
	runs 1
	kill -CONT "$XPID"
	echo 0 >"$MNT/control/pause"
	deploy "$V1"
	traced_exactly
	! grep -q "is not traced any more" "$LOG" || fail "it was in time: $(cat "$LOG")"
done

# Or at any moment after a change, as it takes what the file is then for the next one to watch.
for ms in 00 06 12 18 25 32 40 50 60 75 90 99; do
	deploy "$V1"
	read -rt "0.0$ms" <>"$T/never"
	kill -STOP "$XPID"
	deploy "$V2"
	kill -CONT "$XPID"
	runs 1
done
traced_exactly

# A keeper that was killed.
keeper=$(pgrep -P "$XPID" xgotop-keeper) || fail "no keeper"
kill -KILL "$keeper"
deploy "$V2"
runs 3
traced_exactly
stop_xgotopfs

# One process: once it has ended nothing of us is in the file, and nobody waits.
start_app
start_xgotopfs -pid "$PID" "$MNT" 7>&-
wait_ready
! cp "$V1" "$APP" 2>"$T/busy" || fail "a program that runs could be written to"
grep -q "Text file busy" "$T/busy" || fail "$(cat "$T/busy")"
probed || fail "not probed: $(cat "$LOG")"
stop_app
wait_for "$PATIENCE" says "has exited.*; everything stays" || fail "$(cat "$LOG")"
DELAY_MAX=2 deploy "$V1"
runs 3
stop_xgotopfs

# A tracer that was killed: nobody waits for it, nothing of it stays.
for new in "$V1" "$V3" "$V1"; do
	watch_app
	kill -KILL "$XPID"
	deploy "$new"
	runs 2
	kill_xgotopfs
done
