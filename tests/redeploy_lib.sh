# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by the cases in which the traced file changes: versions of a program, and what must be true
# of each when it is deployed under a tracer that watches the file.
# shellcheck shell=bash
. "$ROOT/tests/go_lib.sh"

# version N [GO]: prints the path of that version, stripped of nothing.
version() {
	local out=$ROOT/tests/.cache/redeploy-$1${2:+-$2}
	GO_BUILD_FLAGS=$([ "$1" = 1 ] || echo -tags=two) built "$out" "$ROOT/tests/targets/redeploy" "$out" ${2:-} || return
	echo "$out"
}

# build_versions: V1, V2 (another layout of the code), V3 (of another release of Go: its code dies at once of the probes of V1).
build_versions() {
	V1=$(version 1) && V2=$(version 2) && V3=$(version 1 1.20.14) || fail "the versions do not build"
}

# deploy FILE: over $APP, in place. Nobody waits long for us.
deploy() {
	local start
	start=$(date +%s%N)
	timeout $((30 * SLACK)) cp "$1" "$APP" || fail "cp: status $?"
	DELAY_MS=$((($(date +%s%N) - start) / 1000000))
	[ "$DELAY_MS" -lt $((1000 * $(slowed "${DELAY_MAX:-5}"))) ] || fail "cp took $DELAY_MS ms"
}

# runs [N]: the program as it is now works, N times (3).
runs() {
	local i status
	for i in $(seq "${1:-3}"); do
		echo 20 | timeout $((20 * SLACK)) "$APP" >"$T/runs.out" 2>"$T/runs.err"
		status=$?
		expect "status of the program, run $i ($(head -c 300 "$T/runs.err"))" "$status" 0
		grep -q "^done 20$" "$T/runs.out" || fail "run $i: $(cat "$T/runs.out")"
	done
}

# start_app: it waits for lines on descriptor 7; sets PID.
start_app() {
	rm -f "$T/in"
	mkfifo "$T/in"
	fresh "$T/app.out" "$T/app.err"
	"$APP" <"$T/in" >"$T/app.out" 2>"$T/app.err" 7>&- 8>&- &
	PID=$!
	exec 7>"$T/in"
	wait_for 20 grep -q "^version" "$T/app.out" || fail "the program does not start: $(head -c 300 "$T/app.err")"
}

stop_app() {
	exec 7>&-
	wait "$PID" || fail "the program: status $?: $(head -c 300 "$T/app.err")"
}

# probed: there are breakpoints in its code.
probed() { ! python3 "$ROOT/tests/code_intact.py" "$PID" >/dev/null; }

objects_probed() { cat "$MNT/processes/$PID/health" "$MNT/health" 2>/dev/null | grep -q '^probe runtime\.newobject'; }

# traced_exactly: a new process, from when it is traced on; 50 objects and goroutines are seen as 50.
traced_exactly() {
	start_app
	wait_for "$PATIENCE" probed || fail "no probe in the new process: $(cat "$LOG")"
	# They come kind by kind.
	wait_for "$PATIENCE" objects_probed || fail "no probe for objects: $(health)"
	echo 50 >&7
	wait_for 20 grep -q "^done 50$" "$T/app.out" || fail "the program stopped: $(head -c 300 "$T/app.err")"
	wait_for 10 test -d "$MNT/processes/$PID" || fail "process $PID is not in the tree"
	wait_for 10 counted 50 || fail "$(seen)"
	expect "lost" "$(sed -n 's/^lost_total //p' "$MNT/processes/$PID/health")" 0
	stop_app
}
seen() {
	echo "objects $(grep -c ' newobject type=main.Marker ' "$MNT/processes/$PID/events")," \
		"goroutines $(grep -c ' newgoroutine .* func=main.work ' "$MNT/processes/$PID/events")"
}
counted() { [ "$(seen)" = "objects $1, goroutines $1" ]; }

health() { cat "$MNT/health" 2>/dev/null; }
# in_health REGEX: soon, as its text may be of a moment ago.
in_health() { wait_for 5 health_has "$1"; }
health_has() { health | grep -q -- "$1"; }
healthy() { health_has "^verdict good"; }
# says_times N TEXT: TEXT stands in that many lines of the log.
says_times() { [ "$(grep -c -- "$2" "$LOG")" -ge "$1" ]; }
# retraced: waits for the next word that a new file is traced.
RETRACED=0
retraced() {
	RETRACED=$((RETRACED + 1))
	wait_for "$PATIENCE" says_times "$RETRACED" "was changed: tracing it as it is now" ||
		fail "the new file is not traced: $(cat "$LOG")"
}
watch_app() {
	RETRACED=0
	start_xgotopfs -b "$APP" "$@" "$MNT" 7>&- 8>&-
	wait_ready
}
