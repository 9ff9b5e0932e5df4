/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/target/refs.h"

#include <elf.h>
#include <errno.h>

#include "core/target/place_code.h"

static void add_ref(struct refs *refs, const struct insn *insn, uint64_t addr, bool load,
		    bool store)
{
	if (refs->n < REFS_MAX)
		refs->list[refs->n++] = (struct ref){addr, insn->addr, load, store};
}

/* An operand at a static address. */
static void add_memory(struct refs *refs, const struct insn *insn, uint64_t addr)
{
	const struct insn_mem *mem = &insn->mem;

	add_ref(refs, insn, addr, mem->load && !mem->store && mem->size == 8, mem->store);
}

/* Two words at once: ldp, stp. */
static void add_pair(struct refs *refs, const struct insn *insn, uint64_t addr)
{
	for (unsigned i = 0; i < 2; i++)
		add_ref(refs, insn, addr + 8 * i, insn->mem.load, insn->mem.store);
}

static void amd64_refs(const struct code *code, struct refs *refs)
{
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];

		if (insn->has_mem && insn->mem.absolute)
			add_memory(refs, insn, (uint64_t)insn->mem.disp);
		else if (insn->op == INSN_OP_ADDRESS)
			add_ref(refs, insn, (uint64_t)insn->imm, false, false);
	}
}

/* adrp and add (or the offset of a load) make an address; what any register holds is followed
 * through straight code and forgotten where a jump may come in. */
static void arm64_refs(const struct code *code, struct refs *refs)
{
	uint64_t value[32];
	uint32_t known = 0;

	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];
		const struct insn_mem *mem = &insn->mem;
		bool add = false;

		if (code_is_jump_target(code, insn->addr))
			known = 0;
		if (insn->has_mem && !mem->indexed && mem->base < 32 && known & 1u << mem->base)
			(mem->size == 16 ? add_pair : add_memory)(
				refs, insn, value[mem->base] + (uint64_t)mem->disp);
		if (insn->op == INSN_OP_ADD && insn->src < 31 && known & 1u << insn->src) {
			add = true;
			value[insn->dst] = value[insn->src] + (uint64_t)insn->imm;
			add_ref(refs, insn, value[insn->dst], false, false);
		}
		known &= ~insn->written;
		if (insn->op == INSN_OP_ADDRESS)
			value[insn->dst] = (uint64_t)insn->imm;
		if ((add || insn->op == INSN_OP_ADDRESS) && insn->dst < 31)
			known |= 1u << insn->dst;
	}
}

int refs_read(const struct target *t, const char *function, struct refs *ret)
{
	cleanup_code_ struct code code = {0};
	struct go_func func;
	int err;

	ret->n = 0;
	if (target_func_by_name(t, function, &func))
		return -ENOSYS;
	err = code_read(t, &func, &code);
	if (err < 0)
		return err == -ENOMEM ? err : -ENOSYS;
	if (code.machine == EM_X86_64)
		amd64_refs(&code, ret);
	else
		arm64_refs(&code, ret);
	return 0;
}

bool refs_mention(const struct refs *refs, uint64_t addr)
{
	for (size_t i = 0; i < refs->n; i++) {
		if (refs->list[i].addr == addr)
			return true;
	}
	return false;
}
