/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as instructions of either machine. What is said of an instruction hangs on its own
 * bytes alone, and stays within what there is.
 */
#include <elf.h>
#include <errno.h>

#include "core/target/insn.h"
#include "tests/fuzz/fuzz.h"

static void check(uint16_t machine, const uint8_t *code, size_t n, uint64_t addr)
{
	struct insn insn, again;
	char text[64];
	uint8_t *alone;

	memset(&insn, 0, sizeof(insn));
	memset(text, 'x', sizeof(text));
	insn_format(machine, code, n, addr, text, sizeof(text));
	FUZZ_ASSERT(memchr(text, '\0', sizeof(text)));
	if (insn_decode(machine, code, n, addr, &insn))
		return;
	FUZZ_ASSERT(insn.len > 0 && insn.len <= n && insn.len <= 15);
	FUZZ_ASSERT(machine == EM_X86_64 || insn.len == 4);
	FUZZ_ASSERT(insn.addr == addr);
	FUZZ_ASSERT(insn.class == INSN_JCC || insn.class == INSN_JMP || insn.class == INSN_CALL ||
		    insn.target == 0);
	FUZZ_ASSERT(!insn.lower_or_same || insn.class == INSN_JCC);
	/* What changes the stack pointer says so. */
	if (insn.sp_known && insn.sp_change)
		FUZZ_ASSERT(insn.written & 1u << (machine == EM_X86_64 ? AMD64_RSP : ARM64_SP));
	if (insn.has_mem && insn.mem.base != INSN_NO_REG)
		FUZZ_ASSERT(insn.mem.base < 32);
	/* In a room of its own, so that the sanitizer sees what is read past it. */
	alone = malloc(insn.len);
	if (!alone)
		abort();
	memcpy(alone, code, insn.len);
	memset(&again, 0, sizeof(again));
	FUZZ_ASSERT(!insn_decode(machine, alone, insn.len, addr, &again));
	FUZZ_ASSERT(again.len == insn.len && again.class == insn.class &&
		    again.target == insn.target && again.written == insn.written &&
		    again.sp_known == insn.sp_known && again.emulated == insn.emulated &&
		    again.op == insn.op && again.has_mem == insn.has_mem);
	FUZZ_ASSERT(insn_decode(machine, alone, insn.len - 1u, addr, &again));
	insn_format(machine, alone, insn.len, addr, text, sizeof(text));
	free(alone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	uint16_t machine = fuzz_u8(&in) & 1 ? EM_AARCH64 : EM_X86_64;
	uint64_t addr = fuzz_number(&in, 4) << (fuzz_u8(&in) & 32);

	for (size_t i = 0; i < 8 && in.p < in.end;
	     i++, in.p += 4 < fuzz_left(&in) ? 4 : fuzz_left(&in))
		check(machine, in.p, fuzz_left(&in), addr);
	return 0;
}
