# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# For cases that drive tests/targets/execs: it writes to $T/app.out and takes lines from descriptor 7.

lines() { grep -c "$1" "$T/app.out"; }
more_than() { [ "$(lines "$1")" -gt "$2" ]; }
# tell LINE [ANSWER]: waits until it has done it.
tell() {
	local before
	before=$(lines "${2:-^done}")
	echo "$1" >&7
	wait_for 20 more_than "${2:-^done}" "$before" || fail "'$1' is not done: $(tail -n 3 "$T/app.out")"
}
# app FILE: starts it; sets PID.
app() {
	rm -f "$T/in"
	mkfifo "$T/in"
	fresh "$T/app.out"
	"$1" <"$T/in" >"$T/app.out" 2>&1 7>&- &
	PID=$!
	on_exit "end $PID"
	exec 7>"$T/in"
	wait_for 10 grep -q ready "$T/app.out" || fail "it does not start: $(cat "$T/app.out")"
}
