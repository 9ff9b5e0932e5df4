/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which lock a call is about, and what a function's code does to one of them. See lock_flow.c. */
#include <string.h>

#include "core/base/util.h"
#include "core/target/closure_call.h"
#include "core/target/lock_flow_internal.h"

#define RECEIVER   0  /* register of a method's first argument: rax, x0 */
#define BEFORE_MAX 48 /* instructions in front of a call, in which its argument is looked for */

/* The static address that a register has in front of instruction `i`, by what comes before it in a
 * straight line; 0: not known. */
static uint64_t static_in(const struct flow *f, size_t i, uint8_t reg)
{
	uint64_t added = 0;

	for (unsigned n = 0; n < BEFORE_MAX && i > 0; n++) {
		const struct insn *before = &f->code.insns[i - 1];

		if (f->places[i].jumped_to || before->class == INSN_JMP ||
		    before->class == INSN_RET || before->class == INSN_CALL ||
		    before->class == INSN_CALL_INDIRECT || before->class == INSN_JMP_INDIRECT)
			return 0;
		i--;
		if (reg > 31 || !(before->written >> reg & 1))
			continue;
		if (before->op == INSN_OP_ADDRESS && before->dst == reg)
			return (uint64_t)before->imm + added;
		if ((before->op != INSN_OP_ADD && before->op != INSN_OP_MOVE) || before->dst != reg)
			return 0;
		added += before->op == INSN_OP_ADD ? (uint64_t)before->imm : 0;
		reg = before->src;
	}
	return 0;
}

/* What instruction `i` says of which lock it is about, being one of a call, or that call. */
static uint64_t names_lock(const struct flow *f, size_t i)
{
	const struct insn *insn = &f->code.insns[i];
	uint64_t base;

	if (insn->class == INSN_CALL)
		return static_in(f, i, RECEIVER);
	if (insn->op != INSN_OP_CMPXCHG || !insn->has_mem || insn->mem.indexed)
		return 0;
	if (insn->mem.absolute)
		return (uint64_t)insn->mem.disp;
	base = static_in(f, i, insn->mem.base);
	return base ? base + (uint64_t)insn->mem.disp : 0;
}

/* Leaves the effects on that lock: another's are none, one that is not known may give it up. */
void flow_keep_variable(struct flow *f)
{
	uint64_t named[CALLS_MAX + 1] = {0};

	for (size_t i = 0; i < f->code.n; i++) {
		const struct insn *insn = &f->code.insns[i];
		const struct insn *to = insn->class == INSN_JCC || insn->class == INSN_JMP
						? code_at(&f->code, insn->target)
						: NULL;

		if (to)
			f->places[to - f->code.insns].jumped_to = true;
	}
	for (size_t i = 0; i < f->code.n; i++) {
		const struct place *p = &f->places[i];

		if (p->effect && !named[p->call])
			named[p->call] = names_lock(f, i);
	}
	f->takes = f->gives = false;
	for (size_t i = 0; i < f->code.n; i++) {
		struct place *p = &f->places[i];
		const uint64_t lock = p->effect ? named[p->call] : 0;

		if (f->code.insns[i].class == INSN_CALL_INDIRECT && !p->effect) {
			p->effect = MAY_GIVE;
			p->call = flow_new_call(f);
			p->decides = true;
		} else if (p->effect && !lock) {
			f->may_give |= p->effect == GIVES;
			p->effect = p->effect == GIVES ? MAY_GIVE : NOTHING;
		} else if (p->effect && (lock < f->which.lo || lock >= f->which.hi)) {
			p->effect = NOTHING;
		}
		f->takes |= p->effect == TAKES || p->effect == TRIES;
		f->gives |= p->effect == GIVES;
	}
}

static struct operand lock_of_place(const struct flow *f, const struct operands *o, size_t i)
{
	return f->places[i].helper ? (struct operand){0} : operands_lock(o, i);
}

/* What each call is about: a value and a constant. */
static void name_operands(const struct flow *f, const struct operands *o, struct operand *named)
{
	for (size_t i = 0; i < f->code.n; i++) {
		const struct place *p = &f->places[i];

		if (p->effect && !named[p->call].value)
			named[p->call] = lock_of_place(f, o, i);
	}
}

/* What one lock's calls do to it; once the value that tells it is another one, it is not known. */
static bool keep_operand(struct flow *f, const struct operand *named, struct operand lock,
			 uint32_t size, size_t made)
{
	f->takes = f->gives = false;
	for (size_t i = 0; i < f->code.n; i++) {
		struct place *p = &f->places[i];
		const struct operand op = p->effect ? named[p->call] : (struct operand){0};

		if (!p->effect)
			continue;
		if (op.value != lock.value)
			p->effect =
				p->effect == GIVES || p->effect == MAY_GIVE ? MAY_GIVE : NOTHING;
		else if (op.off < lock.off || (int64_t)op.off - lock.off >= size)
			p->effect = NOTHING;
		f->takes |= p->effect == TAKES || p->effect == TRIES;
		f->gives |= p->effect == GIVES;
	}
	if (made == f->code.n)
		return true;
	if (f->places[made].effect)
		return false;
	f->places[made].effect = MAY_GIVE;
	f->places[made].part = false;
	f->places[made].call = flow_new_call(f);
	f->places[made].decides = true;
	return true;
}

static bool read_method(const struct target *t, const struct flow *f, const struct operands *o,
			size_t i, struct operands_method *ret)
{
	const struct insn *insn = &f->code.insns[i];

	return !f->places[i].effect && flow_calls_by_pointer(t, insn) &&
	       operands_method(o, i, closure_call_register(t, &f->code, insn), ret);
}

static bool is_same(struct operand a, struct operand b)
{
	return a.value == b.value && a.off == b.off;
}

/* Calls through an interface on the lock: those of one method take it, if that is such a method,
 * which is for the caller to find out. It is the one that the place is in a call of, or else the
 * first one; all others may give it up. */
static void note_methods(const struct target *t, struct flow *f, const struct operands *o,
			 size_t at, const struct lock_word *word, struct operand lock,
			 struct operand *named, struct lock_method *ret)
{
	struct operands_method taker = {0}, m;
	bool found;

	ret->own = word->own && read_method(t, f, o, at, &taker) && is_same(taker.receiver, lock);
	found = ret->own;
	for (size_t i = 0; i < f->code.n; i++) {
		struct place *p = &f->places[i];

		if (!read_method(t, f, o, i, &m) || !is_same(m.receiver, lock))
			continue;
		if (!found) {
			taker = m;
			if (!operands_find_slot(o, at, m.table, word->closure, &ret->disp))
				return;
		}
		found = true;
		if (m.method != taker.method || !is_same(m.table, taker.table))
			continue;
		p->effect = TAKES;
		p->call = flow_new_call(f);
		p->decides = true;
		named[p->call] = lock;
		ret->needed = true;
		ret->method = m.method;
	}
}

/* A function value's code is loaded from its first word, a method from the middle of a table. */
static bool calls_function_value(const struct target *t, const struct code *code, size_t i)
{
	const unsigned reg = closure_call_register(t, code, &code->insns[i]);

	for (unsigned n = 0; reg < 32 && n < BEFORE_MAX && i > 0; n++) {
		const struct insn *before = &code->insns[--i];

		if (before->written >> reg & 1)
			return before->has_mem && before->mem.load && !before->mem.indexed &&
			       !before->mem.absolute && !before->mem.disp;
	}
	return false;
}

bool flow_calls_values(const struct target *t, const struct go_func *func)
{
	struct code code cleanup_code_ = {0};

	if (code_read(t, func, &code))
		return false;
	for (size_t i = 0; i < code.n; i++)
		if (flow_calls_by_pointer(t, &code.insns[i]) && calls_function_value(t, &code, i))
			return true;
	return false;
}

/* May it call a method through an interface? */
static bool may_call_methods(const struct target *t, const struct go_func *func)
{
	struct code code cleanup_code_ = {0};

	if (func->end - func->entry > HELPER_BYTES || code_read(t, func, &code))
		return true;
	for (size_t i = 0; i < code.n; i++)
		if (flow_calls_by_pointer(t, &code.insns[i]) && !calls_function_value(t, &code, i))
			return true;
	return false;
}

/* All such places are of one call. */
static void may_give_here(struct flow *f, struct place *p, uint8_t *call)
{
	if (!*call)
		*call = flow_new_call(f);
	p->effect = MAY_GIVE;
	p->call = *call;
	p->decides = true;
}

/* Who takes a lock through an interface gives it up so: a function that it hands the lock to, or
 * that calls such methods itself, may have done that before it returned. */
static void note_callees(const struct target *t, struct flow *f, const struct operands *o,
			 struct operand lock)
{
	uint64_t known = 0; /* the last one that does not */
	uint8_t all = 0;

	for (size_t i = 0; i < f->code.n; i++) {
		const struct insn *insn = &f->code.insns[i];
		struct place *p = &f->places[i];
		struct go_func func;

		if (insn->class != INSN_CALL || p->effect || flow_calls_by_pointer(t, insn) ||
		    target_func_by_pc(t, insn->target, &func) || lock_is_machinery(func.name))
			continue;
		if (!operands_has(o, i, lock)) {
			if (func.entry == known || !may_call_methods(t, &func)) {
				known = func.entry;
				continue;
			}
		}
		may_give_here(f, p, &all);
	}
}

static bool sends(const struct target *t, const struct code *code)
{
	struct go_func func;

	for (size_t i = 0; i < code->n; i++)
		if (code->insns[i].class == INSN_CALL &&
		    !target_func_by_pc(t, code->insns[i].target, &func) &&
		    (!strcmp(func.name, "runtime.chansend1") ||
		     !strcmp(func.name, "runtime.selectnbsend") ||
		     !strcmp(func.name, "runtime.selectgo")))
			return true;
	return false;
}

static bool stores(const struct operands *o, const struct code *code, size_t i,
		   struct operand value)
{
	const struct insn *insn = &code->insns[i];
	const struct insn_mem *mem = &insn->mem;

	if (!insn->has_mem || !mem->store)
		return false;
	if (mem->size == 8)
		return is_same(operands_register(o, i, mem->value), value);
	return is_same(operands_register(o, i, mem->pair[0]), value) ||
	       is_same(operands_register(o, i, mem->pair[1]), value);
}

/* Where the lock's address is put into memory, or is sent, somebody else may get it there, and give
 * it up. Not in what it defers itself. */
static void note_escapes(const struct target *t, struct flow *f, const struct operands *o,
			 const struct lock_word *word, struct operand lock)
{
	const bool sent = !word->closure && sends(t, &f->code);
	uint8_t all = 0;

	for (size_t i = 0; i < f->code.n; i++) {
		const bool of_frame = operands_is_of_frame(o, i);
		struct place *p = &f->places[i];

		if (p->effect || (of_frame && (!sent || operands_spills(o, i))) ||
		    !stores(o, &f->code, i, lock))
			continue;
		may_give_here(f, p, &all);
	}
}

/* The lock that the call at the place takes. */
static struct operand taken_at(const struct target *t, const struct flow *f,
			       const struct operands *o, size_t at, const struct operand *named)
{
	struct operands_method m;

	if (f->places[at].effect == TAKES)
		return named[f->places[at].call];
	return read_method(t, f, o, at, &m) ? m.receiver : (struct operand){0};
}

bool flow_keep_word(const struct target *t, struct flow *f, const struct place *place,
		    const struct lock_word *word, struct lock_method *ret)
{
	struct operand named[CALLS_MAX + 1] = {0}, lock = {0};
	struct operands *o;
	size_t at;
	bool ok;

	*ret = (struct lock_method){0};

	/* What code adds to a value has 32 bits. */
	if (f->too_many || !place || word->off != (int32_t)word->off)
		return false;
	at = (size_t)(place - f->places);
	ok = operands_read(t, &f->code, &o);
	if (ok) {
		name_operands(f, o, named);
		lock = word->own ? taken_at(t, f, o, at, named)
				 : operands_slot(o, at, word->disp, word->closure);
		lock = operand_plus(lock, word->off);
		if (lock.value)
			note_methods(t, f, o, at, word, lock, named, ret);
		if (ret->needed)
			note_callees(t, f, o, lock);
		if (lock.value)
			note_escapes(t, f, o, word, lock);
		ok = lock.value && !f->too_many &&
		     keep_operand(f, named, lock, word->size, operands_made_by(o, lock.value));
	}
	operands_free(o);
	return ok;
}
