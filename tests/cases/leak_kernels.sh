#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Of the programs by which Go tests its own profile of leaked goroutines some, by tests/leak_kernels.sh:
# nobody is named who is not lost, and hardly anybody missed whom the runtime names.
# timeout: 120
. "$(dirname "$0")/../lib.sh"

programs=(NilRecv SelectNoCasesMain Mixed NoLeakGlobal Cond RWMutexLock DaisyChain Timeout Moby17176 Syncthing5795)
timeout 100 bash "$(dirname "$0")/../leak_kernels.sh" "${programs[@]}" >"$T/table" 2>"$T/err"
status=$?
[ "$status" != 77 ] || skip "$(cat "$T/err")"
expect "status ($(cat "$T/err"))" "$status" 0
expect "programs" "$(grep -c '^| [A-Z]' "$T/table")" "${#programs[@]}"
# A dead word on a stack hides some, and may differ from run to run.
awk -F'[ |*]+' '$2 == "together" { fine = $3 > 150 && $5 * 5 <= $3 } END { exit !fine }' "$T/table" ||
	fail "too many are missed: $(cat "$T/table" "$T/err")"
tail -n 1 "$T/table"
