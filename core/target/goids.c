/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime.sched.goidgen and runtime.allp. In a stripped binary: newproc1 and oneNewExtraM both add
 * to the first (lea reg, [sched.goidgen]; lock xadd [reg], reg2), to nothing else both; preemptall
 * loops over the second, and loads its pointer and its length and nothing else that is static. What
 * does not look like that is "not found" rather than a guess.
 */
#include "core/target/goids.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core/target/place_code.h"
#include "core/target/refs.h"
#include "core/target/target_internal.h"

#define ADDED_MAX 16

/* As is_atomic_add(), where nothing is inlined (-gcflags=-l): rax has the address. */
static bool calls_atomic_add(const struct target *t, const struct insn *insn)
{
	struct go_func func;

	return insn->class == INSN_CALL && !target_func_by_pc(t, insn->target, &func) &&
	       func.entry == insn->target && strstr(func.name, "/atomic.(*Uint64).Add");
}

/* Static addresses of 8 bytes that a function adds to, atomically. */
struct added {
	uint64_t to[ADDED_MAX];
	size_t n;
};

/* lock xadd [reg], reg2: f0, REX with W, 0f c1. */
static bool is_atomic_add(const struct code *code, const struct insn *insn)
{
	const uint8_t *b = code->bytes + (insn->addr - code->func.entry);

	return insn->len >= 5 && b[0] == 0xf0 && (b[1] & 0xf8) == 0x48 && b[2] == 0x0f &&
	       b[3] == 0xc1 && insn->has_mem && !insn->mem.indexed && insn->mem.disp == 0 &&
	       insn->mem.base < 16;
}

static int read_added(const struct target *t, const char *function, struct added *ret)
{
	cleanup_code_ struct code code = {0};
	uint64_t address[16];
	uint32_t known = 0; /* registers that hold one */
	struct go_func func;
	int err;

	ret->n = 0;
	if (target_func_by_name(t, function, &func))
		return -ENOSYS;
	err = code_read(t, &func, &code);
	if (err < 0)
		return err == -ENOMEM ? err : -ENOSYS;
	if (code.machine != EM_X86_64)
		return -ENOSYS;
	for (size_t i = 0; i < code.n; i++) {
		const struct insn *insn = &code.insns[i];

		if (code_is_jump_target(&code, insn->addr))
			known = 0;
		if (is_atomic_add(&code, insn) && known & 1u << insn->mem.base &&
		    ret->n < ADDED_MAX)
			ret->to[ret->n++] = address[insn->mem.base];
		else if (known & 1u << AMD64_RAX && ret->n < ADDED_MAX && calls_atomic_add(t, insn))
			ret->to[ret->n++] = address[AMD64_RAX];
		known &= ~insn->written;
		if (insn->op == INSN_OP_ADDRESS && insn->dst < 16) {
			address[insn->dst] = (uint64_t)insn->imm;
			known |= 1u << insn->dst;
		}
	}
	return 0;
}

static int find_goidgen(const struct target *t, uint64_t *ret)
{
	struct added one, other;
	uint64_t found = 0;
	int err = read_added(t, "runtime.newproc1", &one);

	if (!err)
		err = read_added(t, "runtime.oneNewExtraM", &other);
	for (size_t i = 0; i < one.n && !err; i++) {
		for (size_t j = 0; j < other.n; j++) {
			if (one.to[i] != other.to[j])
				continue;
			if (found && found != one.to[i])
				return -ENOSYS;
			found = one.to[i];
		}
	}
	*ret = found;
	return !err && (!found || found % 8) ? -ENOSYS : err;
}

static int find_allp(const struct target *t, uint64_t *ret)
{
	struct refs refs;
	uint64_t loaded[2];
	size_t n = 0;
	int err = refs_read(t, "runtime.preemptall", &refs);

	for (size_t i = 0; i < refs.n && !err; i++) {
		if (!refs.list[i].load)
			continue;
		if (n == 2)
			return -ENOSYS;
		loaded[n++] = refs.list[i].addr;
	}
	if (err)
		return err;
	if (n != 2 || loaded[0] % 8 || (loaded[0] + 8 != loaded[1] && loaded[1] + 8 != loaded[0]))
		return -ENOSYS;
	*ret = MIN(loaded[0], loaded[1]);
	return 0;
}

int goids_find_in_code(const struct target *t, struct goids_address *ret)
{
	int err = find_goidgen(t, &ret->goidgen);

	return err ? err : find_allp(t, &ret->allp);
}

int goids_find(const struct target *t, struct goids_address *ret)
{
	uint64_t size;

	if (!target_layout(t)->p_goidcache)
		return -ENOSYS;
	/* goidgen is sched's first field, as its alignment once asked for. */
	if (!image_symbol(target_image(t), "runtime.sched", &ret->goidgen, &size) &&
	    !image_symbol(target_image(t), "runtime.allp", &ret->allp, &size))
		return 0;
	return goids_find_in_code(t, ret);
}
