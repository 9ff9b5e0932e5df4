#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# scripts/demo.sh: what it shows is worth showing, the man page is there to be read, and nothing stays.
# timeout: 120
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
cd /
export XGOTOPFS_BUILD
TMPDIR=$T timeout $((100 * SLACK)) "$ROOT/scripts/demo.sh" -t 1 "$T/mnt" >"$T/out" 2>&1 || fail "the demo fails: $(cat "$T/out")"
shown() { sed -n "/^demo: $1 /,/^$/p" "$T/out" | sed '1d;$d'; }
shown "grep -m 3 type=main" | grep -q '^[0-9.]* [0-9]* newobject type=main' || fail "no type: $(cat "$T/out")"
expect "last events shown" "$(shown "tail -n 8" | grep -c '^[0-9.]* [0-9]* ')" 8
shown cat | grep -q '^start_function runtime.main$' || fail "goroutine 1 is not shown: $(cat "$T/out")"
grep -q '^main.(\*server).worker$' "$T/out" || fail "no by-func/: $(cat "$T/out")"
[ -s "$XGOTOPFS_BUILD/docs/xgotopfs.1" ] || fail "no man page"
! mountpoint -q "$T/mnt" && [ ! -e "$T/mnt" ] || fail "the mount stays"
! ls "$T"/xgotopfs-demo.* 2>/dev/null || fail "its folder stays"
