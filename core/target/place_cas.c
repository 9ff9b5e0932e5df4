/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes behind the compare-and-swap that changes a goroutine's state, where casgstatus (or, from
 * Go 1.26 on, reentersyscall and exitsyscall, which have one of their own) was copied into its
 * callers. A copy is
 *
 *     mov   old, %eax
 *     mov   new, %reg
 *     lock cmpxchg %reg, atomicstatus(%g)
 *     sete  %x                     (or the branch at once)
 *     test  %x, %x
 *     jne …
 *
 * with other moves between. The branch is emulated, and there ZF says whether the state changed,
 * eax is the old one, and the other two registers are still in place: all that an entry of
 * casgstatus tells, after the fact instead of before it. A swap that fails tells nothing; it is
 * tried again, or casgstatus is called, which tells it.
 */
#include <elf.h>
#include <errno.h>

#include "core/target/place.h"
#include "core/target/target_internal.h"

#define BEHIND_MAX 16 /* instructions between the swap and its branch */

/* One that reg_by_number() of the BPF program knows. */
static bool is_plain_register(uint8_t reg)
{
	return reg < 16 && reg != AMD64_RSP && reg != AMD64_RBP && reg != AMD64_G;
}

bool place_is_state_swap(const struct target *t, const struct insn *insn)
{
	const struct insn_mem *mem = &insn->mem;

	return insn->op == INSN_OP_CMPXCHG && insn->has_mem && !mem->indexed && !mem->absolute &&
	       mem->size == 4 && mem->disp == target_layout(t)->g_atomicstatus &&
	       is_plain_register(mem->base) && is_plain_register(insn->src);
}

/* Where the answer of the swap is: in ZF, in a register (1: it took place), or in ZF the other way
 * round, after that register was tested. */
enum answer { IN_FLAG, IN_REGISTER, TESTED };

int place_behind_swap(const struct code *code, const struct insn *swap, struct probe_site *ret,
		      const char **why)
{
	const struct insn *end = code->insns + code->n;
	uint32_t needed = 1u << swap->mem.base | 1u << swap->src | 1u << AMD64_RAX | 1u << AMD64_G;
	enum answer answer = IN_FLAG;
	uint8_t reg = INSN_NO_REG;

	*why = "what follows its compare-and-swap is not what the compiler makes of it";
	for (const struct insn *insn = swap + 1; insn < end && insn - swap <= BEHIND_MAX; insn++) {
		if (code_is_jump_target(code, insn->addr))
			return -ENOEXEC;
		if (insn->class == INSN_JCC) {
			if (!insn->on_zero || !insn->emulated || answer == IN_REGISTER)
				return -ENOEXEC;
			ret->addr = insn->addr;
			ret->emulated = true;
			ret->flags = answer == IN_FLAG ? SITE_ZERO_IS_SWAPPED : 0;
			ret->reg = swap->mem.base;
			ret->reg2 = swap->src;
			return 0;
		}
		if (insn->class == INSN_NOP || insn->class == INSN_NOP_WIDE)
			continue;
		if (insn->class != INSN_OTHER || insn->written & needed)
			return -ENOEXEC;
		if (answer == IN_FLAG && insn->op == INSN_OP_SET_ZERO) {
			answer = IN_REGISTER;
			reg = insn->dst;
		} else if (answer == IN_REGISTER && insn->op == INSN_OP_TEST && insn->src == reg &&
			   insn->src2 == reg) {
			answer = TESTED;
		} else if ((answer != IN_REGISTER && insn->op != INSN_OP_PLAIN &&
			    insn->op != INSN_OP_MOVE) ||
			   (answer == IN_REGISTER && insn->written & 1u << reg)) {
			return -ENOEXEC;
		}
	}
	return -ENOEXEC;
}
