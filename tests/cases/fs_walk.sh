#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Tools that walk a tree and read what they find: they come to an end and find no fault, though there
# is a file in it whose reads wait. Over a live program what is gone meanwhile is "No such file" at most.
# timeout: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
. "$(dirname "$0")/../survive_lib.sh"
need_root
need timeout rsync tar grep

# The same for both: copies go to $T/walked.
WALKS=("grep -r -c newobject $MNT" "cp -a $MNT $T/walked" "tar -cf $T/walked $MNT" "rsync -a $MNT/ $T/walked"
	"find $MNT -type f -exec cat {} +" "wc -c $MNT/*" "busybox grep -r newobject $MNT")

# walk COMMAND: it comes to an end; its status is in STATUS, what it says in $T/said.
walk() {
	rm -rf --one-file-system "$T/walked"
	# shellcheck disable=SC2086
	timeout -k 1 $((30 * SLACK)) $1 >"$T/printed" 2>"$T/said"
	STATUS=$?
	[ "$STATUS" != 124 ] && [ "$STATUS" != 137 ] || fail "$1 does not end"
}

# At rest, so that a read that waits would wait for ever: not one error.
demo_start -g 20
demo events 100
for command in "${WALKS[@]}"; do
	walk "$command"
	# The folders that an asterisk finds are no files to wc.
	[[ $command != wc* ]] || { sed -i '/Is a directory$/d' "$T/said"; STATUS=0; }
	[ "$STATUS" = 0 ] && ! grep -v "Removing leading" "$T/said" || fail "$command: status $STATUS: $(head -n 5 "$T/said")"
done
[ -s "$T/printed" ] || [ -s "$T/walked" ] || fail "nothing was read"

# The pipe is there for whom asks by name, and is what it was.
[ -f "$MNT/events_pipe" ] && [ -f "$MNT/processes/4000/events_pipe" ] || fail "no events_pipe"
demo rate 500
timeout $((10 * SLACK)) grep -q -m 1 newobject "$MNT/events_pipe" || fail "events_pipe does not give an event"
wait_for 5 grep -q events_pipe "$MNT/README" || fail "README does not tell of events_pipe"
for folder in "$MNT" "$MNT/processes/4000"; do
	! find "$folder" -maxdepth 1 | grep pipe || fail "listed: a tool that walks $folder waits for ever"
done
demo_stop

# A server whose goroutines come and go while they are walked.
[ "$("$XGOTOPFS" -doctor >/dev/null 2>&1; echo $?)" = 0 ] || exit 0
# Not as fast as it can: who walks must catch up with what comes, on whatever machine.
under_load installed -rate $((600 / SLACK))
# Few events, all kept: a log that forgets its beginning shrinks under who copies it.
mount_demo -retain-exited 20 -retain 4000000 -sample newgoroutine:1,goexit:1
for command in "${WALKS[@]:0:5}"; do
	walk "$command"
	# rsync: 24 is "some files vanished".
	grep -vE "No such file or directory|has vanished|some files vanished|Is a directory|Removing leading|exit(ing)? (with|due|delayed)|File removed before|file changed as we read|shrank by|short read|previous errors" \
		"$T/said" >"$T/other" && fail "$command: $(head -n 5 "$T/other")"
done
alive
stop_xgotopfs
