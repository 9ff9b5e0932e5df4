#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Mounting and unmounting: errors that say what is wrong, crashes, other users, busy mounts.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need fusermount3
public_folder
[ -x "$FS_DEMO" ] || skip "not built"
MNT=$PUBLIC/mnt # in the way of other users is the mount only
refused() { # TEXT ARG...
	local text=$1 out
	shift
	out=$(timeout $((10 * SLACK)) "$FS_DEMO" "$@" </dev/null 2>&1) && fail "mounted: $*"
	[ "$(printf '%s\n' "$out" | wc -l)" = 1 ] || fail "more than a line: $out"
	case $out in *"$text"*) ;; *) fail "$*: $out" ;; esac
}
mkdir "$T/full" && touch "$T/full/x" "$T/file"
refused "no such folder" "$T/nothing"
refused "not a folder" "$T/file"
refused "not empty" "$T/full"
mkdir "$T/opts" && refused "not understood" -o nonsense_option "$T/opts"

demo_start -g 2
refused "another xgotopfs" "$MNT"
findmnt -n -o FSTYPE "$MNT" | grep -q fuse.xgotopfs || fail "type"

# Another user: not unless allow_other.
out=$(as_nobody ls "$MNT" 2>&1) && fail "another user sees it"
case $out in *"Permission denied"*) ;; *) fail "another user: $out" ;; esac

# A mount that is in use: busy for fusermount3 -u; SIGTERM unmounts all the same, and a reader that
# waits gets the end of the file.
cat "$MNT/events_pipe" >"$T/pipe" 2>"$T/pipe.err" &
CAT=$!
opened() { ls -l /proc/$CAT/fd 2>/dev/null | grep -q events_pipe; }
wait_for 20 opened || fail "not opened"
fusermount3 -u "$MNT" 2>/dev/null && fail "unmounted although in use"
demo_stop
mountpoint -q "$MNT" && fail "still mounted after SIGTERM"
wait_for 20 gone $CAT || fail "the reader waits on"
wait $CAT || fail "the reader failed: $(cat "$T/pipe.err")"

# Unmounted from outside: it ends, with success.
demo_start -g 2
exec 4<"$MNT/README"
fusermount3 -u -z "$MNT" || fail "lazy unmount"
read -r _ <&4 || fail "an open file of a lazily unmounted mount"
exec 4<&-
wait_for 20 gone "$DEMO" || fail "it does not end when unmounted"
wait "$DEMO" || fail "an unmount from outside is not an error: $(cat "$T/log")"

# What somebody else mounts over it, or in its place while it is still in use, is not ours to unmount.
theirs() { mount -t tmpfs none "$MNT" && touch "$MNT/theirs" || fail "tmpfs"; }
on_exit "umount -q -l -t tmpfs $MNT"
for option in noauto_unmount auto_unmount; do
	demo_start -g 2 -o "$option"
	theirs
	kill "$DEMO"
	wait_for "$PATIENCE" gone "$DEMO" || fail "it does not end below another mount"
	wait "$DEMO" || fail "mounted over ($option): $(cat "$T/log")"
	[ -e "$MNT/theirs" ] || fail "what was mounted over it is gone ($option): $(cat "$T/log")"
	grep -q "something else is mounted over it .*: umount -l $MNT, once" "$T/log" || fail "it is not said: $(cat "$T/log")"
	umount "$MNT" || fail "not to be unmounted"
	demo_start -g 2 -o "$option" # removes what was left below
	exec 4<"$MNT/README"
	umount -l "$MNT" || fail "not unmounted lazily"
	theirs
	kill "$DEMO"
	wait_for "$PATIENCE" gone "$DEMO" || fail "it does not end when it is not mounted any more, and in use"
	wait "$DEMO" || fail "unmounted and in use ($option): $(cat "$T/log")"
	exec 4<&-
	[ -e "$MNT/theirs" ] || fail "what was mounted in its place is gone ($option): $(cat "$T/log")"
	umount "$MNT" || fail "not to be unmounted"
	DEMO=
done

# A crash without auto_unmount leaves a dead mount; the next run removes it.
demo_start -g 2 -o noauto_unmount
kill -9 "$DEMO"
wait_for 20 gone "$DEMO"
wait "$DEMO" 2>/dev/null
out=$(ls "$MNT" 2>&1) && fail "not dead"
case $out in *"not connected"*) ;; *) fail "dead: $out" ;; esac
demo_start -g 2
wait_for 20 grep -q "removed the mount" "$T/log" || fail "it does not say so: $(cat "$T/log")"
: >"$T/log"
[ -e "$MNT/goroutines/2" ] || fail "not mounted again"

# Whoever starts it again does not wait for that: as soon as it is killed, and once it was waited for.
for option in noauto_unmount auto_unmount; do
	for turn in 1 2 3 4 5; do
		ls "$MNT" >/dev/null || fail "not mounted, turn $turn"
		kill -9 "$DEMO"
		[ $((turn % 2)) = 0 ] || wait "$DEMO" 2>/dev/null
		demo_start -g 2 -o "$option"
		[ -e "$MNT/goroutines/2" ] || fail "not mounted at once after a crash: $option, turn $turn"
	done
done

# With auto_unmount (the default) a crash leaves nothing. No fusermount3 waits for that: libfuse would
# start it by a fork() of a process with threads, and allocate in the child.
unmounted() { ! grep -q " $MNT fuse" /proc/mounts; } # not by looking into it: that keeps it busy
for option in "" "-o auto_unmount"; do
	# shellcheck disable=SC2086
	[ -n "$DEMO" ] || demo_start -g 2 $option
	expect "helpers that wait" "$(pgrep -x fusermount3 -P "$DEMO")" ""
	kill -9 "$DEMO"
	wait_for "$PATIENCE" unmounted || fail "a crash leaves the mount ($option)"
	ls "$MNT" >/dev/null || fail "the folder is not itself again"
	wait "$DEMO" 2>/dev/null
	DEMO=
done

# Whoever unmounts for us is held up (on a machine that has much to do, or here stopped): we end all the same,
# and it is unmounted as soon as that can be.
demo_start -g 2
unmounter=$(child_of "$DEMO" xgotop-umount) || fail "no process that unmounts"
kill -STOP "$unmounter"
kill -INT "$DEMO"
wait_for "$PATIENCE" gone "$DEMO" || fail "it waits for who is stopped"
wait "$DEMO" || fail "the process that unmounts is late: $(cat "$T/log")"
grep -q "it takes long to unmount it" "$T/log" || fail "nothing is said: $(cat "$T/log")"
kill -CONT "$unmounter"
wait_for "$PATIENCE" unmounted || fail "not unmounted by who was late"
wait_for "$PATIENCE" gone "$unmounter" || fail "it stays"
DEMO=

# allow_other: others read what they may, and no more.
demo_start -g 2 -o allow_other
as_nobody cat "$MNT/README" >/dev/null || fail "allow_other"
out=$(as_nobody sh -c "echo 1 >$MNT/control/pause" 2>&1) &&
	fail "another user could write a control"
case $out in *"ermission denied"*) ;; *) fail "another user writes: $out" ;; esac
