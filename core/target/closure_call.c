/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See closure_call.h. What a register or a stack slot holds is known as far as it came from the
 * closure; everything else is "something". */
#include "core/target/closure_call.h"

#include <elf.h>
#include <string.h>

#include "core/base/util.h"

#define REGISTERS   32
#define SLOTS       32
#define CLOSURE_MAX 4096 /* bytes; a go statement's arguments */
#define ITAB_FUN    24   /* internal/abi.ITab.Fun */
#define ITAB_MAX    (64u << 10)

enum what {
	SOMETHING,
	CLOSURE, /* its address */
	HELD,    /* the word `at` bytes into it */
	BEHIND,  /* the word `off` bytes behind where that points */
	STACK,   /* an address: sp at the entry, plus off */
};

struct value {
	enum what what;
	uint32_t at;
	int64_t off;
};

struct slot {
	int64_t off; /* from sp at the entry */
	struct value value;
};

struct follow {
	const struct target *t;
	const struct code *code;
	struct value regs[REGISTERS];
	struct slot slots[SLOTS];
	unsigned n_slots;
	unsigned sp;
};

static struct value reg(const struct follow *f, unsigned n)
{
	return n < REGISTERS ? f->regs[n] : (struct value){0};
}

static struct value word_at(const struct follow *f, struct value base, int64_t disp)
{
	struct value v = {0};

	if (base.what == CLOSURE && disp > 0 && disp < CLOSURE_MAX)
		v = (struct value){.what = HELD, .at = (uint32_t)disp};
	else if (base.what == HELD)
		v = (struct value){.what = BEHIND, .at = base.at, .off = disp};
	for (unsigned i = 0; base.what == STACK && i < f->n_slots; i++) {
		if (f->slots[i].off == base.off + disp)
			v = f->slots[i].value;
	}
	return v;
}

static struct value loaded(const struct follow *f, const struct insn *insn, unsigned word)
{
	const struct insn_mem *mem = &insn->mem;

	if (!insn->has_mem || !mem->load || mem->indexed || mem->absolute)
		return (struct value){0};
	return word_at(f, reg(f, mem->base), mem->disp + (int64_t)word * 8);
}

static void store(struct follow *f, const struct insn_mem *mem)
{
	struct value base = reg(f, mem->base);
	const int64_t lo = base.off + mem->disp, hi = lo + MAX(mem->size, (uint8_t)1);
	unsigned i = 0;

	if (base.what != STACK)
		return; /* the closure itself is never written */
	/* What is stored there is no longer what was, nor is any word that an index may reach. */
	for (unsigned k = 0; k < f->n_slots; k++)
		if (mem->indexed || (f->slots[k].off < hi && f->slots[k].off + 8 > lo))
			f->slots[k].value = (struct value){0};
	if (mem->size != 8 || mem->indexed)
		return;
	while (i < f->n_slots && f->slots[i].off != lo)
		i++;
	if (i == SLOTS)
		return;
	f->n_slots = MAX(f->n_slots, i + 1);
	f->slots[i].off = lo;
	f->slots[i].value = mem->load || mem->value == ARM64_SP /* xzr */
				    ? (struct value){0}
				    : reg(f, mem->value);
}

/* arm64: ldp of two 64-bit registers. */
static bool is_pair(const struct follow *f, const struct insn *insn, unsigned regs[2])
{
	uint32_t word;

	if (f->code->machine != EM_AARCH64)
		return false;
	memcpy(&word, f->code->bytes + (insn->addr - f->code->func.entry), sizeof(word));
	if ((word & 0xffc00000) != 0xa9400000)
		return false;
	regs[0] = word & 31;
	regs[1] = word >> 10 & 31;
	return true;
}

static void step(struct follow *f, const struct insn *insn)
{
	struct value sp = f->regs[f->sp], to[2] = {{0}};
	unsigned pair[2] = {INSN_NO_REG, INSN_NO_REG}, dst = INSN_NO_REG;

	if (insn->op == INSN_OP_MOVE) {
		dst = insn->dst;
		to[0] = reg(f, insn->src);
	} else if (insn->op == INSN_OP_ADD && reg(f, insn->src).what == STACK) {
		dst = insn->dst;
		to[0] = reg(f, insn->src);
		to[0].off += insn->imm;
	} else if (is_pair(f, insn, pair)) {
		to[0] = loaded(f, insn, 0);
		to[1] = loaded(f, insn, 1);
	} else if (insn->has_mem && insn->mem.load && !insn->mem.store && insn->mem.size == 8) {
		dst = insn->mem.value;
		to[0] = loaded(f, insn, 0);
	}
	if (insn->has_mem && insn->mem.store)
		store(f, &insn->mem);
	for (unsigned i = 0; i < REGISTERS; i++) {
		if (insn->written >> i & 1)
			f->regs[i] = (struct value){0};
	}
	if (dst < REGISTERS && insn->written >> dst & 1)
		f->regs[dst] = to[0];
	for (unsigned i = 0; i < 2; i++) {
		if (pair[i] < REGISTERS && insn->written >> pair[i] & 1)
			f->regs[pair[i]] = to[i];
	}
	if (f->regs[f->sp].what != STACK || !(insn->written >> f->sp & 1)) {
		sp.off += insn->sp_change;
		f->regs[f->sp] = insn->sp_known ? sp : (struct value){0};
	}
}

/* The register that a retpoline jumps through. */
static unsigned retpoline_register(const char *name)
{
	static const char *const names[] = {"AX", "DX", "CX",  "BX",  "SI",  "DI",  "BP",  "SP",
					    "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name + strlen(CLOSURE_CALL_RETPOLINE), names[i]))
			return i;
	}
	return INSN_NO_REG;
}

unsigned closure_call_register(const struct target *t, const struct code *code,
			       const struct insn *call)
{
	/* By their DWARF numbers, which are others than the machine's. */
	static const uint8_t dwarf[] = {AMD64_RAX, AMD64_RCX, AMD64_RDX, AMD64_RBX,
					AMD64_RSP, AMD64_RBP, AMD64_RSI, AMD64_RDI};
	const uint8_t *p = code->bytes + (call->addr - code->func.entry);
	struct go_func retpoline;
	uint32_t word;

	if (call->class == INSN_CALL && !target_func_by_pc(t, call->target, &retpoline) &&
	    !strncmp(retpoline.name, CLOSURE_CALL_RETPOLINE, strlen(CLOSURE_CALL_RETPOLINE)))
		return retpoline_register(retpoline.name);
	if (call->class != INSN_CALL_INDIRECT || call->has_mem)
		return INSN_NO_REG;
	if (code->machine == EM_AARCH64) { /* blr */
		memcpy(&word, p, sizeof(word));
		return word >> 5 & 31;
	}
	/* call r64: ff /2, with REX.B for r8 and above */
	word = call->len == 3 ? 8 : 0;
	p += call->len - 2;
	if (p[0] != 0xff || (p[1] & 0xf8) != 0xd0)
		return INSN_NO_REG;
	return word ? word + (p[1] & 7) : dwarf[p[1] & 7];
}

/* What it jumps to. */
static struct value called(const struct follow *f, const struct insn *call)
{
	if (call->class == INSN_CALL_INDIRECT && call->has_mem)
		return loaded(f, call, 0);
	return reg(f, closure_call_register(f->t, f->code, call));
}

bool closure_call(const struct target *t, const struct code *code, const struct insn *call,
		  uint32_t *ret_at, uint32_t *ret_method)
{
	bool arm64 = code->machine == EM_AARCH64;
	struct follow f = {.t = t, .code = code, .sp = arm64 ? ARM64_SP : AMD64_RSP};
	struct value v;

	f.regs[arm64 ? 26 : AMD64_RDX] = (struct value){.what = CLOSURE};
	f.regs[f.sp] = (struct value){.what = STACK};
	/* In the order of addresses: the blocks that lead back, for a stack that must grow and for
	 * a panic, are behind, and change none of it. */
	for (const struct insn *insn = code->insns; insn < call; insn++)
		step(&f, insn);
	v = called(&f, call);
	if (v.what != BEHIND || v.off < 0 || v.off >= ITAB_MAX || v.off % 8 != 0 ||
	    (v.off && v.off < ITAB_FUN))
		return false;
	*ret_at = v.at;
	*ret_method = (uint32_t)v.off;
	return true;
}
