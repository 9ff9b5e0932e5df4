#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A recording of a process that executes another program: in a replay, in either format and converted,
# what it was before and what it is then are two, with the goroutines and events of each.
# timeout: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../execs_lib.sh"
need_tracing
ONE=$T/one TWO=$T/two
cp "$("$ROOT/tests/targets/build.sh" local plain execs)" "$ONE" || fail "the program does not build"
cp "$("$ROOT/tests/targets/build.sh" 1.22 stripped execs)" "$TWO" || fail "the other does not build"
control_is_done() { grep -q '^state done' "$MNT/control/replay"; }
markers() { grep -c ' newobject type=main.Marker ' "$1/events"; }

# check FOLDER: what its replay shows.
check() {
	start_xgotopfs -replay "$1" -speed 0 -s "$MNT"
	wait_ready
	wait_for 30 control_is_done || fail "no end: $(cat "$MNT/control/replay")"
	expect "processes of $1" "$(ls "$MNT/processes" | sort | xargs)" "$PID $PID.1"
	expect "objects before, in $1" "$(markers "$MNT/processes/$PID.1")" 10
	expect "objects then, in $1" "$(markers "$MNT/processes/$PID")" 20
	expect "state before, in $1" "$(sed -n 's/^state //p' "$MNT/processes/$PID.1/stats")" exited
	expect "live before, in $1" "$(sed -n 's/^goroutines_live //p' "$MNT/processes/$PID.1/stats")" 0
	expect "pid of the root, in $1" "$(sed -n 's/^state //p' "$MNT/stats") $(ls "$MNT/by-func/main.stay" | wc -l)" "running 3"
	stop_xgotopfs
}

for format in protobuf jsonl; do
	rm -rf "$T/s" "$T/other"
	app "$ONE"
	start_xgotopfs -pid "$PID" -s -record -storage-dir "$T/s" -storage-format $format "$MNT" 7>&-
	wait_ready
	tell "work 10"
	tell "stay 5"
	tell "exec $TWO" ^ready
	wait_for "$PATIENCE" says "executes $TWO now (go1.22.12): following it" || fail "no word: $(cat "$LOG")"
	tell "stay 3"
	tell "work 20"
	done_with() { [ "$(markers "$MNT/processes/$PID")" = 20 ]; }
	wait_for 10 done_with || fail "$(markers "$MNT/processes/$PID") of 20 objects"
	stop_xgotopfs
	exec 7>&-
	check "$T/s"/*
	mkdir "$T/other"
	cp "$T/s"/*/metadata.json "$T/other"
	if [ $format = protobuf ]; then
		"$XGOTOPFS" -convert "$T/s"/* -out "$T/other/events.jsonl" || fail "no conversion"
	else
		"$XGOTOPFS" -convert "$T/s"/* -to protobuf -out "$T/other/events.pb" || fail "no conversion"
	fi
	check "$T/other"
done
