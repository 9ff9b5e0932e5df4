#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -b PATH, and another file comes to be there: by mv, by unlink and a copy, by the link of a deploy, half
# written at first, no Go program, and back to the one before. New processes are traced by what they are,
# the old ones until they end, and it says so.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../redeploy_lib.sh"
need_tracing
build_versions
RELEASES=$T/releases APP=$T/app
mkdir "$RELEASES"
cp "$V1" "$RELEASES/1"
ln -s "$RELEASES/1" "$APP"
watch_app

# new_file RELEASE: waits for the next word that a file built with that release is followed.
SAID=0
new_file() {
	SAID=$((SAID + 1))
	wait_for "$PATIENCE" says_times "$SAID" "$APP is another file now (built with go" || fail "not followed: $(cat "$LOG")"
	grep "another file now" "$LOG" | tail -n 1 | grep -q "built with ${1:-go}" || fail "not $1: $(tail -n 2 "$LOG")"
}
# One that stays, of the first file: it must be traced to its end.
mkfifo "$T/old.in"
"$APP" <"$T/old.in" >"$T/old.out" 2>&1 7>&- &
OLD=$!
on_exit "end $OLD"
exec 9>"$T/old.in"
wait_for "$PATIENCE" test -d "$MNT/processes/$OLD" || fail "the first process is not followed"
old_objects() { grep -c ' newobject type=main.Marker ' "$MNT/processes/$OLD/events"; }
old_is() { [ "$(old_objects)" = "$1" ]; }
N=0
old_goes_on() {
	echo 10 >&9
	N=$((N + 10))
	wait_for 10 old_is $N || fail "$1: the old process shows $(old_objects) of $N objects"
}
old_goes_on "at first"
traced_exactly 9>&-

# A link is made to lead elsewhere.
cp "$V3" "$RELEASES/3"
ln -sfn "$RELEASES/3" "$T/next" && mv -T "$T/next" "$APP"
new_file go1.20
traced_exactly 9>&-
old_goes_on "after a switch of the link"

# A file in place of the link, by rename.
cp "$V2" "$T/next" && mv "$T/next" "$APP"
new_file
traced_exactly 9>&-
old_goes_on "after a rename"

# Gone, and back as another; half of it first.
rm "$APP"
head -c 100000 "$V3" >"$T/half" && chmod 755 "$T/half" && mv "$T/half" "$APP"
wait_for "$PATIENCE" says "$APP is another file now, which cannot be traced" || fail "no word of half a file: $(cat "$LOG")"
in_health "^verdict incomplete" || fail "$(health | head -n 3)"
in_health "^warning another file is in its place" || fail "$(health | head -n 5)"
old_goes_on "while the new one is half written"
# In one write: what stays half written for another second is another file that cannot be traced, and said.
dd if="$V3" of="$APP" bs=64M iflag=skip_bytes skip=100000 oflag=append conv=notrunc status=none && cmp "$V3" "$APP" || fail "the other half"
new_file go1.20
wait_for 10 healthy || fail "$(health | head -n 4)"
traced_exactly 9>&-

# Not a Go program, said once; then the first again.
cp "$(type -P true)" "$T/next" && mv "$T/next" "$APP"
wait_for "$PATIENCE" says_times 2 "$APP is another file now, which cannot be traced" || fail "no word of a C program: $(cat "$LOG")"
ln -s "$RELEASES/1" "$T/next" && mv -T "$T/next" "$APP"
wait_for "$PATIENCE" says "$APP is a file of before again" || fail "not followed: $(cat "$LOG")"
expect "lines about half a file and a C program" "$(grep -c "which cannot be traced" "$LOG")" 2
traced_exactly 9>&-
old_goes_on "at the end"
wait_for 10 healthy || fail "$(health | head -n 4)"

# Files that no process runs are let go of: one keeper and one guard a file that is held.
keepers() { pgrep -c -P "$XPID" xgotop-keeper; }
few() { [ "$(keepers)" -le 2 ]; }
wait_for 10 few || fail "$(keepers) keepers"
exec 9>&-
stop_xgotopfs
