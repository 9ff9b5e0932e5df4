#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Links, FIFOs, sockets, devices and folders in place of the files of the storage folder and of what
# is written: listing, replay, conversion, the mount and the web server do not wait, follow none,
# and say so in one line.
# timeout: 90
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_root
need jq curl python3
TOOL=$XGOTOPFS_BUILD/tests/bench/session_tool
[ -x "$TOOL" ] || fail "$TOOL is not built"
cd "$T" || exit 1
echo "the secret" >"$T/victim"
chmod 600 "$T/victim"

intact() { expect "the victim ($1)" "$(cat "$T/victim")" "the secret"; }

# plant KIND PATH
plant() {
	rm -rf "$2"
	case $1 in
	link) ln -s "$T/victim" "$2" ;;
	fifo) mkfifo "$2" ;;
	socket) python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$2" ;;
	device) mknod "$2" c 1 5 ;; # /dev/zero: it never ends
	folder) mkdir "$2" ;;
	esac || fail "cannot make a $1"
}
words() {
	case $1 in
	link) echo "a symbolic link" ;;
	folder) echo "a folder, not a file" ;;
	*) echo "not a regular file" ;;
	esac
}

# run STATUS ARG...: within its time, with that status; stdout to $T/out, stderr to $LOG.
run() {
	local want=$1 status
	shift
	timeout -k 2 $((30 * SLACK)) "$XGOTOPFS" "$@" >"$T/out" 2>"$LOG" </dev/null
	status=$?
	expect "status of: $* ($(cat "$LOG"))" "$status" "$want"
	check_log
}
one_line() { expect "lines that say '$1' ($(cat "$LOG"))" "$(grep -c -- "$1" "$LOG")" 1; }

# --- sessions/ID/metadata.json and events.pb -----------------------------------------------------
id=$("$TOOL" record "$T/s" protobuf 2000 100) || fail "nothing is recorded"
other=$("$TOOL" record "$T/s" protobuf 2000 100) || fail "nothing is recorded"
cp -a "$T/s" "$T/good"
for kind in link fifo socket device folder; do
	plant $kind "$T/s/$id/metadata.json"
	run 0 -sessions -storage-dir "$T/s"
	one_line "$id: metadata.json: "
	expect "sessions with a $kind as metadata.json" "$(grep -cE "^($id|$other) " "$T/out")" 2
	run 0 -replay "$id" -speed 0 -storage-dir "$T/s"
	one_line "$(words $kind)"
	expect "events" "$(wc -l <"$T/out")" 2000
	run 0 -convert "$id" -storage-dir "$T/s"
	rm -rf "$T/s" && cp -a "$T/good" "$T/s"

	plant $kind "$T/s/$id/events.pb"
	run 0 -sessions -storage-dir "$T/s"
	one_line "$id: events.pb: "
	run 1 -replay "$id" -speed 0 -storage-dir "$T/s"
	one_line "$(words $kind)"
	expect "lines" "$(wc -l <"$LOG")" 1
	run 1 -convert "$id" -storage-dir "$T/s"
	one_line "$(words $kind)"
	intact $kind
	rm -rf "$T/s" && cp -a "$T/good" "$T/s"
done
# In place of the session's folder.
mkdir "$T/elsewhere" && mv "$T/s/$id" "$T/elsewhere/$id" && ln -s "$T/elsewhere/$id" "$T/s/$id"
run 0 -sessions -storage-dir "$T/s"
! grep -q "$id" "$T/out" || fail "a link in place of a session's folder is followed"
rm "$T/s/$id" && mkfifo "$T/s/$id"
run 0 -sessions -storage-dir "$T/s"
run 1 -replay "$id" -storage-dir "$T/s"
rm -rf "$T/s" && cp -a "$T/good" "$T/s"

# --- the mount and the API: everything planted at once, settings.json, too ------------------------
mkfifo "$T/s/settings.json"
rm "$T/s/$id"/*
mkfifo "$T/s/$id/metadata.json" "$T/s/$id/events.pb"
start_xgotopfs -replay "$other" -speed 0 -s -web -web-port 0 -storage-dir "$T/s" "$MNT"
wait_ready
wait_web
one_line "settings.json: not valid settings, the defaults are used: not a regular file"
expect "sessions" "$(timeout $((20 * SLACK)) ls "$MNT/sessions" | sort)" "$(printf '%s\n' "$id" "$other" | sort)"
expect "files that are none" "$(timeout $((20 * SLACK)) ls "$MNT/sessions/$id")" ""
expect "/api/sessions" "$(curl -m $((20 * SLACK)) -s "${WEB}api/sessions" | jq length)" 2
expect "problem" "$(curl -m $((20 * SLACK)) -s "${WEB}api/sessions/$id" | jq -r .problem)" "metadata.json: not a regular file"
for kind in link fifo socket device folder; do
	plant $kind "$T/s/settings.json"
	curl -m $((20 * SLACK)) -sf -d '{"nanoseconds_per_pixel":5}' "${WEB}api/config" >/dev/null || fail "no POST"
	intact "settings.json: $kind"
	if [ $kind = folder ]; then
		one_line "settings are not kept"
	else
		[ -f "$T/s/settings.json" ] && [ ! -L "$T/s/settings.json" ] || fail "settings.json is a $kind still"
	fi
done
timeout $((20 * SLACK)) rm -r "$MNT/sessions/$id" || fail "rm -r through the mount"
[ ! -e "$T/s/$id" ] || fail "the folder is still there"
stop_xgotopfs

# --- -convert -out --------------------------------------------------------------------------------
mkdir "$T/o"
chmod 1777 "$T/o"
for kind in link fifo socket device folder; do
	plant $kind "$T/o/x.json.partial" # what it once wrote to
	run 0 -convert "$other" -storage-dir "$T/s" -out "$T/o/x.json"
	expect "lines ($kind)" "$(wc -l <"$T/o/x.json")" 2000
	intact "-out: $kind"
	rm -rf "$T/o/x.json.partial"
done
plant link "$T/o/x.json"
run 0 -convert "$other" -storage-dir "$T/s" -out "$T/o/x.json"
intact "-out over a link"
[ ! -L "$T/o/x.json" ] || fail "the link is still there"
plant fifo "$T/o/x.json"
chown nobody "$T/o/x.json"
run 4 -convert "$other" -storage-dir "$T/s" -out "$T/o/x.json"
expect "lines" "$(wc -l <"$LOG")" 1
plant folder "$T/o/x.json"
run 1 -convert "$other" -storage-dir "$T/s" -out "$T/o/x.json"
one_line "$T/o/x.json: a folder, not a file"
expect "what is left" "$(ls "$T/o")" x.json
# The user's own word: a pipe, a device, what stdout is.
ln -s /proc/self/fd/1 "$T/stdout"
run 0 -convert "$other" -storage-dir "$T/s" -out "$T/stdout"
expect "lines on stdout" "$(wc -l <"$T/out")" 2000
[ -L "$T/stdout" ] || fail "the link to stdout was replaced"
expect "lines in a pipe" "$("$XGOTOPFS" -convert "$other" -storage-dir "$T/s" -out /dev/stdout | wc -l)" 2000
run 0 -convert "$other" -storage-dir "$T/s" -out /dev/null
[ -c /dev/null ] || fail "/dev/null is gone"

# --- -config --------------------------------------------------------------------------------------
printf 'storage-dir = %s\n' "$T/s" >"$T/x.ini"
ln -s x.ini "$T/link.ini"
run 0 -sessions -config "$T/link.ini"
expect "sessions" "$(grep -c "^$other " "$T/out")" 1
expect "sessions" "$("$XGOTOPFS" -sessions -config <(cat "$T/x.ini") | grep -c "^$other ")" 1
for kind in fifo socket device folder; do
	plant $kind "$T/bad.ini"
	run 1 -sessions -config "$T/bad.ini"
	expect "lines" "$(wc -l <"$LOG")" 1
	one_line "$(words $kind)"
done

# --- -storage-dir ---------------------------------------------------------------------------------
run 1 -sessions -storage-dir "$T/none" # a slip, not an empty table
expect "lines" "$(wc -l <"$LOG")" 1
one_line "$T/none: No such file or directory"
expect "table" "$(wc -c <"$T/out")" 0
for kind in fifo socket device; do
	plant $kind "$T/odd"
	run 1 -sessions -storage-dir "$T/odd"
	expect "lines" "$(wc -l <"$LOG")" 1
done
ln -s s "$T/mine"
run 0 -sessions -storage-dir "$T/mine"
expect "through a link of the user's own" "$(grep -c "^$other " "$T/out")" 1
ln -s ../s "$T/o/his"
chown -h nobody "$T/o/his"
run 1 -sessions -storage-dir "$T/o/his"
one_line "a symbolic link, which is not followed here"

# --- as another user: what is not his to read ------------------------------------------------------
chmod 711 "$T"
cp "$XGOTOPFS" "$T/xgotopfs" && chmod 755 "$T/xgotopfs" "$T/s"
if setpriv --reuid nobody --clear-groups "$T/xgotopfs" -version >/dev/null 2>&1; then
	chmod 755 "$T/s/$other"
	setpriv --reuid nobody --clear-groups "$T/xgotopfs" -sessions -storage-dir "$T/s" >"$T/out" 2>"$LOG" || fail "$(cat "$LOG")"
	one_line "$other: metadata.json: Permission denied"
	setpriv --reuid nobody --clear-groups "$T/xgotopfs" -replay "$other" -speed 0 -storage-dir "$T/s" >"$T/out" 2>"$LOG"
	expect "status of a replay as nobody" $? 4
	one_line "Permission denied"
fi
exit 0
