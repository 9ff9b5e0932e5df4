#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# clang-tidy with the checks of .clang-tidy over the program's files; 14, Debian 12's. -deep: with the paths
# that clang's analyzer walks, too, which takes minutes and has to be judged (it knows no cleanup attribute).
# Usage: tests/tidy.sh [-deep] [-p BUILD] [FILE.c]...
set -u
cd "$(dirname "$0")/.." || exit 1
build=${XGOTOPFS_BUILD:-build} checks=()
while [ $# -gt 0 ]; do
	case $1 in
	-deep) checks=('-checks=clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,-clang-analyzer-unix.Malloc,-clang-analyzer-optin.performance.*') ;;
	-p)
		build=$2
		shift
		;;
	*) break ;;
	esac
	shift
done
command -v clang-tidy >/dev/null || { echo "SKIP: no clang-tidy"; exit 77; }
version=$(clang-tidy --version | sed -n 's/.*LLVM version \([0-9]*\)\..*/\1/p')
[ "$version" = 14 ] || { echo "SKIP: clang-tidy is $version, not 14 (Debian 12's)"; exit 77; }
[ -s "$build/compile_commands.json" ] || { echo "nothing is configured in $build"; exit 1; }
[ $# -gt 0 ] || set -- $(git ls-files --cached --others --exclude-standard -- 'app/*.c' 'core/*.c' 'fs/*.c' 'web/*.c' xgotopfs.c)
printf '%s\n' "$@" | while read -r file; do [ ! -f "$file" ] || echo "$file"; done |
	xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p "$build" "${checks[@]}" 2>/dev/null
