# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced after matrix_lib.sh by the cases that trace Go which is not, or not only, an executable.
# shellcheck shell=bash

# run COMMAND...: it says "ready" or "waits"; sets PID. Its standard input is descriptor 8.
run() {
	rm -f "$T/in"
	mkfifo "$T/in"
	fresh "$T/said" "$T/err"
	"$@" <"$T/in" >"$T/said" 2>"$T/err" &
	PID=$!
	on_exit "end $PID"
	exec 8>"$T/in"
	wait_for 30 grep -qE 'ready|waits' "$T/said" || fail "$1 does not start: $(cat "$T/err")"
}

trace() { start_xgotopfs "$@" -record -storage-format jsonl -storage-dir "$T/s" "$MNT" && wait_ready; }
verdict() { sed -n 's/^verdict //p' "$MNT/health"; }
verdict_is() { [[ "$(verdict)" = "$1: "* ]]; }
# wait_verdict WHAT VERDICT: what it says once the audit has looked.
wait_verdict() { wait_for 15 verdict_is "$2" || fail "$1: $(head -n 8 "$MNT/health")"; }

# exactly WHAT: what the workload, which has said "ready", says it did is what the recording has. The
# functions of a plugin are named by its path, its types are main's. $MINOR is its release.
exactly() {
	echo >&8
	wait_for 60 grep -q go_version "$T/said" || fail "$1: no result: $(cat "$T/err")"
	grep -qE '(main|workload)\.' "$MNT/stacks" || fail "$1: no names in $(cat "$MNT/stacks")"
	echo >&8
	exec 8>&-
	wait "$PID" || fail "$1: the target failed: $(cat "$T/err")"
	stop_xgotopfs
	sed -n '/^{/p' "$T/said" >"$T/truth"
	sed 's/"\([a-z_]*\)":"workload\./"\1":"main./g' "$T"/s/*/events.jsonl >"$T/events"
	python3 "$ROOT/tests/exact.py" "$T/truth" "$T/events" --go "$MINOR" --lost "$(lost_of "$LOG")" --late "${2:-0}" >"$T/found" ||
		fail "$1: $(cat "$T/found")"
	rm -rf "$T/s"
}
