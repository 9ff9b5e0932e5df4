#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# execve(2) in a traced process is an end and a beginning, for -pid, -b and --: the same program by its
# first thread and by another, one of another release, five in a row, and one that is no Go program. The
# list is what the runtime itself counts after each, nothing of before, and what is counted is exact.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../execs_lib.sh"
. "$(dirname "$0")/../disk_lib.sh"
need_tracing
ONE=$T/one TWO=$T/two
cp "$("$ROOT/tests/targets/build.sh" local plain execs)" "$ONE" || fail "the program does not build"
cp "$("$ROOT/tests/targets/build.sh" 1.22 stripped execs)" "$TWO" || fail "the other does not build"

# runs_now PID N: the tree at ROOT is that of the N-th program in PID, and it runs.
tree=$MNT
image_is() { [ -d "$MNT/processes/$PID.$1" ] && [ ! -e "$MNT/processes/$PID.$(($1 + 1))" ] && grep -q '^state running' "$MNT/processes/$PID/stats"; }
followed() {
	wait_for "$PATIENCE" image_is "$1" || fail "program $(($1 + 1)) is not followed: $(ls "$MNT/processes") $(cat "$LOG")"
}
# probed N: the N-th program executed has its probes, which another than the first thread has to wait for.
says_follows() { [ "$(grep -c "executes .*: following it" "$LOG")" -ge "$1" ]; }
probed() { wait_for "$PATIENCE" says_follows "$1" || fail "it is not said that program $(($1 + 1)) is followed: $(cat "$LOG")"; }
users() { grep -L '^system yes' "$tree"/goroutines/*/status 2>/dev/null | xargs -r grep -L '^exited yes' 2>/dev/null | wc -l; }
users_are() { [ "$(users)" = "$1" ]; }
# as_the_runtime: what is listed is what the runtime counts.
as_the_runtime() {
	tell count '^goroutines'
	want=$(grep '^goroutines' "$T/app.out" | tail -n 1 | cut -d' ' -f2)
	wait_for 10 users_are "$want" || fail "$1: listed $(users), the runtime has $want"
}
markers() { grep -c ' newobject type=main.Marker ' "$MNT/processes/$1/events"; }
marked() { [ "$(markers "$1")" = "$2" ]; }
# counted N: N objects and goroutines more are exactly that.
counted() {
	local objects created
	objects=$(markers "$PID") created=$(grep -c ' newgoroutine .* func=main.work ' "$MNT/processes/$PID/events")
	tell "work $1"
	wait_for 10 marked "$PID" $((objects + $1)) || fail "$(markers "$PID") objects after $objects and $1"
	expect "creations" "$(grep -c ' newgoroutine .* func=main.work ' "$MNT/processes/$PID/events")" $((created + $1))
	expect "lost" "$(sed -n 's/^lost_total //p' "$MNT/processes/$PID/stats")" 0
}

# --- -pid ---
app "$ONE"
start_xgotopfs -pid "$PID" "$MNT" 7>&-
wait_ready
tell "stay 40"
tell "busy 2"
as_the_runtime "at first"
n=0
for how in "exec $ONE" "thread-exec $ONE" "exec $TWO" "thread-exec $ONE" "exec $ONE chain 5"; do
	before=$(lines ^ready)
	echo "$how" >&7
	wait_for 20 more_than ^ready "$before" || fail "$how: $(tail -n 3 "$T/app.out")"
	n=$((n + 1))
	case $how in *chain*) wait_for "$PATIENCE" test -d "$MNT/processes/$PID.$((n + 1))" || fail "the chain is not followed: $(cat "$LOG")"
		chained() { grep -q '^state running' "$MNT/processes/$PID/stats" && grep -q '^verdict' "$MNT/health"; }
		wait_for 10 chained ;;
	*) followed $n && probed $n ;;
	esac
	# Whatever it did before the probes were in it again: from here on it is exact.
	as_the_runtime "$how"
	tell "stay $((6 + n))" # another number than the program before has
	as_the_runtime "$how, and some more"
	counted 50
	grep -q "main.stay" "$MNT/by-func/main.stay"/*/status || fail "$how: no main.stay"
	expect "goroutines of main.stay after $how" "$(ls "$MNT/by-func/main.stay" | wc -l)" $((6 + n))
	old=$MNT/processes/$PID.$n
	expect "the old program's state ($how)" "$(sed -n 's/^state //p' "$old/stats")" exited
	[ -n "$(sed -n 's/^executed \(.*one\|.*two\)$/\1/p' "$old/stats")" ] || fail "$how: $(grep executed "$old/stats")"
	expect "live ones of the old program ($how)" "$(sed -n 's/^goroutines_live //p' "$old/stats")" 0
done
grep -q '^ended_by_exec yes' "$MNT/processes/$PID.1"/goroutines/*/status || fail "nothing says that exec ended them"
expect "first lines about another release" "$(grep -c "executes $TWO now (go1.22.12): following it" "$LOG")" 1
# Back and forth: it executes the other, and is back before the probes of the first are out of its file.
n=$(ls -d "$MNT/processes/$PID".* | wc -l)
for to in "$TWO" "$ONE" "$TWO" "$ONE"; do
	said=$(grep -c "executes .*: following it" "$LOG")
	echo "exec $to" >&7
	wait_for "$PATIENCE" says_follows $((said + 1)) || fail "to $to: $(cat "$LOG")"
	n=$((n + 1))
done
followed $n
expect "state at the root" "$(sed -n 's/^state //p' "$MNT/stats")" running
as_the_runtime "back and forth"
tell "stay 5"
as_the_runtime "back and forth, and some more"
counted 20
echo "exec $(type -P sleep) 30" >&7
exec 7>&-
wait_for "$PATIENCE" says "executes .*sleep now, which cannot be traced: it is not a Go program" || fail "no word of sleep: $(cat "$LOG")"
expect "lines about sleep" "$(grep -c sleep "$LOG")" 1
expect "state" "$(sed -n 's/^state //p' "$MNT/stats")" exited
wait_for 5 grep -q 'executed .*sleep' "$MNT/stats" || fail "it does not say what ended it: $(grep executed "$MNT/stats")"
expect "live" "$(sed -n 's/^goroutines_live //p' "$MNT/stats")" 0
stop_xgotopfs

# --- -b: from the first instruction on, whoever executes ---
app "$ONE"
start_xgotopfs -b "$ONE" "$MNT" 7>&-
wait_ready
tree=$MNT/processes/$PID
n=0
for how in "exec $ONE" "thread-exec $ONE"; do
	tell "stay 40"
	before=$(lines ^ready)
	echo "$how" >&7
	tell "work 30"
	n=$((n + 1))
	followed $n
	wait_for 10 marked "$PID" 30 || fail "-b, $how: $(markers "$PID") of 30 objects"
	expect "creations" "$(grep -c ' newgoroutine .* func=main.work ' "$tree/events")" 30
	expect "main goroutines" "$(grep -c ' newgoroutine child=1 ' "$tree/events")" 1
	as_the_runtime "-b, $how"
done
echo "exec $ONE chain 5" >&7
tell "work 30"
chain_is() { [ -d "$MNT/processes/$PID.$((n + 6))" ]; }
wait_for 10 chain_is || fail "the chain: $(ls "$MNT/processes")"
wait_for 10 marked "$PID" 31 || fail "the last of the chain: $(markers "$PID")"
for i in 1 2 3 4 5; do expect "objects of link $i" "$(markers "$PID.$((n + 1 + i))")" 1; done
echo "exec $TWO" >&7
wait_for 10 says "process $PID executes $TWO: what it was before has ended" || fail "no word: $(cat "$LOG")"
expect "state" "$(sed -n 's/^state //p' "$tree/stats")" exited
exec 7>&-
stop_xgotopfs

# While the tracer is on its way (it waits for a disk): what no record tells of is seen when it attaches.
make_disk
app "$ONE"
hang_disk
start_xgotopfs -pid "$PID" -record -storage-dir "$DISK/sessions" "$MNT" 7>&-
waits_for_disk() { grep -q "fuse\|request_wait" "/proc/$XPID/wchan" "/proc/$XPID/stack" 2>/dev/null; }
wait_for "$PATIENCE" waits_for_disk || fail "it does not wait for the disk: $(cat "$LOG")"
before=$(lines ^ready)
echo "exec $TWO" >&7
wait_for 20 more_than ^ready "$before" || fail "it does not execute: $(tail -n 3 "$T/app.out")"
mend_disk
wait_ready
followed 1
probed 1
counted 20
stop_xgotopfs
kill "$PID"
exec 7>&-

# --- COMMAND: its status is the last program's ---
mkfifo "$T/command"
exec 7<>"$T/command"
fresh "$T/out" "$LOG"
"$XGOTOPFS" "$MNT" -- "$ONE" <"$T/command" >"$T/out" 2>"$LOG" 7>&- &
XPID=$!
wait_for "$PATIENCE" grep -q ready "$T/out" || fail "the command does not start: $(cat "$LOG")"
echo "exec $TWO" >&7
wait_for "$PATIENCE" says "executes $TWO now (go1.22.12): following it" || fail "no word: $(cat "$LOG")"
echo "exec $(type -P sh) -c sleep\${IFS}4;exit\${IFS}5" >&7
wait_for "$PATIENCE" says "which cannot be traced" || fail "no word of the shell: $(cat "$LOG")"
expect "state" "$(sed -n 's/^state //p' "$MNT/stats")" exited
PID=$(sed -n 's/^ready \([0-9]*\) .*/\1/p' "$T/out" | head -n 1)
wait_for 10 gone "$PID" || fail "the shell does not end"
kill -INT "$XPID"
ended 5
