/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a thread keeps its g while it runs no Go code: thread-local storage, at a place that the
 * linker, or ld.so, chooses (src/runtime/asm_amd64.s get_tls(), tls_arm64.s load_g). It is read off
 * an instruction of the runtime that uses it:
 *
 *     mov %fs:0xfffffffffffffff8, %rax          an executable
 *     mov $0xfffffffffffffff8, %rcx             a PIE
 *     mov %fs:(%rcx), %rax
 *     mov 0x…(%rip), %rcx                       a shared library: where ld.so says
 *     mov %fs:(%rcx), %rax
 */
#include <elf.h>
#include <string.h>

#include "core/target/place_code.h"
#include "core/target/target_internal.h"

#define BEFORE_MAX 8 /* instructions between the two */

static const uint8_t *bytes_of(const struct code *code, const struct insn *insn)
{
	return code->bytes + (insn->addr - code->func.entry);
}

static int64_t imm32(const uint8_t *at)
{
	int32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* What the register holds before instruction number `i`. */
static bool amd64_register(const struct code *code, size_t i, uint8_t reg,
			   struct target_g_slot *ret)
{
	for (size_t k = i; k-- > 0 && i - k <= BEFORE_MAX;) {
		const uint8_t *b = bytes_of(code, &code->insns[k]);

		if (code->insns[k].len != 7 || b[0] != 0x48)
			continue;
		if (b[1] == 0xc7 && b[2] == (0xc0 | reg)) { /* mov $imm32, reg */
			ret->from = TARGET_G_OFFSET;
			ret->at = (uint64_t)imm32(b + 3);
			return true;
		}
		if (b[1] == 0x8b && b[2] == (reg << 3 | 5)) { /* mov disp(%rip), reg */
			ret->from = TARGET_G_POINTER;
			ret->at = code->insns[k].addr + 7 + (uint64_t)imm32(b + 3);
			return true;
		}
	}
	return false;
}

/* mov between a register and %fs: memory, 8 bytes. */
static bool amd64_slot(const struct code *code, size_t i, struct target_g_slot *ret)
{
	const struct insn *insn = &code->insns[i];
	const uint8_t *b = bytes_of(code, insn);

	if (insn->len < 4 || b[0] != 0x64 || (b[1] & 0xf8) != 0x48 ||
	    (b[2] != 0x8b && b[2] != 0x89))
		return false;
	if (insn->len == 9 && (b[3] & 0xc7) == 0x04 && b[4] == 0x25) { /* disp32 alone */
		ret->from = TARGET_G_OFFSET;
		ret->at = (uint64_t)imm32(b + 5);
		return true;
	}
	if (insn->len == 4 && (b[3] & 0xc0) == 0 && (b[3] & 7) != 4 && (b[3] & 7) != 5 &&
	    !(b[1] & 1)) /* (reg), one of the first eight */
		return amd64_register(code, i, b[3] & 7, ret);
	return false;
}

/* movz x27, #offset, or adrp and ldr x27: load_g adds that to the thread pointer. */
static bool arm64_slot(const struct code *code, size_t i, struct target_g_slot *ret)
{
	const struct insn *insn = &code->insns[i], *page = i ? insn - 1 : NULL;

	if (insn->op == INSN_OP_CONST && insn->dst == 27) {
		ret->from = TARGET_G_OFFSET;
		ret->at = (uint64_t)insn->imm;
		return true;
	}
	if (page && page->op == INSN_OP_ADDRESS && insn->has_mem && insn->mem.load &&
	    insn->mem.base == page->dst && insn->mem.value == 27 && insn->mem.size == 8) {
		ret->from = TARGET_G_POINTER;
		ret->at = (uint64_t)page->imm + (uint64_t)insn->mem.disp;
		return true;
	}
	return false;
}

void target_g_slot(const struct target *t, struct target_g_slot *ret)
{
	bool arm64 = image_machine(target_image(t)) == EM_AARCH64;
	cleanup_code_ struct code code = {0};
	struct go_func func;

	*ret = (struct target_g_slot){.from = TARGET_G_REGISTER};
	if (target_func_by_name(t, arm64 ? "runtime.load_g" : "runtime.mcall", &func) ||
	    code_read(t, &func, &code))
		return;
	for (size_t i = 0; i < code.n; i++)
		if (arm64 ? arm64_slot(&code, i, ret) : amd64_slot(&code, i, ret))
			return;
}

/* --- the innermost frame ---------------------------------------------------------------------- */

int32_t target_frame_bytes(const struct target *t, uint64_t pc)
{
	struct pclntab_func f;
	const struct pclntab *tab;
	uint32_t index;
	uint64_t base;

	tab = &target_at(t, pc, &base)->tab;
	pc -= base;
	if (pclntab_index(tab, pc, &index) || pclntab_func(tab, index, &f))
		return -1;
	return pclntab_value(tab, &f, f.pcsp, pc);
}
