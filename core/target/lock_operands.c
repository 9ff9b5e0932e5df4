/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The code is gone through in order until nothing changes: where ways meet with different values,
 * what a register or a word has there is a value of its own. Words of the frame count where the
 * code stores and loads them by sp alone: one whose address is taken may be changed by others.
 */
#include "core/target/lock_operands.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define REGISTERS   32
#define SLOTS       64
#define LOCATIONS   (REGISTERS + SLOTS)
#define LEADERS_MAX 4096
#define PASSES_MAX  32
#define NEAR        32 /* bytes: a word may be a part of a variable whose address is taken */
#define UNREACHED   UINT32_MAX
#define ITAB_FUN    24 /* internal/abi.ITab.Fun */
#define ITAB_MAX    (64u << 10)
/* Numbers: of instruction i: i + 1, or of one each register; of what a register has at the start;
 * of what a location has where ways meet. */
#define CALLED   0x20000000u /* what instruction i, a call, leaves in a register */
#define AT_START 0x40000000u
#define MET      0x80000000u

struct state {
	struct operand in[LOCATIONS];
};

struct operands {
	const struct code *code;
	uint8_t sp;
	int64_t slots[SLOTS];
	bool taken[SLOTS]; /* its address is */
	unsigned n_slots;
	bool *barriers;    /* of each instruction: does it call the write barrier? */
	size_t morestack;  /* the instruction that calls it; 0: none */
	uint32_t *leaders; /* of each instruction: which one it is, from 1; 0: none */
	uint32_t *at;      /* their instructions */
	uint32_t n_leaders;
	struct state *states;
	struct state *met; /* of the last leader in front of what is asked for: scratch */
	bool changed;
};

void operands_free(struct operands *o)
{
	if (!o)
		return;
	free(o->leaders);
	free(o->barriers);
	free(o->at);
	free(o->states);
	free(o->met);
	free(o);
}

/* By sp alone. */
static bool is_of_frame(const struct operands *o, const struct insn *insn)
{
	return insn->has_mem && !insn->mem.indexed && !insn->mem.absolute &&
	       insn->mem.base == o->sp;
}

static bool is_word(const struct insn *insn)
{
	return insn->mem.size == 8 && insn->mem.value < REGISTERS;
}

static int slot_of(const struct operands *o, int64_t disp)
{
	for (unsigned i = 0; i < o->n_slots; i++)
		if (o->slots[i] == disp)
			return (int)i;
	return -1;
}

/* The registers that are an array's start at some place. */
static uint32_t find_arrays(const struct operands *o)
{
	uint32_t ret = 0;

	for (size_t i = 0; i < o->code->n; i++) {
		const struct insn *insn = &o->code->insns[i];

		if (insn->has_mem && insn->mem.indexed && insn->mem.base < REGISTERS)
			ret |= 1u << insn->mem.base;
	}
	return ret;
}

/* The words from there on. */
static void take(struct operands *o, int64_t lo, int64_t bytes)
{
	for (unsigned s = 0; s < o->n_slots; s++)
		o->taken[s] |= o->slots[s] >= lo && o->slots[s] - lo < bytes;
}

static void find_slots(struct operands *o)
{
	const uint32_t arrays = find_arrays(o);

	for (size_t i = 0; i < o->code->n; i++) {
		const struct insn *insn = &o->code->insns[i];

		if (is_of_frame(o, insn) && is_word(insn) && o->n_slots < SLOTS &&
		    slot_of(o, insn->mem.disp) < 0)
			o->slots[o->n_slots++] = insn->mem.disp;
	}
	for (size_t i = 0; i < o->code->n; i++) {
		const struct insn *insn = &o->code->insns[i];

		/* Which word of an array an index tells is not known, nor how long that is. */
		if (insn->has_mem && insn->mem.indexed && insn->mem.base == o->sp)
			take(o, insn->mem.disp, INT32_MAX);
		/* The frame pointer, by which the code reads nothing. */
		if (insn->op != INSN_OP_ADD || insn->src != o->sp || insn->dst == o->sp ||
		    insn->dst == (o->sp == ARM64_SP ? 29 : AMD64_RBP))
			continue;
		take(o, insn->imm,
		     insn->dst < REGISTERS && arrays >> insn->dst & 1 ? INT32_MAX : NEAR);
	}
}

static void add_leader(struct operands *o, size_t i)
{
	if (!o->leaders[i] && o->n_leaders < LEADERS_MAX)
		o->leaders[i] = ++o->n_leaders;
}

static const struct insn *jumps_to(const struct code *code, size_t i)
{
	const struct insn *insn = &code->insns[i];

	return insn->class == INSN_JCC || insn->class == INSN_JMP ? code_at(code, insn->target)
								  : NULL;
}

static bool goes_on(const struct insn *insn)
{
	return insn->class != INSN_JMP && insn->class != INSN_RET && insn->class != INSN_TRAP &&
	       insn->class != INSN_JMP_INDIRECT;
}

static bool find_leaders(struct operands *o)
{
	const struct code *code = o->code;

	o->leaders = calloc(code->n, sizeof(*o->leaders));
	if (!o->leaders)
		return false;
	add_leader(o, 0);
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *to = jumps_to(code, i);

		if (to)
			add_leader(o, (size_t)(to - code->insns));
	}
	if (o->n_leaders == LEADERS_MAX)
		return false;
	o->at = calloc(o->n_leaders, sizeof(*o->at));
	o->states = calloc(o->n_leaders, sizeof(*o->states));
	o->met = calloc(1, sizeof(*o->met));
	if (!o->at || !o->states || !o->met)
		return false;
	for (size_t i = 0; i < code->n; i++)
		if (o->leaders[i])
			o->at[o->leaders[i] - 1] = (uint32_t)i;
	for (uint32_t l = 0; l < o->n_leaders; l++)
		for (unsigned k = 0; k < LOCATIONS; k++)
			o->states[l].in[k].value = UNREACHED;
	return true;
}

static bool is_same(struct operand a, struct operand b)
{
	return a.value == b.value && a.off == b.off;
}

static void meet(struct operands *o, uint32_t leader, const struct state *s)
{
	struct state *at = &o->states[leader - 1];

	for (unsigned k = 0; k < LOCATIONS; k++) {
		const uint32_t own = MET | ((leader - 1) * LOCATIONS + k);

		if (s->in[k].value == UNREACHED || at->in[k].value == own ||
		    is_same(at->in[k], s->in[k]))
			continue;
		at->in[k] = at->in[k].value == UNREACHED ? s->in[k] : (struct operand){own, 0};
		o->changed = true;
	}
}

/* What is stored there is no longer what was. */
static void store(const struct operands *o, struct state *s, const struct insn *insn)
{
	const int64_t lo = insn->mem.disp, hi = lo + MAX(insn->mem.size, (uint8_t)1);
	const struct operand value =
		is_word(insn) && !insn->mem.load ? s->in[insn->mem.value] : (struct operand){0};

	/* One whose size is not told may be large. */
	for (unsigned i = 0; i < o->n_slots; i++)
		if (o->slots[i] < hi + (insn->mem.size ? 0 : 64) && o->slots[i] + 8 > lo)
			s->in[REGISTERS + i] = o->slots[i] == lo ? value : (struct operand){0};
}

static struct operand result_of(const struct operands *o, const struct state *s, size_t i,
				unsigned reg)
{
	const struct insn *insn = &o->code->insns[i];
	const struct operand made = {(uint32_t)i + 1, 0};
	int slot;

	if ((insn->op == INSN_OP_ADD || insn->op == INSN_OP_MOVE) && insn->dst == reg &&
	    insn->src < REGISTERS) {
		const struct operand from = s->in[insn->src];

		return from.value ? operand_plus(from, insn->op == INSN_OP_ADD ? insn->imm : 0)
				  : made;
	}
	if (!insn->has_mem || !insn->mem.load || insn->mem.value != reg || insn->mem.size != 8)
		return (struct operand){0};
	slot = is_of_frame(o, insn) && !insn->mem.store ? slot_of(o, insn->mem.disp) : -1;
	if (slot >= 0 && !o->taken[slot] && s->in[REGISTERS + slot].value)
		return s->in[REGISTERS + slot];
	return made;
}

/* runtime/asm_amd64.s, asm_arm64.s gcWriteBarrier: it keeps all registers but for what it returns
 * and those that the linker may use. */
static uint32_t written_by_barrier(const struct operands *o)
{
	return o->code->machine == EM_X86_64 ? 1u << 11
					     : 1u << 25 | 1u << 26 | 1u << 27 | 1u << ARM64_LR;
}

static bool find_barriers(struct operands *o, const struct target *t)
{
	static const char barrier[] = "runtime.gcWriteBarrier", morestack[] = "runtime.morestack";
	struct go_func func;

	o->barriers = calloc(o->code->n, sizeof(*o->barriers));
	for (size_t i = 0; o->barriers && i < o->code->n; i++) {
		if (o->code->insns[i].class != INSN_CALL ||
		    target_func_by_pc(t, o->code->insns[i].target, &func))
			continue;
		o->barriers[i] = !strncmp(func.name, barrier, sizeof(barrier) - 1);
		if (!strncmp(func.name, morestack, sizeof(morestack) - 1))
			o->morestack = i;
	}
	return o->barriers;
}

/* Is it the jump by which the function starts again on a larger stack, with the arguments that it
 * was called with? */
static bool starts_again(const struct operands *o, size_t i, const struct insn *to)
{
	if (!o->morestack || i < o->morestack || to != o->code->insns)
		return false;
	for (size_t k = o->morestack + 1; k <= i; k++)
		if (o->leaders[k] || !goes_on(&o->code->insns[k - 1]))
			return false;
	return true;
}

static void step(const struct operands *o, struct state *s, size_t i)
{
	const struct insn *insn = &o->code->insns[i];
	const bool calls = insn->class == INSN_CALL || insn->class == INSN_CALL_INDIRECT;
	const uint32_t written =
		o->barriers[i] ? insn->written & written_by_barrier(o) : insn->written;
	struct operand results[REGISTERS];

	for (unsigned r = 0; r < REGISTERS; r++)
		if (written >> r & 1)
			results[r] =
				calls ? (struct operand){CALLED | (uint32_t)i * REGISTERS | r, 0}
				      : result_of(o, s, i, r);
	if (is_of_frame(o, insn) && insn->mem.store)
		store(o, s, insn);
	if (!calls && (insn->sp_change || !insn->sp_known))
		memset(&s->in[REGISTERS], 0, SLOTS * sizeof(s->in[0]));
	for (unsigned r = 0; r < REGISTERS; r++)
		if (written >> r & 1)
			s->in[r] = results[r];
	s->in[o->sp] = (struct operand){0};
}

static void forget(struct state *s)
{
	for (unsigned k = 0; k < LOCATIONS; k++)
		s->in[k] = (struct operand){UNREACHED, 0};
}

static void pass(struct operands *o)
{
	struct state s;

	forget(&s);
	o->changed = false;
	for (size_t i = 0; i < o->code->n; i++) {
		const struct insn *to = jumps_to(o->code, i);

		if (o->leaders[i]) {
			meet(o, o->leaders[i], &s);
			s = o->states[o->leaders[i] - 1];
		}
		step(o, &s, i);
		if (to && !starts_again(o, i, to))
			meet(o, o->leaders[to - o->code->insns], &s);
		if (!goes_on(&o->code->insns[i]))
			forget(&s);
	}
}

bool operands_read(const struct target *t, const struct code *code, struct operands **ret)
{
	struct operands *o = *ret = calloc(1, sizeof(*o));
	struct state *start;

	if (!o)
		return false;
	o->code = code;
	o->sp = code->machine == EM_X86_64 ? AMD64_RSP : ARM64_SP;
	find_slots(o);
	if (code->n >= CALLED / REGISTERS || !find_leaders(o) || !find_barriers(o, t))
		return false;
	start = &o->states[0];
	memset(start, 0, sizeof(*start));
	for (unsigned r = 0; r < REGISTERS; r++)
		start->in[r].value = AT_START | r;
	o->changed = true;
	for (unsigned n = 0; n < PASSES_MAX && o->changed; n++)
		pass(o);
	return !o->changed;
}

/* In front of instruction `i`. */
static void state_at(const struct operands *o, size_t i)
{
	size_t from = i;

	while (!o->leaders[from] && from > 0 && goes_on(&o->code->insns[from - 1]))
		from--;
	if (!o->leaders[from]) {
		forget(o->met);
		return;
	}
	*o->met = o->states[o->leaders[from] - 1];
	for (; from < i; from++)
		step(o, o->met, from);
}

static struct operand known(struct operand op)
{
	return op.value == UNREACHED ? (struct operand){0} : op;
}

struct operand operands_lock(const struct operands *o, size_t i)
{
	const struct insn *insn = &o->code->insns[i];
	const struct insn_mem *mem = &insn->mem;

	if (insn->class == INSN_CALL) {
		state_at(o, i);
		return known(o->met->in[0]); /* a method's first argument: rax, x0 */
	}
	if (!insn->has_mem || !mem->store || mem->indexed || mem->absolute ||
	    mem->base >= REGISTERS || mem->base == o->sp ||
	    (o->code->machine == EM_X86_64 && insn->op != INSN_OP_CMPXCHG && !mem->load))
		return (struct operand){0};
	state_at(o, i);
	return operand_plus(known(o->met->in[mem->base]), mem->disp);
}

struct operand operands_register(const struct operands *o, size_t i, unsigned reg)
{
	if (reg >= REGISTERS)
		return (struct operand){0};
	state_at(o, i);
	return known(o->met->in[reg]);
}

bool operands_is_of_frame(const struct operands *o, size_t i)
{
	return is_of_frame(o, &o->code->insns[i]);
}

bool operands_spills(const struct operands *o, size_t i)
{
	const struct insn *insn = &o->code->insns[i];
	const int slot = is_of_frame(o, insn) ? slot_of(o, insn->mem.disp) : -1;

	return slot >= 0 && !o->taken[slot];
}

bool operands_has(const struct operands *o, size_t i, struct operand value)
{
	state_at(o, i);
	for (unsigned r = 0; r < REGISTERS; r++)
		if (known(o->met->in[r]).value == value.value)
			return true;
	return false;
}

struct operand operands_slot(const struct operands *o, size_t i, int64_t disp, bool closure)
{
	int slot = slot_of(o, disp);

	if (slot < 0 || (o->taken[slot] && !closure))
		return (struct operand){0};
	state_at(o, i);
	return known(o->met->in[REGISTERS + slot]);
}

bool operands_find_slot(const struct operands *o, size_t i, struct operand value, bool closure,
			int64_t *ret_disp)
{
	state_at(o, i);
	for (unsigned s = 0; s < o->n_slots; s++) {
		if ((o->taken[s] && !closure) || !is_same(o->met->in[REGISTERS + s], value))
			continue;
		*ret_disp = o->slots[s];
		return true;
	}
	return false;
}

bool operands_method(const struct operands *o, size_t i, unsigned reg, struct operands_method *ret)
{
	struct operand function, table;
	const struct insn *load;

	if (reg >= REGISTERS)
		return false;
	state_at(o, i);
	function = known(o->met->in[reg]);
	ret->receiver = known(o->met->in[0]);
	if (!function.value || function.value >= CALLED || function.off || !ret->receiver.value)
		return false;
	load = &o->code->insns[function.value - 1];
	if (!load->has_mem || !load->mem.load || load->mem.store || load->mem.indexed ||
	    load->mem.absolute || load->mem.size != 8 || load->mem.base >= REGISTERS ||
	    load->mem.base == o->sp || load->mem.disp < ITAB_FUN || load->mem.disp >= ITAB_MAX)
		return false;
	state_at(o, function.value - 1);
	table = known(o->met->in[load->mem.base]);
	ret->table = table;
	ret->method = (uint32_t)load->mem.disp;
	return table.value && !table.off;
}

size_t operands_made_by(const struct operands *o, uint32_t value)
{
	if (value & MET)
		return o->at[(value & ~MET) / LOCATIONS];
	if (value & AT_START)
		return o->code->n;
	return value & CALLED ? (value & ~CALLED) / REGISTERS : value - 1;
}
