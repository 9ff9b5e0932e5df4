#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What examples/one-liners.md promises: every command there runs on a live mount without complaint.
# timeout: 180
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
# Go 1.21 or later: before, nobody knows the parent of a goroutine that was there already.
DEMO_BINARY=$(demo_binary 1.27.3) || fail "the demo does not build"
start_demo "$DEMO_BINARY"
mount_demo
load -n 300 -c 3
seen() { grep -q 'type=main.Request' "$MNT/events"; }
wait_for 10 seen || fail "no events"
goroutine=$(ls "$MNT/by-func/main.(*server).worker" | head -n 1)
[ -n "$goroutine" ] || fail "no worker"
cd "$MNT" || fail "cannot enter the mount"
on_exit "cd /"

ran=0
while IFS= read -r line; do
	# Two or more blanks part a command from what it is for.
	command=$(sed 's/   *[^ ].*$//' <<<"$line")
	case $command in
	"watch "* | "tail -f "* | "cat events_pipe"*) command="timeout 3 ${command/watch/watch -t} >/dev/null; [ \$? -eq 124 ]" ;;
	"xgotopfs "*) continue ;;
	esac
	command=${command//goroutines\/57/goroutines\/$goroutine}
	command=${command//dump.txt/$T/dump.txt}
	command=${command//incident.txt/$T/incident.txt}
	command=${command//\/tmp\/incident/$T/incident}
	TERM=xterm timeout $((15 * SLACK)) bash -c "set -o pipefail; $command" >"$T/stdout" 2>"$T/stderr"
	status=$?
	# `| head` closes the pipe on the rest: no fault of the mount's.
	[ $status -eq 0 ] || { [ $status -eq 141 ] && [[ $command == *head* ]]; } ||
		fail "'$command': status $status: $(cat "$T/stderr")"
	[ ! -s "$T/stderr" ] || grep -qv 'No such file or directory' "$T/stderr" && [ -s "$T/stderr" ] &&
		fail "'$command' complains: $(cat "$T/stderr")"
	ran=$((ran + 1))
done < <(awk '/^```/ { inside = !inside; next } inside && NF' "$ROOT/examples/one-liners.md")
[ "$ran" -ge 20 ] || fail "only $ran commands were found"
grep -q '^goroutine ' "$T/dump.txt" || fail "the dump of stacks is empty"
cd / || exit 1
stop_xgotopfs

# A type's name may hold blanks, quotes and what looks like a key: the whole of it is counted.
cat >"$T/events" <<'EVENTS'
1763900000.123458500 41 newobject type="struct { a int; b \"x y\" }" size=48 kind=struct
1763900000.123458501 41 newobject type="struct { a int; b \"x y\" }" size=48 kind=struct caller="main.f type=[int]:3"
1763900000.123458502 41 newobject type=main.Request size=96 kind=struct
1763900000.123458503 41 newobject size=96 kind=struct
EVENTS
command=$(grep '^sed .* type=' "$ROOT/examples/one-liners.md")
expect "types counted" "$(cd "$T" && bash -c "$command" | sed 's/^ *//')" '2 "struct { a int; b \"x y\" }"
1 main.Request'
