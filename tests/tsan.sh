#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Runs a command, a case or a test of a build with ThreadSanitizer, and fails when any process of it
# reports a race. Usage: tests/tsan.sh [-] COMMAND ARG...    -: the reports stay on each one's stderr
#        XGOTOPFS_BUILD=$PWD/build-tsan XGOTOPFS_SANITIZED=1 tests/tsan.sh bash tests/cases/main.sh
# The build: meson setup build-tsan -Db_sanitize=thread -Db_lundef=false -Dui=disabled
set -u
logs=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-tsan.XXXXXX") || exit 1
chmod 777 "$logs" # some cases run it as another user
trap 'rm -rf "$logs"' EXIT
suppressions=$(cd "$(dirname "$0")" && pwd)/tsan.supp
export TSAN_OPTIONS="suppressions=$suppressions history_size=4 exitcode=66"
if [ "${1:-}" = - ]; then shift; else TSAN_OPTIONS="$TSAN_OPTIONS log_path=$logs/race"; fi
# Its shadow memory has fixed addresses, where a kernel with vm.mmap_rnd_bits over 28 may put a program.
fixed=()
! setarch -R true 2>/dev/null || fixed=(setarch -R)
"${fixed[@]}" "$@"
status=$?
for log in "$logs"/race*; do
	[ -s "$log" ] || continue
	cat "$log" >&2
	status=66
done
exit "$status"
