#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Installs from the distribution (Debian 12 or newer) what building needs, and what the demo
# (`demo`), the Debian package (`package`), the tests (`test`) or the benchmarks (`bench`) need beyond that. Installs only what is
# missing, says nothing when nothing is. Usage: scripts/install-deps.sh [build|demo|package|test|bench]
set -eu

what=${1:-build}

build="ca-certificates gcc clang llvm bpftool meson ninja-build pkg-config libc6-dev
	libbpf-dev libelf-dev libdw-dev libfuse3-dev fuse3 libinih-dev
	libprotobuf-c-dev protobuf-c-compiler libwebsockets-dev libjansson-dev
	libzydis-dev libcap-ng-dev libseccomp-dev zlib1g-dev python3"
demo="procps"
packaging="debhelper dpkg-dev"
tests="libcmocka-dev libclang-rt-dev python3-venv protobuf-compiler rclone busybox less rsync curl jq tmux bash-completion zsh fish lintian debootstrap clang-format clang-tidy codespell chromium python3-websockets btrfs-progs"
# The server that is measured, and plots.
bench="caddy python3-matplotlib python3-websockets"

case $what in
build) packages=$build ;;
demo) packages="$build $demo" ;;
package) packages="$build $packaging" ;;
test) packages="$build $demo $packaging $tests" ;;
bench) packages="$build $demo $bench" ;;
*)
	echo "usage: scripts/install-deps.sh [build|demo|package|test|bench]" >&2
	exit 2
	;;
esac

# The web UI is built with them; from wherever they come.
command -v node >/dev/null 2>&1 || packages="$packages nodejs"
command -v npm >/dev/null 2>&1 || packages="$packages npm"
# Any Go from 1.17 on builds the demo and bootstraps the others (scripts/go.sh).
if [ "$what" != build ] && [ "$what" != package ] && ! command -v go >/dev/null 2>&1; then
	packages="$packages golang-go"
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "install-deps: not a Debian system; install what these packages hold:" $packages >&2
	exit 1
fi

missing=
for package in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "install-deps: needs root to install:$missing" >&2
	exit 4
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM HUP
export DEBIAN_FRONTEND=noninteractive

# A run stopped half-way, or another package manager at work, are ordinary: wait and carry on.
apt() {
	apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1
}

echo "install-deps: installing$missing" >&2
if ! { apt install -y --no-install-recommends $missing ||
	{ dpkg --configure -a >>"$log" 2>&1; apt update && apt install -y --no-install-recommends $missing; }; }; then
	cat "$log" >&2
	echo "install-deps: could not install:$missing" >&2
	exit 1
fi
