#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A live run in folders that others may write: the metrics file and a recording follow no planted
# link; a storage folder that cannot be had is one line and no recording.
# timeout: 90
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need jq
own_demo "" stripped
start_demo "$DEMO_BINARY"
mkdir "$T/work" "$T/shared"
chmod 1777 "$T/work" "$T/shared"
cd "$T/work" || exit 1
echo "the secret" >"$T/victim"

# --- the metrics file, and what it once was written through ---------------------------------------
ln -s "$T/victim" metrics__a.json.partial
ln -s "$T/victim" metrics__a.json
chown -h nobody metrics__a.json metrics__a.json.partial
ln -s "$T/shared" "$T/mine" # the user's own link to where sessions are to be
mount_demo -s -mft -mfp a -record -storage-dir "$T/mine/s/deep"
id=$(ls "$T/shared/s/deep") || fail "no session behind the user's own link"
expect "its mode" "$(stat -c %a "$T/shared/s/deep/$id")" 700
stop_xgotopfs
expect "the victim" "$(cat "$T/victim")" "the secret"
[ -f metrics__a.json ] && [ ! -L metrics__a.json ] || fail "the planted link is still there"
jq -e .rps metrics__a.json >/dev/null || fail "no metrics file: $(cat metrics__a.json)"
expect "what is left" "$(ls)" "$(printf '%s\n' metrics__a.json metrics__a.json.partial)"

# A folder has its name: one line, and the status of an error.
rm -f metrics__a.json && mkdir metrics__a.json
start_xgotopfs -pid "$DEMO" -s -mft -mfp a
wait_ready
kill -INT "$XPID"
ended 1
expect "messages" "$(grep -c 'cannot write metrics__a.json: a folder, not a file' "$LOG")" 1

# --- a storage folder that is none, is read-only, or is somebody else's link -----------------------
refused() {
	local status=$1 text=$2
	shift 2
	start_xgotopfs -pid "$DEMO" -s -record -storage-dir "$1"
	ended "$status"
	expect "lines about $1 ($(cat "$LOG"))" "$(grep -c "cannot record into $1: $text" "$LOG")" 1
}
mkfifo "$T/shared/fifo"
refused 1 "Not a directory" "$T/shared/fifo"
refused 1 "Not a directory" "$T/victim/s"
ln -s "$T/work" "$T/shared/his"
chown -h nobody "$T/shared/his"
refused 1 "a symbolic link, which is not followed here" "$T/shared/his"
refused 1 "a symbolic link, which is not followed here" "$T/shared/his/s"
ln -s "$T/not/mounted" "$T/dangling"
refused 1 "No such file or directory" "$T/dangling"
mkdir "$T/readonly"
if mount -t tmpfs -o ro tmpfs "$T/readonly"; then
	on_exit "umount $T/readonly"
	refused 1 "Read-only file system" "$T/readonly"
	refused 1 "Read-only file system" "$T/readonly/s"
fi
unharmed "$DEMO"
