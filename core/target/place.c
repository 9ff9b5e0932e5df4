/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Choosing the instruction for a probe. The rules, and why:
 *
 * 1. The kernel runs the original instruction either by emulating it (one trap) or by stepping a
 *    copy out of line (two traps and more, about ten times dearer). So: the first emulated
 *    instruction at which everything that is read is still in place. On amd64 one that the kernel
 *    emulates in registers alone, where there is such a one: a push, or a call, it emulates by a
 *    copy to the thread's stack, a tenth of the whole hit.
 * 2. A function with a stack check begins again from its first instruction after morestack has
 *    grown the stack (or after a preemption request). A probe on or before the check's branch is
 *    hit again then. So: after that branch; or on the branch, and the BPF program skips the hit
 *    when the flags say that it will be taken (SITE_FILTER_BRANCH); or, as the last resort, on the
 *    first instruction with the comparison made by the BPF program (SITE_STACK_CHECK).
 * 3. One hit per call: the way from the entry to the site is straight. Nothing jumps into it, and
 *    it has no branch but the stack check's (a branch may be the site itself). Only the path back
 *    from morestack leads to the entry.
 * 4. Nothing past a call is looked at: registers are gone and so, on arm64, is the return address.
 */
#include "core/target/place.h"

#include <elf.h>
#include <errno.h>

#include "core/target/target_internal.h"

#define ENTRY_BYTES_MAX 256

struct walk {
	uint32_t intact; /* registers that hold what they held on entry */
	int32_t sp_delta;
	bool sp_known;
};

/* Go's integer argument registers (src/cmd/compile/abi-internal.md). */
static uint32_t argument_registers(const struct code *code, const struct go_layout *layout,
				   unsigned n)
{
	static const uint8_t amd64[] = {AMD64_RAX, AMD64_RBX, AMD64_RCX, AMD64_RDI, AMD64_RSI, 8};
	uint32_t mask = 0;

	for (unsigned i = 0; i < n && i < ARRAY_SIZE(amd64) && layout->register_abi; i++)
		mask |= 1u << (code->machine == EM_X86_64 ? amd64[i] : i);
	return mask;
}

static uint32_t always_needed(const struct code *code)
{
	return code->machine == EM_X86_64 ? 1u << AMD64_G : 1u << ARM64_G | 1u << ARM64_LR;
}

static void step(struct walk *walk, const struct insn *insn)
{
	walk->intact &= ~insn->written;
	/* What no function does (a frame of 2 GiB) is as good as not known. */
	if (!insn->sp_known ||
	    __builtin_sub_overflow(walk->sp_delta, insn->sp_change, &walk->sp_delta))
		walk->sp_known = false;
}

/* Arguments on the stack (no register ABI): is this a store into the caller's frame? */
static bool overwrites_arguments(const struct code *code, const struct walk *walk,
				 const struct insn *insn)
{
	return code->machine == EM_AARCH64 && insn->has_mem && insn->mem.store &&
	       insn->mem.base == ARM64_SP &&
	       (insn->mem.indexed ||
		(int64_t)insn->mem.disp + insn->mem.size > (int64_t)walk->sp_delta + 8);
}

static bool ends_straight_line(const struct insn *insn)
{
	return insn->class != INSN_OTHER && insn->class != INSN_PUSH && insn->class != INSN_NOP &&
	       insn->class != INSN_NOP_WIDE;
}

static void stand(struct probe_site *site, const struct insn *insn, const struct walk *walk,
		  uint32_t flags)
{
	site->addr = insn->addr;
	site->emulated = insn->emulated;
	site->sp_delta = (int16_t)walk->sp_delta;
	site->flags = flags;
}

/* Is it emulated by writing to the program's memory? */
static bool emulated_in_memory(const struct code *code, const struct insn *insn)
{
	return code->machine == EM_X86_64 && (insn->class == INSN_PUSH || insn->class == INSN_CALL);
}

/* amd64: cmp rsp, [r14+0x10]; jbe morestack. The only form the BPF program can evaluate itself. */
static bool begins_with_plain_check(const struct target *t, const struct code *code)
{
	const struct insn *cmp = &code->insns[0], *jcc = &code->insns[1];

	return code->machine == EM_X86_64 && code->n > 1 && cmp->op == INSN_OP_CMP &&
	       cmp->src == AMD64_RSP && cmp->has_mem && !cmp->mem.indexed &&
	       cmp->mem.base == AMD64_G && cmp->mem.disp == 0x10 && jcc->class == INSN_JCC &&
	       jcc->lower_or_same && code_goes_to_morestack(t, code, jcc);
}

/* Is this the branch of the check against g.stackguard0 (or 1), whose limit was loaded or compared
 * in the few instructions before it? */
static bool is_stack_check(const struct target *t, const struct code *code, size_t i)
{
	uint8_t g = code->machine == EM_X86_64 ? AMD64_G : ARM64_G;

	if (code->insns[i].class != INSN_JCC || !code_goes_to_morestack(t, code, &code->insns[i]))
		return false;
	for (size_t back = 1; back <= 4 && back <= i; back++) {
		const struct insn *insn = &code->insns[i - back];

		if (insn->has_mem && insn->mem.load && insn->mem.base == g && !insn->mem.indexed &&
		    (insn->mem.disp == 0x10 || insn->mem.disp == 0x18))
			return true;
	}
	return false;
}

/* Is there another branch to morestack behind instruction i? Then the function can begin anew after
 * whatever stands there. Go's compiler makes no such code; other code may look like it. */
static bool may_restart_after(const struct target *t, const struct code *code, size_t i)
{
	for (i++; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];

		if ((insn->class == INSN_JCC || insn->class == INSN_JMP) &&
		    code_goes_to_morestack(t, code, insn))
			return true;
	}
	return false;
}

static int fall_back(const struct target *t, const struct code *code, struct probe_site *ret,
		     const char **why)
{
	static const struct walk at_entry = {.sp_known = true};

	if (!code->has_stack_check) {
		stand(ret, &code->insns[0], &at_entry, 0);
		return 0;
	}
	if (begins_with_plain_check(t, code) && !may_restart_after(t, code, 1)) {
		stand(ret, &code->insns[0], &at_entry, SITE_STACK_CHECK);
		return 0;
	}
	*why = "no instruction near its entry is hit once per call with the arguments intact";
	return -ENOEXEC;
}

int place_near_entry(const struct target *t, const struct code *code, unsigned n_args,
		     struct probe_site *ret, const char **why)
{
	uint32_t needed = always_needed(code) | argument_registers(code, target_layout(t), n_args);
	struct walk walk = {.intact = UINT32_MAX, .sp_known = true}, branch_walk = walk;
	struct walk dear_walk = walk;
	const struct insn *branch = NULL, *dear = NULL;
	bool checked = !code->has_stack_check;

	if (code->has_jump_table || !code->restarts_cleanly) {
		*why = "its jumps cannot all be followed, or one leads back to its entry";
		return -ENOEXEC;
	}
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];
		bool good = insn->emulated && walk.sp_known && (walk.intact & needed) == needed &&
			    walk.sp_delta >= 0 && walk.sp_delta <= INT16_MAX;

		if (insn->addr - code->func.entry > ENTRY_BYTES_MAX ||
		    (i > 0 && code_is_jump_target(code, insn->addr)))
			break;
		if (!checked && is_stack_check(t, code, i) && !may_restart_after(t, code, i)) {
			checked = true;
			if (good && insn->lower_or_same) {
				branch = insn;
				branch_walk = walk;
			}
			continue;
		}
		if (good && checked && !emulated_in_memory(code, insn)) {
			stand(ret, insn, &walk, 0);
			return 0;
		}
		if (good && checked && !dear) {
			dear = insn;
			dear_walk = walk;
		}
		/* A very large frame has a second, earlier branch to morestack. */
		if (ends_straight_line(insn) &&
		    !(insn->class == INSN_JCC && code_goes_to_morestack(t, code, insn)))
			break;
		step(&walk, insn);
		if (n_args > 0 && !target_layout(t)->register_abi &&
		    overwrites_arguments(code, &walk, insn))
			break;
	}
	if (branch) {
		stand(ret, branch, &branch_walk, SITE_FILTER_BRANCH);
		return 0;
	}
	if (dear) {
		stand(ret, dear, &dear_walk, 0);
		return 0;
	}
	return fall_back(t, code, ret, why);
}

/* An 8-byte store to g.goid, alone or as half of a pair. */
static bool stores_goid(const struct code *code, const struct insn *insn, uint32_t g_goid)
{
	const struct insn_mem *mem = &insn->mem;
	uint8_t sp = code->machine == EM_X86_64 ? AMD64_RSP : ARM64_SP;
	uint8_t g = code->machine == EM_X86_64 ? AMD64_G : ARM64_G;

	if (!insn->has_mem || !mem->store || mem->indexed || mem->absolute || mem->base == sp ||
	    mem->base == g || mem->base == INSN_NO_REG)
		return false;
	return (mem->size == 8 && mem->disp == g_goid) ||
	       (mem->size == 16 && (mem->disp == g_goid || mem->disp + 8 == g_goid));
}

/* Is it one that any kernel steps out of line? None is that locks the bus
 * (arch/x86/kernel/uprobes.c, is_prefix_bad()). */
static bool may_be_stepped(const struct code *code, const struct insn *insn)
{
	return !ends_straight_line(insn) &&
	       (code->machine != EM_X86_64 || code->bytes[insn->addr - code->func.entry] != 0xf0);
}

static void stand_behind_goid(struct probe_site *site, const struct insn *insn,
			      const struct insn *store)
{
	static const struct walk nowhere = {.sp_known = true};

	stand(site, insn, &nowhere, 0);
	site->reg = store->mem.base;
}

int place_after_goid_store(const struct code *code, uint32_t g_goid, struct probe_site *ret,
			   const char **why)
{
	struct walk walk = {.intact = UINT32_MAX, .sp_known = true};
	const struct insn *end = code->insns + code->n, *store = NULL, *dear = NULL;

	if (code->has_jump_table) {
		*why = "its jumps cannot all be followed";
		return -ENOEXEC;
	}
	for (const struct insn *insn = code->insns; insn < end; insn++) {
		if (!stores_goid(code, insn, g_goid))
			continue;
		if (store) {
			*why = "it stores to g.goid in more than one place";
			return -ENOEXEC;
		}
		store = insn;
	}
	if (!store) {
		*why = "its store to g.goid was not found";
		return -ENOEXEC;
	}
	/* In the store's own basic block: as often as the store, and after it. */
	for (const struct insn *insn = store + 1; insn < end; insn++) {
		if (code_is_jump_target(code, insn->addr) || !(walk.intact & 1u << store->mem.base))
			break;
		if (insn->emulated) {
			stand_behind_goid(ret, insn, store);
			return 0;
		}
		if (!dear && may_be_stepped(code, insn))
			dear = insn;
		if (ends_straight_line(insn))
			break;
		step(&walk, insn);
	}
	/* Where nothing is inlined (-gcflags=-l) the first call, which takes the place of the g, is
	 * the only one to be emulated in some releases. */
	if (dear) {
		stand_behind_goid(ret, dear, store);
		return 0;
	}
	*why = "no instruction after its store to g.goid is safe";
	return -ENOEXEC;
}
