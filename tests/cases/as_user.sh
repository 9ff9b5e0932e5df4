#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Without root: a replay is mounted, served and unmounted through fusermount3 wherever /dev/fuse is open
# to everybody, as Debian has it; where something is missing, one line names it. In a mount namespace of
# its own, in which /dev/fuse and fusermount3 are as each part wants them.
. "$(dirname "$0")/../lib.sh"
in_own_mounts
. "$(dirname "$0")/../app_lib.sh"
need fusermount3 curl
public_folder
fuse_for_all
HELPER=$(readlink -f "$(command -v fusermount3)")
SESSION=ad662111-7874-4aa4-b982-cac648075fbf

mkdir "$PUBLIC/home" "$PUBLIC/home/mnt" "$PUBLIC/home/sessions"
cp "$XGOTOPFS" "$PUBLIC" && chmod 755 "$PUBLIC/xgotopfs"
cp -r "$ROOT/tests/data/original/$SESSION" "$PUBLIC/home/sessions"
# (Without its wall-clock time it would say that it is an estimate.)
sed -i '1s/^{/{"wall_offset_ns":1,/' "$PUBLIC/home/sessions/$SESSION/metadata.json"
chmod -R u+rwX "$PUBLIC/home/sessions"
chown -R 65534:65534 "$PUBLIC/home"
cp "$HELPER" "${FUSE%/*}/fusermount3" && chmod 4755 "${FUSE%/*}/fusermount3" || fail "a fusermount3"
mount --bind "${FUSE%/*}/fusermount3" "$HELPER" && on_exit "umount -l $HELPER"
MNT=$PUBLIC/home/mnt
cd "$PUBLIC/home" || exit 1

start_as_nobody() {
	fresh "$T/out" "$LOG"
	"${AS_NOBODY[@]}" "$PUBLIC/xgotopfs" "$@" >"$T/out" 2>>"$LOG" &
	XPID=$!
	on_exit kill_xgotopfs
	wait_ready
}

# --- it works: the tree, the UI, sessions of the default folder; and it leaves nothing
for options in "" "-o noauto_unmount"; do
	# shellcheck disable=SC2086
	start_as_nobody -replay "$SESSION" -speed 0 $options -web -web-port 0 "$MNT"
	wait_web
	as_nobody sh -c "head -n 1 $MNT/events; ls $MNT/sessions; cat $MNT/README" >"$T/seen" || fail "the tree as its owner"
	grep -q "$SESSION" "$T/seen" || fail "no sessions: $(cat "$T/seen")"
	ls "$MNT" >/dev/null 2>&1 && fail "even root looks into another user's mount: not mounted by nobody?"
	as_nobody curl -fsS "${WEB}api/sessions" >"$T/seen" || fail "the API as its owner"
	grep -q "$SESSION" "$T/seen" || fail "no sessions in the API: $(cat "$T/seen")"
	kill -INT "$XPID"
	ended 0
	mount_is_gone "$options"
done

# --- where something is missing
# refuses_nobody STATUS TEXT ARG...
refuses_nobody() {
	local want=$1 text=$2 status
	shift 2
	as_nobody timeout $((60 * SLACK)) "$PUBLIC/xgotopfs" "$@" >"$T/out" 2>"$LOG" </dev/null
	status=$?
	expect "status of: $* ($(cat "$LOG"))" "$status" "$want"
	expect "lines of: $* ($(cat "$LOG"))" "$(wc -l <"$LOG")" 1
	grep -qF -- "$text" "$LOG" || fail "$*: '$(cat "$LOG")' lacks '$text'"
	check_log
}
replay_refused() { refuses_nobody 4 "$1" -replay "$SESSION" "${2:-$MNT}"; }

mkdir "$PUBLIC/rootly"
replay_refused "$PUBLIC/rootly: not allowed to mount here" "$PUBLIC/rootly"
chmod 600 "$FUSE"
replay_refused "/dev/fuse: Permission denied"
as_nobody "$PUBLIC/xgotopfs" -doctor >"$T/out" 2>&1
grep -q "^FAIL  *fuse  */dev/fuse: Permission denied" "$T/out" || fail "-doctor: $(cat "$T/out")"
chmod 666 "$FUSE"
chmod 755 "${FUSE%/*}/fusermount3"
replay_refused "is not setuid root"
chmod 644 "${FUSE%/*}/fusermount3"
replay_refused "fusermount3 is not installed"
chmod 4755 "${FUSE%/*}/fusermount3"
chmod 700 "sessions/$SESSION" && chown 0 "sessions/$SESSION"
replay_refused "$SESSION"
# Tracing: a process of one's own, too, needs what the kernel asks for a BPF program.
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
cp "$DEMO_BINARY" "$PUBLIC/demo"
fresh "$T/demo.out"
"${AS_NOBODY[@]}" "$PUBLIC/demo" -listen 127.0.0.1:0 >"$T/demo.out" 2>&1 &
DEMO=$!
on_exit "end $DEMO"
wait_for 20 grep -q listening "$T/demo.out" || fail "the demo does not start"
refuses_nobody 4 "CAP_BPF and CAP_PERFMON" -pid "$DEMO" "$MNT"
refuses_nobody 4 "CAP_SYS_PTRACE" -pid 1
unharmed "$DEMO"
exit 0
