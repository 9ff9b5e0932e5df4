#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How docs/oncall.md begins and ends works as printed, with another folder in place of /mnt/x: the mount is there at once, and
# is gone without a trace; and so do the other commands of the page that are no hunt's (those: tests/hunts.sh).
# timeout: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need pidof fusermount3
PAGE=$ROOT/docs/oncall.md
SERVERS=$(incidents hog) || fail "the servers do not build"
mkdir "$T/bin"
cp "$SERVERS/hog" "$T/bin/server-$$"
ln -s "$XGOTOPFS" "$T/bin/xgotopfs"
PATH=$T/bin:$PATH
"$T/bin/server-$$" >"$T/server.out" 2>&1 &
SERVER=$!
on_exit "end $SERVER"
wait_for 20 grep -q listening "$T/server.out" || fail "it does not start"
as_printed() { sed "s,/mnt/x,$T/x,g; s,pidof server,pidof server-$$,; s,\<PID\>,$SERVER,g"; }

# The first block: four spaces before each line.
awk '/^    / { print substr($0, 5); on = 1; next } on { exit }' "$PAGE" | as_printed >"$T/begin"
[ "$(wc -l <"$T/begin")" -ge 3 ] || fail "the page begins with no commands: $(cat "$T/begin")"
end_it=$(grep -oE '`cd / && fusermount3 -u [^`]*`' "$PAGE" | head -n 1 | tr -d '`' | as_printed)
[ "$end_it" ] || fail "the page does not say how it ends"
on_exit "fusermount3 -u -q -z $T/x"
bash -c "$(cat "$T/begin")" >"$T/said" 2>&1 || fail "as printed it fails: $(cat "$T/said")"
grep -q '^problems [0-9]*, watched for ' "$T/said" || fail "it does not show problems: $(cat "$T/said")"
TRACER=$(pgrep -f "xgotopfs -daemon -pid $SERVER " | head -n 1)
[ "$TRACER" ] || fail "there is no daemon"

# What else is to be typed: in the mount, or anywhere.
for command in 'ls -l /proc/PID/fd' 'cat /proc/PID/task/*/wchan' 'kill -CONT PID' 'echo light >control/probes' 'xgotopfs -doctor -pid 4711' 'go tool pprof -top pprof/cpu'; do
	grep -qF "${command% [<>]*}" "$PAGE" || fail "the page has no $command"
	case $command in go*) command -v go >/dev/null || continue ;; esac
	(cd "$T/x" && bash -c "$(as_printed <<<"${command/4711/PID}")") >"$T/said" 2>&1 || fail "$command: $(tail -n 5 "$T/said")"
done
expect "the level" "$(cat "$T/x/control/probes")" light

bash -c "$end_it" >"$T/said" 2>&1 || fail "$end_it: $(cat "$T/said")"
is_gone() { ! kill -0 "$TRACER" 2>/dev/null && ! grep -q " $T/x " /proc/mounts; }
wait_for 20 is_gone || fail "it does not end: $(grep "$T/x" /proc/mounts)"
unharmed "$SERVER"
