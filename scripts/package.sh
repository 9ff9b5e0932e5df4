#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Builds the Debian package of what lies here, committed or not, into FOLDER (build/package):
# xgotopfs_VERSION_ARCH.deb. Installs what building needs; `apt install ./FOLDER/xgotopfs_*.deb` installs
# it. DEB_BUILD_OPTIONS=noui: without the web UI.
# Usage: scripts/package.sh [FOLDER]
set -eu

[ $# -le 1 ] && [ "${1:-}" != -h ] && [ "${1:-}" != -help ] && [ "${1:-}" != --help ] || { sed -n '3,6s/^# //p' "$0"; exit 2; }
folder=$(realpath -m "${1:-"$(dirname "$0")/../build/package"}")
cd "$(dirname "$0")/.."
scripts/install-deps.sh package

# In a copy: nothing of it stays among the sources, and nothing that lies about gets into it.
tmp=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-package.XXXXXX")
trap 'rm -rf --one-file-system "$tmp"' EXIT
trap 'exit 130' INT TERM HUP
sources() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . \( -name 'build*' -o -name .git \) -type d -prune -o -type f -print0
	fi
}
mkdir "$tmp/xgotopfs"
sources | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
	tar --null --files-from=- --create | tar --extract --directory "$tmp/xgotopfs"
cp -r packaging/debian "$tmp/xgotopfs/debian"

# dh gives the build a home folder of its own; what npm has fetched and knows of registries is in ours.
export npm_config_cache=${npm_config_cache:-$HOME/.npm} npm_config_userconfig=${npm_config_userconfig:-$HOME/.npmrc}
cd "$tmp/xgotopfs"
# node and npm may come from elsewhere than the distribution: install-deps.sh has seen to all that is needed.
if ! dpkg-buildpackage --build=binary --unsigned-changes --no-check-builddeps >"$tmp/log" 2>&1; then
	cat "$tmp/log" >&2
	echo "package.sh: the build fails" >&2
	exit 1
fi
mkdir -p "$folder"
cp "$tmp"/*.deb "$tmp"/*.changes "$tmp"/*.buildinfo "$folder"
ls "$folder"/xgotopfs_*.deb
