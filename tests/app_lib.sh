# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced after lib.sh by the cases that run xgotopfs on real Go programs.
# shellcheck shell=bash
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$ROOT/tests/go_lib.sh"
MNT=$T/mnt
LOG=$T/xgotopfs.log

need_tracing() {
	need_root
	[ -x "$XGOTOPFS" ] || fail "$XGOTOPFS is not built"
	"$XGOTOPFS" -doctor >"$T/doctor" 2>&1 || skip "this machine cannot trace: $(grep FAIL "$T/doctor")"
}

# demo_binary [VERSION] [stripped]: prints the path of the built demo server, as a copy of its own.
demo_binary() {
	local out=$ROOT/tests/.cache/demo-${1:-installed}${2:+-$2}
	GO_BUILD_FLAGS=${2:+-ldflags=-s} built "$out" "$ROOT/examples/demo" "$out" ${1:-} && "$ROOT/tests/own.sh" "$out"
}

# incidents NAME...: prints a folder with those of examples/incidents: copies of their own.
incidents() {
	local out=$ROOT/tests/.cache/incidents name copy
	built "$out/built" "$ROOT/examples/incidents" "$out/" "" ./... || return
	for name; do copy=$("$ROOT/tests/own.sh" "$out/$name") || return; done
	echo "${copy%/*}"
}

# start_three_bugs: examples/three-bugs and its load, until the case ends; sets DEMO (pid) and URL.
start_three_bugs() {
	local binary=$ROOT/tests/.cache/three-bugs
	GO_BUILD_FLAGS=-trimpath built "$binary" "$ROOT/examples/three-bugs" "$binary" || fail "examples/three-bugs does not build"
	binary=$("$ROOT/tests/own.sh" "$binary") || fail "no copy of it"
	start_demo "$binary"
	fresh "$T/three-bugs.out"
	"$binary" -load "$URL" >"$T/three-bugs.out" 2>&1 &
	LOAD=$!
	on_exit "end $LOAD"
}

# start_demo BINARY: serves until the case ends; sets DEMO (pid) and URL.
start_demo() {
	fresh "$T/demo.out" "$T/demo.err"
	"$1" -listen 127.0.0.1:0 >"$T/demo.out" 2>"$T/demo.err" &
	DEMO=$!
	on_exit "end $DEMO"
	wait_for 20 grep -q listening "$T/demo.out" || fail "the demo does not start: $(cat "$T/demo.err")"
	URL=$(cut -d' ' -f2 "$T/demo.out")
}

# start_target BINARY [ARGUMENT...]: one that prints "ready" and goes on until its input ends; sets DEMO (pid).
start_target() {
	rm -f "$T/target.in"
	mkfifo "$T/target.in"
	fresh "$T/target.out"
	"$@" <"$T/target.in" >"$T/target.out" 2>&1 &
	DEMO=$!
	exec 8>"$T/target.in"
	on_exit "end $DEMO"
	wait_for 30 grep -q ready "$T/target.out" || fail "it does not start: $(head -c 500 "$T/target.out")"
}

# own_demo [VERSION] [stripped]: sets DEMO_BINARY to a copy by the name of demo.
own_demo() {
	DEMO_BINARY=$T/demo
	cp "$(demo_binary "$@")" "$DEMO_BINARY" || fail "the demo does not build"
}

# private_demo: starts such a one.
private_demo() {
	own_demo "" stripped
	start_demo "$DEMO_BINARY"
}

# load ARG...: the demo as a client of $URL.
load() { timeout $((110 * SLACK)) "$DEMO_BINARY" -load "$URL" "$@" || fail "the load on $URL failed"; }

# start_xgotopfs ARG...: in the background; sets XPID. Its stdout is $T/out, its stderr $LOG.
start_xgotopfs() {
	mkdir -p "$MNT" 2>/dev/null # a dead mount is there already
	fresh "$T/out" "$LOG"
	"$XGOTOPFS" "$@" >"$T/out" 2>>"$LOG" &
	XPID=$!
	on_exit kill_xgotopfs
}

kill_xgotopfs() {
	[ -n "${XPID:-}" ] || return 0
	kill -KILL "$XPID" 2>/dev/null
	wait "$XPID" 2>/dev/null
	! is_mounted || fusermount3 -u -z "$MNT"
	XPID=
}

# nice_of TASK: of a process or thread, by its folder in /proc.
nice_of() { sed -E 's/.*\) ([^ ]+ ){16}([^ ]+) .*/\2/' "$1/stat"; }

# Also when nobody serves it any more.
is_mounted() { grep -q " $MNT fuse" /proc/mounts; }
# waits_in: in a line, where the threads of xgotopfs and of what it started are, for a failure that must explain itself.
waits_in() {
	local task
	for task in /proc/"$XPID"/task/* $(pgrep -P "$XPID" | sed 's|.*|/proc/&/task/&|'); do
		printf '%s %s %s: syscall %s, %s\n' "${task##*/}" "$(cat "$task/comm")" "$(sed -n 's/^State:.//p' "$task/status")" \
			"$(cut -d' ' -f1-3 "$task/syscall")" "$(head -n 3 "$task/stack" | awk '{ printf "%s ", $2 }')"
	done 2>/dev/null | paste -sd '|'
}
says() { grep -q -- "$1" "$LOG" || { gone "$XPID" && fail "it ended: $(cat "$LOG")"; }; }
wait_ready() { wait_for "$PATIENCE" says "Ctrl-C ends" || fail "not ready: $(cat "$LOG") $(waits_in)"; }
# wait_web: until it serves; sets WEB to the address, which root and who started it may use, and WEB_LINK to
# what is printed: the same with the token.
wait_web() {
	wait_for "$PATIENCE" says "web UI: http" || fail "no web UI: $(cat "$LOG")"
	WEB_LINK=$(sed -n 's/.*web UI: //p' "$LOG")
	WEB=${WEB_LINK%%\?*}
}
mount_demo() { start_xgotopfs -pid "$DEMO" "$@" "$MNT"; wait_ready; }

# ended [STATUS [SECONDS]]: waits until xgotopfs has ended, with that status (0), within that time (as wait_at_most).
ended() {
	local status
	wait_at_most "${2:-$((PATIENCE * SLACK))}" gone_or_zombie "$XPID" || fail "it does not end: $(cat "$LOG") $(waits_in)"
	wait "$XPID"
	status=$?
	XPID=
	expect "exit status ($(tail -n 3 "$LOG"))" "$status" "${1:-0}"
	check_log
}
gone_or_zombie() { gone "$1" || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# stop_xgotopfs [SIGNAL]
stop_xgotopfs() {
	kill -"${1:-INT}" "$XPID"
	ended 0
	mount_is_gone
}

# mount_is_gone: at once, or, as is said where much is to be done, by itself soon.
mount_is_gone() {
	! is_mounted || ! grep -q 'it takes long to unmount it; that goes on by itself' "$LOG" || wait_for "$PATIENCE" not_mounted
	not_mounted || fail "still mounted${1:+ ($1)}: $(cat "$LOG")"
}
not_mounted() { ! is_mounted; }

check_log() {
	! grep -qE 'AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:' "$LOG" || fail "sanitizer: $(cat "$LOG")"
	! grep -qE '^(fuse|fusermount3): ' "$LOG" || fail "a library speaks for itself: $(cat "$LOG")"
	! grep -q 'refused to a thread that serves' "$LOG" || fail "what is needed was refused: $(cat "$LOG")"
}

# quiet: nothing has come for a moment (a text of the mount may be of 100 ms before), and nothing waits to be applied.
quiet() {
	local was
	was=$(grep -E '^(events_total|ewp) ' "$MNT/stats")
	read -rt 0.2 <>"$T/never"
	[[ $was = *"ewp 0"* ]] && [ "$(grep -E '^(events_total|ewp) ' "$MNT/stats")" = "$was" ]
}

# tracers: those of this case, and their keepers.
tracers() {
	local pid
	for pid in $(pgrep -x 'xgotop.*'); do ! ours "$pid" || echo "$pid"; done
}

# The traced process has its code back as it was, and lives. Nobody else runs its file (tests/own.sh). As long as a tracer
# or the keeper of one is there, or was just before, and it has breakpoints, it is looked again.
unharmed() {
	kill -0 "$1" || fail "process $1 is gone"
	wait_for "$PATIENCE" intact_or_alone "$1"
	[ -z "$BREAKPOINTS" ] || fail "process $1 has breakpoints left: $BREAKPOINTS"
}
intact_or_alone() {
	local before
	before=$(tracers)
	BREAKPOINTS=$(python3 "$ROOT/tests/code_intact.py" "$1" 2>&1) || return "$(test -z "$before$(tracers)"; echo $?)"
}

# The same where the tracer was killed: its keeper still has to let go.
soon_unharmed() {
	wait_for 20 python3 "$ROOT/tests/code_intact.py" "$1" >/dev/null
	unharmed "$1"
}

# refuses STATUS TEXT ARG...: one line on stderr that holds TEXT, nothing on stdout, this status.
refuses() {
	local want=$1 text=$2 status
	shift 2
	timeout $((60 * SLACK)) "$XGOTOPFS" "$@" >"$T/out" 2>"$LOG" </dev/null
	status=$?
	expect "status of: $* ($(cat "$LOG"))" "$status" "$want"
	[ ! -s "$T/out" ] || fail "$*: printed on stdout: $(head -n 3 "$T/out")"
	expect "lines on stderr of: $* ($(cat "$LOG"))" "$(wc -l <"$LOG")" 1
	grep -qF -- "$text" "$LOG" || fail "$*: '$(cat "$LOG")' lacks '$text'"
	check_log
}
