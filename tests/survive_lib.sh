# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by the cases that attach and detach again and again: a server under full load, which must
# answer every request right all the while, and afterwards have its code as it was.
# shellcheck shell=bash

# under_load VERSION [ARG...]: a private copy of the demo (no other test probes it), a client that never rests (or does as
# the arguments say).
under_load() {
	DEMO_BINARY=$T/demo-$1
	cp "$(demo_binary "${1#installed}" stripped)" "$DEMO_BINARY" || fail "the demo does not build"
	start_demo "$DEMO_BINARY"
	fresh "$T/load.out"
	"$DEMO_BINARY" -load "$URL" -c 4 "${@:2}" >"$T/load.out" 2>&1 &
	LOAD=$!
	on_exit "end $LOAD"
}

# alive: the server answers, and the client has met no wrong answer.
alive() {
	kill -0 "$DEMO" 2>/dev/null || fail "the server is gone: $(tail -n 5 "$T/demo.err")"
	kill -0 "$LOAD" 2>/dev/null || fail "the client gave up: $(cat "$T/load.out")"
}

# at_rest: the load ends well; the server's code is as it was; nothing of ours stays.
at_rest() {
	alive
	kill -TERM "$LOAD"
	wait "$LOAD" || fail "the client: status $?: $(cat "$T/load.out")"
	curl -fs --max-time $((20 * SLACK)) "$URL/job" >/dev/null || fail "the server does not answer any more"
	unharmed "$DEMO"
	python3 "$ROOT/tests/leftovers.py" >"$T/left"
	case $? in
	0) ;;
	77) echo "no bpftool: leftovers not looked for" ;;
	*) fail "left over: $(cat "$T/left")" ;;
	esac
	kill -TERM "$DEMO"
	wait "$DEMO" || fail "the server: status $?: $(tail -n 5 "$T/demo.err")"
}
