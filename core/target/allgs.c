/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime.allglen and runtime.allgptr, the list of all goroutines as the runtime itself reads it
 * without a lock (proc.go atomicAllG: the length first, then the array, which only ever grows or is
 * replaced by a longer copy).
 *
 * A stripped binary names functions but no variables. runtime.forEachGRace, always linked as crash
 * dumps need it, loads exactly these two, in this order, before it loops; runtime.allgadd writes
 * both. Both functions must agree, otherwise the answer is "not found" rather than a guess.
 */
#include "core/target/allgs.h"

#include <elf.h>
#include <errno.h>

#include "core/target/place_code.h"
#include "core/target/target_internal.h"

#define REFS_MAX 64

/* Static data addresses that a function uses, in the order of its code. */
struct ref {
	uint64_t addr;
	bool load; /* of 8 bytes; otherwise only its address is taken, or something else */
};

struct refs {
	struct ref list[REFS_MAX];
	size_t n;
};

static void add_ref(struct refs *refs, uint64_t addr, bool load)
{
	if (refs->n < REFS_MAX)
		refs->list[refs->n++] = (struct ref){addr, load};
}

static void amd64_refs(const struct code *code, struct refs *refs)
{
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];

		if (insn->has_mem && insn->mem.absolute)
			add_ref(refs, (uint64_t)insn->mem.disp,
				insn->mem.load && !insn->mem.store && insn->mem.size == 8);
		else if (insn->op == INSN_OP_ADDRESS)
			add_ref(refs, (uint64_t)insn->imm, false);
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
			add_ref(refs, value[mem->base] + (uint64_t)mem->disp,
				mem->load && !mem->store && mem->size == 8);
		if (insn->op == INSN_OP_ADD && insn->src < 31 && known & 1u << insn->src) {
			add = true;
			value[insn->dst] = value[insn->src] + (uint64_t)insn->imm;
			add_ref(refs, value[insn->dst], false);
		}
		known &= ~insn->written;
		if (insn->op == INSN_OP_ADDRESS)
			value[insn->dst] = (uint64_t)insn->imm;
		if ((add || insn->op == INSN_OP_ADDRESS) && insn->dst < 31)
			known |= 1u << insn->dst;
	}
}

static int read_refs(const struct target *t, const char *name, struct refs *refs)
{
	cleanup_code_ struct code code = {0};
	struct go_func func;
	int err;

	refs->n = 0;
	if (target_func_by_name(t, name, &func))
		return -ENOSYS;
	err = code_read(t, &func, &code);
	if (err < 0)
		return err == -ENOMEM ? err : -ENOSYS;
	if (code.machine == EM_X86_64)
		amd64_refs(&code, refs);
	else
		arm64_refs(&code, refs);
	return 0;
}

static bool mentions(const struct refs *refs, uint64_t addr)
{
	for (size_t i = 0; i < refs->n; i++) {
		if (refs->list[i].addr == addr)
			return true;
	}
	return false;
}

int allgs_find_in_code(const struct target *t, struct allgs_address *ret)
{
	struct refs reader, writer;
	uint64_t loaded[2];
	size_t n = 0;
	int err;

	err = read_refs(t, "runtime.forEachGRace", &reader);
	if (!err)
		err = read_refs(t, "runtime.allgadd", &writer);
	if (err < 0)
		return err;
	for (size_t i = 0; i < reader.n; i++) {
		if (!reader.list[i].load)
			continue;
		if (n == 2)
			return -ENOSYS;
		loaded[n++] = reader.list[i].addr;
	}
	if (n != 2 || loaded[0] == loaded[1] || loaded[0] % 8 || loaded[1] % 8 ||
	    !mentions(&writer, loaded[0]) || !mentions(&writer, loaded[1]))
		return -ENOSYS;
	*ret = (struct allgs_address){.len = loaded[0], .ptr = loaded[1]};
	return 0;
}

int allgs_find(const struct target *t, struct allgs_address *ret)
{
	struct allgs_address found;
	uint64_t size;

	if (!image_symbol(target_image(t), "runtime.allglen", &found.len, &size) &&
	    !image_symbol(target_image(t), "runtime.allgptr", &found.ptr, &size)) {
		*ret = found;
		return 0;
	}
	return allgs_find_in_code(t, ret);
}
