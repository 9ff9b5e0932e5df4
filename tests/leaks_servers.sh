#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Is anybody called leaked in servers that work: caddy, rclone, etcd, nats, prometheus, syncthing and docker-registry,
# under load, from their first instruction to their end? Prints a table; fails on a false alarm:
#     tests/leaks_servers.sh [SECONDS [EVERY]]
# Looks every EVERY seconds (5) for SECONDS (3600). What is not installed comes from Debian's archive, unpacked and not
# installed. XGOTOPFS_BUILD is the build folder.
. "$(dirname "$0")/lib.sh"
ROOT=$(cd "$(dirname "$0")/.." && pwd)
need_root
need python3 apt-get dpkg-deb fusermount3
[ -x "$XGOTOPFS" ] || fail "$XGOTOPFS is not built"
mkdir "$T/debs" "$T/programs" "$T/run"
for package in caddy rclone etcd-server nats-server prometheus syncthing docker-registry; do
	(cd "$T/debs" && apt-get -q download "$package" >>"$T/apt.log" 2>&1) || echo "$package cannot be had" >&2
done
for deb in "$T"/debs/*.deb; do dpkg-deb -x "$deb" "$T/programs" || fail "$deb"; done
python3 "$ROOT/tests/leaks_servers.py" "$XGOTOPFS" "$T/programs" "$T/run" "${1:-3600}" "${2:-5}"
