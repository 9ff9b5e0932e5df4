#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Of the programs by which Go tests its own profile of leaked goroutines some, by tests/leak_kernels.sh:
# nobody is named who is not lost, and hardly anybody missed whom the runtime names. MutexHeap's are
# found by stack maps alone. The same programs of a release without such a profile give the same.
# timeout: 240
. "$(dirname "$0")/../lib.sh"

programs=(MutexHeap NilRecv SelectNoCasesMain Mixed NoLeakGlobal Cond RWMutexLock DaisyChain Timeout Moby17176 Syncthing5795)
OLDER=1.21.13 timeout $((120 * SLACK)) bash "$(dirname "$0")/../leak_kernels.sh" "${programs[@]}" >"$T/table" 2>"$T/err"
status=$?
[ "$status" != 77 ] || skip "$(cat "$T/err")"
expect "status ($(cat "$T/err"))" "$status" 0
expect "programs" "$(grep -c '^| [A-Z]' "$T/table")" "${#programs[@]}"
# A dead word hides some, and may differ from run to run.
awk -F'[ |*]+' '$2 == "together" { fine = $3 > 1150 && $5 * 5 <= $3 } END { exit !fine }' "$T/table" ||
	fail "too many are missed: $(cat "$T/table" "$T/err")"
tail -n 1 "$T/table"
[[ "$(tail -n 1 "$T/table")" =~ in\ ([0-9]+)\ of\ ([0-9]+)\ functions ]] || fail "no older release: $(cat "$T/table")"
[ "${BASH_REMATCH[2]}" -ge 8 ] && [ "$((BASH_REMATCH[1] + 1))" -ge "${BASH_REMATCH[2]}" ] ||
	fail "too many are missed: $(cat "$T/table" "$T/err")"
