#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The main job, from a fresh clone: installs what is missing, builds, starts a demo Go server with
# some load, mounts it, shows the first events and a goroutine, and stays until Ctrl-C.
# Usage: scripts/demo.sh [-t SECONDS] [MOUNTPOINT]     -t: end by itself after so long
set -eu

seconds=
if [ "${1:-}" = -t ]; then
	seconds=$2
	shift 2
fi
if [ $# -gt 1 ] || [ "${1:-}" = -h ] || [ "${1:-}" = -help ] || [ "${1:-}" = --help ]; then
	sed -n '2,4s/^# //p' "$0"
	exit 2
fi

# The mount point as seen from where the caller stands.
mount_point=
[ $# -eq 0 ] || mount_point=$(realpath -m "$1")
build=${XGOTOPFS_BUILD:-} # another build folder than the usual one
[ -z "$build" ] || build=$(realpath -m "$build")
cd "$(dirname "$0")/.."
build=${build:-build}
[ "$(id -u)" -eq 0 ] || { echo "demo.sh: needs root: eBPF probes and a mount" >&2; exit 4; }

say() { echo "demo: $*"; }

say "1. what is needed from the distribution"
scripts/install-deps.sh demo
say "2. building"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
make() { { [ -f "$build/build.ninja" ] || meson setup "$build"; } >"$log" 2>&1 && ninja -C "$build" xgotopfs docs/xgotopfs.1 >>"$log" 2>&1; }
if ! make; then
	# The mount needs no UI, and a machine may well reach its distribution but no npm registry.
	grep -q '^npm ' "$log" || { cat "$log" >&2; exit 1; }
	grep '^npm ' "$log" | head -n 3 >&2
	say "   npm fails: building without the web UI (later: meson configure $build -Dui=enabled)"
	meson configure "$build" -Dui=disabled
	make || { cat "$log" >&2; exit 1; }
fi
scripts/build-go.sh examples/demo "$build/demo"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-demo.XXXXXX")
[ -n "$mount_point" ] || mount_point=$tmp/mnt
made_mount_point=
[ -d "$mount_point" ] || { mkdir -p "$mount_point" && made_mount_point=1; }
pids=

cleanup() {
	trap - EXIT
	trap '' INT TERM
	# xgotopfs first: it detaches and unmounts.
	[ -z "${xgotopfs:-}" ] || { kill "$xgotopfs" 2>/dev/null || true; wait "$xgotopfs" 2>/dev/null || true; }
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	mountpoint -q "$mount_point" && fusermount3 -u -z "$mount_point"
	[ -z "$made_mount_point" ] || rmdir "$mount_point" 2>/dev/null || true
	rm -rf --one-file-system "$tmp" "$log"
	say "everything is as it was"
}
trap cleanup EXIT
trap 'exit 0' INT TERM

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $deadline ] || { echo "demo.sh: $what takes too long" >&2; exit 1; }
		sleep 0.1
	done
}

say "3. a Go server with some load"
# In sessions of their own: a Ctrl-C is for this script, which ends them in order.
setsid "$build/demo" -listen 127.0.0.1:0 >"$tmp/server" &
pids=$!
wait_for 30 "the server" grep -q listening "$tmp/server"
read -r _ url _ pid <"$tmp/server"
say "   $url, process $pid"
setsid "$build/demo" -load "$url" -rate 20 &
pids="$! $pids"

say "4. xgotopfs -pid $pid $mount_point"
setsid "$build/xgotopfs" -log-level warn -pid "$pid" "$mount_point" &
xgotopfs=$!
mounted() { kill -0 "$xgotopfs" || exit 1; [ -s "$mount_point/events" ]; }
wait_for 60 "mounting" mounted

# Something to see: a new object's type, and a new goroutine's function.
seen() { grep -q ' newobject type=main' "$mount_point/events" && grep -q ' newgoroutine child=.* func=' "$mount_point/events"; }
wait_for 60 "the first request" seen

echo
say "grep -m 3 type=main $mount_point/events"
grep -m 3 type=main "$mount_point/events"
echo
say "tail -n 8 $mount_point/events"
tail -n 8 "$mount_point/events"
echo
say "cat $mount_point/goroutines/1/status"
cat "$mount_point/goroutines/1/status"
echo
say "ls $mount_point $mount_point/by-func"
ls "$mount_point" "$mount_point/by-func"
echo
say "look around in $mount_point from another terminal, for instance:"
cat <<EOT
      cat $mount_point/problems
      tail -f $mount_point/events
      cat $mount_point/health
      watch -n 1 ls -l $mount_point/by-state/waiting
      curl $url/leak; sleep 3; cat $mount_point/leaks
      find $mount_point/by-state/waiting -mindepth 1 -mmin +1
EOT
say "Ctrl-C ends"
if [ -n "$seconds" ]; then
	sleep "$seconds" &
	pids="$! $pids"
	wait $!
else
	wait "$xgotopfs"
fi
