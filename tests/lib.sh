# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by the cases. A case is a script that exits 0 (passed), 77 (skipped, with a reason) or
# anything else (failed); it has a private folder $T that is removed, and traps of its own go into
# on_exit. XGOTOPFS_BUILD is the build folder, XGOTOPFS the program.
# shellcheck shell=bash
set -u
export LC_ALL=C.UTF-8 # what ls and others say is looked at
XGOTOPFS_BUILD=${XGOTOPFS_BUILD:-$PWD/build}
XGOTOPFS=${XGOTOPFS:-$XGOTOPFS_BUILD/xgotopfs}
T=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-case.XXXXXX") || exit 1
export XGOTOPFS_OWN=$T/.own # of all that is built for several cases each has copies: tests/own.sh
CLEANUP=()
BAD= # set by a cleanup step that finds something wrong

on_exit() { CLEANUP=("$@" "${CLEANUP[@]}"); }

run_cleanup() {
	local status=$?
	trap - EXIT
	for step in "${CLEANUP[@]}"; do $step; done
	rm -rf --one-file-system "$T"
	[ "$status" != 0 ] || [ -z "$BAD" ] || status=1
	exit "$status"
}
trap run_cleanup EXIT
trap 'exit 130' INT TERM

# The last line says where: for who sees no more than the end of a log.
fail() {
	local i where=
	echo "FAIL: $*" >&2
	for i in $(seq 0 $((${#BASH_LINENO[@]} - 2))); do where+=" ${BASH_SOURCE[i + 1]##*/}:${BASH_LINENO[i]}"; done
	echo "at$where, after $SECONDS s, load $(cut -d' ' -f1-3 /proc/loadavg)" >&2
	exit 1
}

skip() {
	echo "SKIP: $*" >&2
	exit 77
}

need() {
	for tool in "$@"; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
}

need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }

# as_nobody COMMAND ARG...: as a user without rights. In the background "${AS_NOBODY[@]}", so that $! is
# the command and no shell.
AS_NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups)
as_nobody() { "${AS_NOBODY[@]}" "$@"; }

# public_folder: sets PUBLIC to an empty folder below which everybody may look and run, wherever the
# clone and $TMPDIR lie: what nobody is to run is copied there.
public_folder() {
	local base
	need setpriv
	as_nobody true 2>/dev/null || skip "may not become another user"
	chmod 755 "$T"
	for base in "$T" /tmp /var/tmp /dev/shm; do
		PUBLIC=$(mktemp -d "$base/xgotopfs-public.XXXXXX") && chmod 755 "$PUBLIC" || continue
		cp "$(type -P true)" "$PUBLIC/true"
		if as_nobody "$PUBLIC/true" 2>/dev/null; then
			rm "$PUBLIC/true"
			on_exit "rm -rf --one-file-system $PUBLIC"
			return
		fi
		rm -rf "$PUBLIC"
	done
	skip "no folder that user nobody can reach"
}

# in_own_mounts: from here on the case runs in a mount namespace of its own.
in_own_mounts() {
	[ -z "${IN_OWN_MOUNTS:-}" ] || return 0
	need_root
	need unshare
	unshare --mount true 2>/dev/null || skip "may not make a mount namespace"
	IN_OWN_MOUNTS=1 unshare --mount --propagation private bash "$0" "$@"
	exit
}

# fuse_for_all: there, /dev/fuse is open to everybody, as Debian has it; $FUSE is the device.
fuse_for_all() {
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	FUSE=$(mktemp -d "$PUBLIC/dev.XXXXXX")
	mount -t tmpfs -o mode=755 none "$FUSE" || fail "tmpfs"
	on_exit "umount -l $FUSE"
	FUSE=$FUSE/fuse
	mknod -m 666 "$FUSE" c 10 229 && mount --bind "$FUSE" /dev/fuse || fail "/dev/fuse"
	on_exit "umount -l /dev/fuse"
}

# What a healthy program takes on a machine with nothing else to do may take so many times as long on one that has
# eight things to do at a time, and in a sanitized build: the factor of all deadlines. What goes well costs nothing more.
SLACK=$([ -n "${XGOTOPFS_SANITIZED:-}" ] && echo 8 || echo 4)
export SLACK
PATIENCE=20 # to start, or to end

# wait_for SECONDS COMMAND ARG...: until the command succeeds; fails after SECONDS * SLACK seconds.
wait_for() {
	local seconds=$(($1 * SLACK))
	shift
	wait_at_most "$seconds" "$@"
}

# wait_at_most SECONDS COMMAND ARG...: the same, where the time itself is what is promised. No process but the command's:
# many wait beside each other.
wait_at_most() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
		read -rt 0.02 <>"$T/never"
	done
	return 0
}
mkfifo "$T/never"

# slowed SECONDS: what is promised for a machine that has processors to spare, on this one: as many times as
# long as there are more who want one than there are, by the last minute and by this moment.
slowed() {
	awk -v s="$1" -v n="$(nproc)" '{ split($4, now, "/"); want = $1 > now[1] ? $1 : now[1]
		print int(s * (want > n ? want / n : 1) + 0.99) }' /proc/loadavg
}

# python_with PACKAGE==VERSION...: prints the path of a Python that has them, in a virtual environment
# below tests/.cache that is made once.
python_with() {
	local dir
	dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/.cache/python-$(echo "$*" | tr -c 'a-z0-9.\n' -)
	mkdir -p "${dir%/*}"
	(
		flock 9
		[ ! -f "$dir/done" ] || exit 0
		rm -rf "$dir"
		python3 -m venv "$dir" && again "$dir/bin/pip" install -q --disable-pip-version-check "$@" && touch "$dir/done"
	) 9>"$dir.lock" >&2 || return
	echo "$dir/bin/python"
}

# again COMMAND ARG...: five times, what asks a server that is not ours.
again() {
	local pause
	for pause in 2 8 30 60 0; do
		! "$@" || return 0
		sleep $pause
	done
	return 1
}

# held_port: sets PORT_HELD to a port of 127.0.0.1 that nobody is given by chance until the case ends: for who has to
# be told one. Who asks for it may listen there (with SO_REUSEADDR, as Go and node do).
held_port() {
	local fd
	exec {fd}< <(exec python3 -c '
import select, socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
ended = select.poll()
ended.register(1, 0)  # nobody reads any more
ended.poll()')
	read -r PORT_HELD <&"$fd" || fail "no port"
}

# fresh FILE...: there and empty, and no file that anybody has open: for what a background command writes.
# `command >FILE &` empties FILE only when the child runs: until then it is what an earlier command wrote
# (tests/fresh_output.py sees to it that this comes first).
fresh() {
	local file
	rm -f -- "$@"
	for file; do : >"$file"; done
}

# expect WHAT ACTUAL WANTED
expect() { [ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"; }

# ours PID: it is of this case: in its session, or begun with what is exported above. A number is given again, all too
# soon on a machine that has 32,768 of them.
ours() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return
	# shellcheck disable=SC2086 # words
	set -- "$1" ${stat##*) }
	[ $# -gt 5 ] || return # it ended as it was read
	[ "$5" = "$SESSION" ] || grep -qzFx "XGOTOPFS_OWN=$XGOTOPFS_OWN" "/proc/$1/environ" 2>/dev/null
}
SESSION=$(cut -d' ' -f6 /proc/$$/stat)

# end [-SIGNAL] PID...: ends what may have ended.
end() {
	local signal=-TERM pid
	[[ $1 != -* ]] || { signal=$1 && shift; }
	for pid; do ! ours "$pid" || kill "$signal" "$pid" 2>/dev/null; done
	true
}

# child_of PID NAME: prints the process of that name that it forked, which takes that name some time after.
child_of() { wait_for "$PATIENCE" pgrep -P "$1" -x "$2"; }

gone() { ! kill -0 "$1" 2>/dev/null; }
