#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the linker and the compiler were to do against the exploiting of a fault is in the binary: position
# independent, read-only after relocation, no writable code, stack protector, checked copies.
# timeout: 60
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"

readelf -W -h -l -d "$XGOTOPFS" >"$T/elf" || fail "readelf fails"
readelf -W --dyn-syms "$XGOTOPFS" >"$T/symbols" || fail "readelf fails"

grep -Eq '^ *Type: *DYN' "$T/elf" || fail "no position-independent executable"
grep -Eq '\(FLAGS_1\).*\bPIE\b' "$T/elf" || fail "no PIE flag"
grep -q 'GNU_RELRO' "$T/elf" || fail "no segment is made read-only after relocation"
grep -Eq '\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b' "$T/elf" || fail "the GOT stays writable: no BIND_NOW"
grep -Eq 'GNU_STACK.* RW ' "$T/elf" || fail "the stack is executable, or nothing says that it is not"
! grep -Eq '^ *LOAD.* (RWE|WE) ' "$T/elf" || fail "a segment is writable and executable"
! grep -Eq '\((RPATH|RUNPATH|TEXTREL)\)' "$T/elf" || fail "it looks for libraries in a folder of its own, or has text relocations"
grep -q '__stack_chk_fail' "$T/symbols" || fail "no stack protector"
for call in memcpy snprintf vsnprintf; do
	grep -q "__${call}_chk" "$T/symbols" || fail "FORTIFY does not check $call"
done
if [ "$(uname -m)" = x86_64 ]; then
	# A large frame is taken page by page, each touched: or $0,(%rsp).
	objdump -d --no-show-raw-insn "$XGOTOPFS" >"$T/code" || fail "objdump fails"
	grep -Eq 'or[ql]? +\$0x0,.*\(%rsp' "$T/code" || fail "no stack clash protection"
	grep -q endbr64 "$T/code" || fail "no landing marks for indirect branches"
fi
