/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decodes a function as a whole: a probe may stand on an instruction only when every instruction
 * boundary from the entry on is known, and no jump of the function contradicts them.
 */
#include "core/target/place_code.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core/base/util.h"
#include "core/target/target_internal.h"

#define FUNC_BYTES_MAX 65536
/* The block that calls morestack spills at most nine arguments first and reloads them after. */
#define MORESTACK_BLOCK 24

static bool is_jump(const struct insn *insn)
{
	return insn->class == INSN_JCC || insn->class == INSN_JMP;
}

static bool inside(const struct code *code, uint64_t addr)
{
	return addr >= code->func.entry && addr < code->func.end;
}

static bool is_morestack_call(const struct target *t, const struct insn *insn)
{
	struct go_func callee;

	return insn->class == INSN_CALL && !target_func_by_pc(t, insn->target, &callee) &&
	       callee.entry == insn->target && !strncmp(callee.name, "runtime.morestack", 17);
}

const struct insn *code_at(const struct code *code, uint64_t addr)
{
	size_t i = FIRST_NOT_BELOW(code->insns, code->n, addr, addr);

	return i < code->n && code->insns[i].addr == addr ? &code->insns[i] : NULL;
}

bool code_is_jump_target(const struct code *code, uint64_t addr)
{
	for (size_t i = 0; i < code->n; i++) {
		if (is_jump(&code->insns[i]) && code->insns[i].target == addr)
			return true;
	}
	return false;
}

bool code_calls(const struct code *code, uint64_t entry)
{
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];

		if ((insn->class == INSN_CALL || insn->class == INSN_JMP) && insn->target == entry)
			return true;
	}
	return false;
}

bool code_goes_to_morestack(const struct target *t, const struct code *code,
			    const struct insn *branch)
{
	const struct insn *insn = code_at(code, branch->target), *end = code->insns + code->n;

	if (!insn || insn->addr <= branch->addr)
		return false;
	for (int i = 0; i < MORESTACK_BLOCK && insn < end; i++, insn++) {
		if (is_morestack_call(t, insn))
			return true;
		if (insn->class != INSN_OTHER && insn->class != INSN_NOP &&
		    insn->class != INSN_NOP_WIDE)
			return false;
	}
	return false;
}

/* A jump to the entry is the way back from morestack when a call of that comes before it in the
 * same block, and nothing jumps in between. */
static bool comes_from_morestack(const struct target *t, const struct code *code, size_t jump)
{
	if (code->insns[jump].class != INSN_JMP)
		return false;
	for (size_t i = jump; i > 0 && jump - i < MORESTACK_BLOCK; i--) {
		const struct insn *insn = &code->insns[i - 1];

		if (code_is_jump_target(code, code->insns[i].addr))
			return false;
		if (is_morestack_call(t, insn))
			return true;
		if (insn->class != INSN_OTHER && insn->class != INSN_NOP &&
		    insn->class != INSN_NOP_WIDE)
			return false;
	}
	return false;
}

static int examine(const struct target *t, struct code *code)
{
	code->restarts_cleanly = true;
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];

		if (insn->class == INSN_JMP_INDIRECT)
			code->has_jump_table = true;
		if (is_morestack_call(t, insn))
			code->has_stack_check = true;
		if (!is_jump(insn) || !inside(code, insn->target))
			continue;
		if (!code_at(code, insn->target))
			return -EILSEQ;
		if (insn->target == code->func.entry && !comes_from_morestack(t, code, i))
			code->restarts_cleanly = false;
	}
	return 0;
}

int code_decode(const struct target *t, uint16_t machine, const void *bytes,
		const struct go_func *func, struct code *ret)
{
	cleanup_code_ struct code code = {.machine = machine, .func = *func, .bytes = bytes};
	size_t size = func->end - func->entry, shortest = machine == EM_X86_64 ? 1 : 4;
	uint64_t addr = func->entry;
	int err;

	code.insns = calloc(size / shortest + 1, sizeof(*code.insns));
	if (!code.insns)
		return -ENOMEM;
	while (addr < func->end) {
		struct insn *insn = &code.insns[code.n];

		err = insn_decode(machine, code.bytes + (addr - func->entry), func->end - addr,
				  addr, insn);
		if (err < 0)
			return err;
		addr += insn->len;
		code.n++;
	}
	err = examine(t, &code);
	if (err < 0)
		return err;
	*ret = code;
	code.insns = NULL;
	return 0;
}

int code_read(const struct target *t, const struct go_func *func, struct code *ret)
{
	const struct image *img = target_image(t);
	const void *bytes;

	if (func->end <= func->entry)
		return -ENOENT;
	if (func->end - func->entry > FUNC_BYTES_MAX)
		return -E2BIG;
	bytes = image_at(img, func->entry, func->end - func->entry);
	if (!bytes)
		return -ENOENT;
	return code_decode(t, image_machine(img), bytes, func, ret);
}

void code_free(struct code *code)
{
	free(code->insns);
	code->insns = NULL;
	code->n = 0;
}
