# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by the fs_*.sh cases after lib.sh: a mount with synthetic content (targets/fs_demo.c).
# shellcheck shell=bash
FS_DEMO=${FS_DEMO:-$XGOTOPFS_BUILD/tests/targets/fs_demo}
MNT=$T/mnt

# demo_start OPTION...: mounts at $MNT and waits until it is ready.
demo_start() {
	[ -x "$FS_DEMO" ] || skip "$FS_DEMO is not built"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	mkdir -p "$MNT" 2>/dev/null # it may be a dead mount
	rm -f "$T/commands"
	mkfifo "$T/commands"
	exec 7<>"$T/commands"
	fresh "$T/answers" "$T/log"
	"$FS_DEMO" "$@" "$MNT" <&7 >"$T/answers" 2>"$T/log" 7>&- &
	DEMO=$!
	ANSWERS=0
	on_exit demo_stop
	wait_for 10 answered ready || fail "not mounted: $(cat "$T/log")"
}

answered() { grep -q "^$1" "$T/answers" || { gone "$DEMO" && fail "gone: $(cat "$T/log")"; }; }
answers() { [ "$(grep -c ^ok "$T/answers")" -ge "$1" ]; }

# demo COMMAND: tells it and waits until that is done.
demo() {
	echo "$*" >&7
	ANSWERS=$((ANSWERS + 1))
	wait_for 60 answers "$ANSWERS" || fail "no answer to: $*"
}

# Also a dead mount, which mountpoint cannot look at.
unmount_rest() { ! grep -q " $MNT fuse" /proc/mounts || fusermount3 -u -z "$MNT"; }

demo_stop() {
	[ -n "${DEMO:-}" ] || { unmount_rest; return 0; }
	kill "$DEMO" 2>/dev/null
	if ! wait_for 10 gone "$DEMO"; then
		echo "FAIL: it does not end on SIGTERM" >&2
		kill -9 "$DEMO"
	fi
	wait "$DEMO" 2>/dev/null
	grep -q -e Sanitizer -e 'runtime error' "$T/log" && BAD=1
	exec 7>&-
	unmount_rest
	[ ! -s "$T/log" ] || sed 's/^/log: /' "$T/log" >&2
	DEMO=
}

# The numbers of the events in a text, one a line; each event of the demo has its own as its size.
numbers() { sed -n 's/.* newobject .* size=\([0-9]*\) .*/\1/p' "$@"; }

# Are these numbers FIRST, FIRST+1, … LAST, each once and in order?
is_sequence() {
	awk -v first="$1" -v last="$2" 'BEGIN { want = first }
		$1 != want { print "got " $1 ", wanted " want; bad = 1; exit }
		{ want++ }
		END { if (!bad && want != last + 1) { print "ends with " want - 1 ", not " last; bad = 1 }
		      exit bad }' "${3:--}"
}
