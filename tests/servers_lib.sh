# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced after lib.sh by the tools that try real servers: unpacks them in $T/programs, and makes $T/run. They come
# from Debian's archive, once: tests/.cache/servers keeps the packages.
# shellcheck shell=bash
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
need_root
need python3 apt-get dpkg-deb fusermount3
[ -x "$XGOTOPFS" ] || fail "$XGOTOPFS is not built"
DEBS=$ROOT/tests/.cache/servers
mkdir -p "$DEBS" "$T/programs" "$T/run"
for package in caddy rclone etcd-server nats-server prometheus syncthing docker-registry; do
	compgen -G "$DEBS/${package}_*.deb" >/dev/null || (cd "$DEBS" && apt-get -q download "$package" >>"$T/apt.log" 2>&1) ||
		echo "$package cannot be had" >&2
done
for deb in "$DEBS"/*.deb; do dpkg-deb -x "$deb" "$T/programs" || fail "$deb"; done
