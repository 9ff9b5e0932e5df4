/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many locks may be held in front of each instruction (0, 1, 2, or more), and by which call
 * this came last: a set of such pairs. What leads to an instruction adds to its set, until no set
 * grows.
 *
 * A call that was put into the function is made when a stretch of its code is left; in its slow
 * path, which may lie elsewhere, it is still being made. The compiler mixes such code with what is
 * around it, so there may be several stretches: one where nothing is decided (no branch, no call)
 * does not count, and a call that came last is not made again by its next one.
 */
#include "core/target/lock_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/target/closure_call.h"
#include "core/target/lock_flow_internal.h"
#include "core/target/target_internal.h"

#define STEPS_MAX     (1u << 18) /* along the code of one function, which may be made to be slow */
#define HELPERS_MAX   16         /* functions that one function calls and that are looked into */
#define LOOKS_MAX     128        /* functions that are looked into for one question */
#define DEPTH_MAX     3
#define STEPS_UNASKED 1024 /* steps without a look at the clock */

static bool is_late(const struct flow *f)
{
	if (f->time && !f->time->late)
		f->time->late = clock_ns(CLOCK_THREAD_CPUTIME_ID) > f->time->until_ns;
	return f->time && f->time->late;
}

static void add_names(struct flow *f, const char *const *names, enum effect effect)
{
	for (unsigned i = 0; i < LOCK_CALLS_MAX && names[i]; i++) {
		f->effects[f->n_names] = (uint8_t)effect;
		f->names[f->n_names++] = names[i];
	}
}

uint8_t flow_new_call(struct flow *f)
{
	if (f->n_calls < CALLS_MAX - 1)
		f->n_calls++;
	else
		f->too_many = true;
	return (uint8_t)f->n_calls;
}

static uint8_t copied_call(struct flow *f, int32_t call)
{
	uint8_t number;

	for (unsigned i = 1; i <= f->n_calls; i++)
		if (f->is_copied[i] && f->copied[i] == call)
			return (uint8_t)i;
	number = flow_new_call(f);
	f->is_copied[number] = true;
	f->copied[number] = call;
	return number;
}

static void note(struct flow *f, struct place *place, unsigned which, uint8_t call, bool part)
{
	uint8_t effect = f->effects[which];

	place->effect = effect;
	place->call = call;
	place->part = part;
	place->decides = true;
	f->found = f->names[which];
	f->takes |= effect == TAKES || effect == TRIES;
	f->gives |= effect == GIVES;
}

static int note_copy(void *arg, const struct copy *copy)
{
	struct flow *f = arg;
	const struct insn *insns = f->code.insns, *end = insns + f->code.n;
	const struct insn *first = code_at(&f->code, copy->lo);
	uint8_t call = copied_call(f, copy->call);
	bool decides = false;

	for (const struct insn *i = first; i && i < end && i->addr < copy->hi; i++) {
		decides |= i->class == INSN_JCC || i->class == INSN_CALL;
		note(f, &f->places[i - insns], copy->which, call, true);
	}
	for (const struct insn *i = first; i && i < end && i->addr < copy->hi; i++)
		f->places[i - insns].decides = decides;
	return 0;
}

/* Calls of the functions themselves. */
static void note_calls(const struct target *t, struct flow *f)
{
	for (size_t i = 0; i < f->code.n; i++) {
		const struct insn *insn = &f->code.insns[i];
		struct go_func callee;

		if (f->places[i].effect || insn->class != INSN_CALL ||
		    target_func_by_pc(t, insn->target, &callee))
			continue;
		for (unsigned k = 0; k < f->n_names; k++)
			if (!strcmp(callee.name, f->names[k]))
				note(f, &f->places[i], k, flow_new_call(f), false);
	}
}

/* The pairs after a call: of those that it came last by, nothing changes. */
static void make_call(const struct place *p, uint64_t held[MOST + 1])
{
	const uint64_t own = 1ULL << p->call;

	for (unsigned n = 0; n <= MOST; n++)
		held[n] = p->held[n] & own;
	for (unsigned n = 0; n <= MOST; n++) {
		uint64_t others = p->held[n] & ~own;

		if (!others)
			continue;
		if (p->effect == TRIES || p->effect == MAY_GIVE)
			held[n] |= others;
		if (p->effect == TAKES || p->effect == TRIES)
			held[MIN(n + 1, MOST)] |= own;
		if (p->effect == GIVES || p->effect == MAY_GIVE)
			held[n ? n - 1 : 0] |= own;
		if (p->effect == GIVES && n == MOST)
			held[n] |= own;
	}
}

static void lead_to(struct flow *f, size_t from, size_t to)
{
	const struct place *a = &f->places[from];
	struct place *b = &f->places[to];
	bool made = a->effect && a->decides && !(a->part && b->part && a->call == b->call);
	uint64_t held[MOST + 1];
	bool more = false;

	if (made)
		make_call(a, held);
	else
		memcpy(held, a->held, sizeof(held));
	for (unsigned n = 0; n <= MOST; n++) {
		more |= (held[n] & ~b->held[n]) != 0;
		b->held[n] |= held[n];
	}
	if (!more)
		return;
	if (!b->waits)
		f->waiting[f->n_waiting++] = (uint32_t)to;
	b->waits = true;
}

/* The numbers that are possible where it is, as bits. In the middle of a call that call has not
 * been made. */
static unsigned numbers_at(const struct place *p)
{
	const uint64_t own = p->part ? 1ULL << p->call : 0;
	unsigned numbers = 0;

	for (unsigned n = 0; n <= MOST; n++) {
		if (p->held[n] & ~own)
			numbers |= 1u << n;
		if (p->held[n] & own)
			numbers |= 1u << (p->effect == TAKES && n ? n - 1 : n);
	}
	return numbers;
}

/* `before`: how many it is called with. false: it takes too long. */
static bool run(struct flow *f, unsigned before)
{
	const struct insn *insns = f->code.insns;

	f->places[0].held[before] = 1;
	f->places[0].waits = true;
	f->waiting[f->n_waiting++] = 0;
	for (unsigned step = 0; f->n_waiting && step < STEPS_MAX; step++) {
		size_t i = f->waiting[--f->n_waiting];
		enum insn_class class = insns[i].class;

		if (step % STEPS_UNASKED == STEPS_UNASKED - 1 && is_late(f))
			return false;
		f->places[i].waits = false;
		if (class == INSN_JCC || class == INSN_JMP) {
			const struct insn *to = code_at(&f->code, insns[i].target);

			if (to)
				lead_to(f, i, (size_t)(to - insns));
		}
		if (i + 1 < f->code.n && class != INSN_JMP && class != INSN_RET &&
		    class != INSN_TRAP && class != INSN_JMP_INDIRECT)
			lead_to(f, i, i + 1);
	}
	return !f->n_waiting;
}

bool lock_is_machinery(const char *function)
{
	return !strncmp(function, "runtime.", 8) || !strncmp(function, "sync.", 5) ||
	       !strncmp(function, "internal/sync.", 14);
}

static bool may_help(const struct target *t, uint64_t entry, struct go_func *ret)
{
	return !target_func_by_pc(t, entry, ret) && ret->entry == entry &&
	       ret->end - ret->entry <= HELPER_BYTES && !lock_is_machinery(ret->name);
}

/* What a call of the function comes to. `deep`: by what it calls, too. */
static enum effect effect_of(const struct target *t, const struct flow *caller,
			     const struct go_func *func, bool deep);

/* `deep`: also what they call, and that. false: there are more of them than are looked into, so
 * that what the code does is not known. */
static bool note_helpers(const struct target *t, struct flow *f, bool deep)
{
	struct {
		uint64_t entry;
		enum effect effect;
	} seen[HELPERS_MAX];
	unsigned n = 0, at;

	for (size_t i = 0; i < f->code.n; i++) {
		const struct insn *insn = &f->code.insns[i];
		struct go_func func;

		if (insn->class != INSN_CALL || f->places[i].effect ||
		    insn->target == f->code.func.entry || !may_help(t, insn->target, &func))
			continue;
		for (at = 0; at < n && seen[at].entry != func.entry;)
			at++;
		if (at == HELPERS_MAX)
			return false;
		if (at == n) {
			seen[n].entry = func.entry;
			seen[n++].effect = effect_of(t, f, &func, deep && f->depth < DEPTH_MAX);
		}
		for (unsigned k = 0; seen[at].effect && k < f->n_names; k++) {
			const bool may = seen[at].effect == MAY_GIVE;

			if (f->effects[k] != (may ? GIVES : seen[at].effect))
				continue;
			note(f, &f->places[i], k, flow_new_call(f), false);
			f->places[i].effect = (uint8_t)seen[at].effect;
			f->places[i].helper = true;
			break;
		}
	}
	return true;
}

/* --- function values -------------------------------------------------------------------------- */

/* The address that instruction `i` makes; 0: none. */
static uint64_t address_made(const struct flow *f, size_t i)
{
	const struct insn *insn = &f->code.insns[i];

	if (insn->op == INSN_OP_ADDRESS)
		return (uint64_t)insn->imm;
	/* arm64: adrp, add */
	if (i > 0 && insn->op == INSN_OP_ADD && insn[-1].op == INSN_OP_ADDRESS &&
	    insn[-1].dst == insn->src)
		return (uint64_t)(insn[-1].imm + insn->imm);
	return 0;
}

/* The function whose value an address makes: its code goes into a closure; of one that captures
 * nothing there is one closure, a constant. */
static bool is_func_value(const struct target *t, uint64_t addr, struct go_func *ret)
{
	uint64_t entry;

	if (!addr)
		return false;
	if (!target_func_by_pc(t, addr, ret))
		return ret->entry == addr;
	return addr % 8 == 0 && !image_word(t->img, addr, &entry) && entry &&
	       !target_func_by_pc(t, entry, ret) && ret->entry == entry;
}

/* sync.(*Mutex).Unlock-fm: the method's value. */
static bool is_value_of_given(const struct flow *f, const char *name)
{
	for (unsigned k = 0; k < f->n_names; k++) {
		const size_t len = strlen(f->names[k]);

		if (f->effects[k] == GIVES && !strncmp(name, f->names[k], len) &&
		    (!name[len] || !strcmp(name + len, "-fm")))
			return true;
	}
	return false;
}

/* Is the function value that instruction `i` makes the one of a `go` statement? From 1.17 to 1.21
 * its wrapper is named as a deferred call's. */
static bool is_started(const struct target *t, const struct flow *f, size_t i)
{
	struct go_func func;

	for (size_t k = i + 1; k < f->code.n; k++) {
		const struct insn *insn = &f->code.insns[k];

		if (insn->class == INSN_CALL && !target_func_by_pc(t, insn->target, &func) &&
		    strncmp(func.name, "runtime.gcWriteBarrier", 22) != 0 &&
		    strcmp(func.name, "runtime.newobject") != 0)
			return !strcmp(func.name, "runtime.newproc");
		if (is_func_value(t, address_made(f, k), &func))
			return false;
	}
	return false;
}

/* Does it make a function value that gives up such a lock, `deferred` or not (that one call, by the
 * compiler's wrapper)? Then who calls that, and when, is not in its code. More of them than are
 * looked into may have one among them. */
static bool makes_giver(const struct target *t, const struct flow *f, bool deferred)
{
	struct target_start start;
	struct go_func func;
	unsigned n = 0;

	for (size_t i = 0; i < f->code.n && f->depth < DEPTH_MAX; i++) {
		enum effect effect;

		if (!is_func_value(t, address_made(f, i), &func))
			continue;
		if (is_value_of_given(f, func.name))
			return true;
		if (lock_is_machinery(func.name) || func.entry == f->code.func.entry ||
		    (!deferred && !target_deferred(t, func.entry, &start) && !is_started(t, f, i)))
			continue;
		if (n++ == HELPERS_MAX)
			return true;
		effect = effect_of(t, f, &func, true);
		if (effect == GIVES || effect == MAY_GIVE)
			return true;
	}
	return false;
}

bool flow_calls_by_pointer(const struct target *t, const struct insn *insn)
{
	struct go_func callee;

	return insn->class == INSN_CALL_INDIRECT ||
	       (insn->class == INSN_CALL && !target_func_by_pc(t, insn->target, &callee) &&
		!strncmp(callee.name, CLOSURE_CALL_RETPOLINE, strlen(CLOSURE_CALL_RETPOLINE)));
}

/* `deep`: so does what it calls. */
static bool hides(const struct target *t, const struct flow *f, const struct insn *insn)
{
	struct go_func func;

	return flow_calls_by_pointer(t, insn) ||
	       (f->deep && insn->class == INSN_CALL && insn->target != f->code.func.entry &&
		may_help(t, insn->target, &func) && flow_calls_values(t, &func));
}

/* All of these count as one call, that may give it up. */
static void note_hidden(const struct target *t, struct flow *f)
{
	for (size_t i = 0; i < f->code.n; i++) {
		struct place *p = &f->places[i];

		if (p->effect || !hides(t, f, &f->code.insns[i]))
			continue;
		if (!f->hidden)
			f->hidden = flow_new_call(f);
		p->effect = MAY_GIVE;
		p->call = f->hidden;
		p->decides = true;
	}
}

static void forget_hidden(struct flow *f)
{
	for (size_t i = 0; i < f->code.n; i++) {
		struct place *p = &f->places[i];

		if (p->effect == MAY_GIVE && p->call == f->hidden && !p->part)
			p->effect = NOTHING;
		memset(p->held, 0, sizeof(p->held));
		p->waits = false;
	}
	f->n_waiting = 0;
}

static void flow_done(struct flow *f)
{
	code_free(&f->code);
	free(f->places);
	free(f->waiting);
}
#define cleanup_flow_ cleanup_(flow_done)

static int read_flow(const struct target *t, const struct go_func *func, struct flow *f)
{
	int err = code_read(t, func, &f->code);

	if (err || !f->code.n)
		return err ? err : -ENOENT;
	f->places = calloc(f->code.n, sizeof(*f->places));
	f->waiting = calloc(f->code.n, sizeof(*f->waiting));
	if (!f->places || !f->waiting)
		return -ENOMEM;
	err = copies_in(t, func, f->names, f->n_names, note_copy, f);
	note_calls(t, f);
	if (!err && f->which.hi)
		flow_keep_variable(f);
	return err;
}

/* Whoever defers something gives up by that, mostly. */
static bool defers(const struct target *t, const struct flow *f)
{
	struct go_func callee;

	for (size_t i = 0; i < f->code.n; i++)
		if (f->code.insns[i].class == INSN_CALL &&
		    !target_func_by_pc(t, f->code.insns[i].target, &callee) &&
		    !strcmp(callee.name, "runtime.deferreturn"))
			return true;
	return false;
}

/* Of one that defers: what it defers to give up it has not taken itself. */
static bool may_give_by_defer(const struct target *t, struct flow *f)
{
	if (f->takes || !(f->gives || f->may_give || makes_giver(t, f, true)))
		return false;
	return !note_helpers(t, f, false) || !f->takes;
}

static enum effect effect_of(const struct target *t, const struct flow *caller,
			     const struct go_func *func, bool deep)
{
	struct flow f cleanup_flow_ = {.n_names = caller->n_names,
				       .which = caller->which,
				       .depth = caller->depth + 1,
				       .deep = caller->deep,
				       .left = caller->left,
				       .time = caller->time};
	unsigned at_end = 0;

	memcpy(f.names, caller->names, sizeof(f.names));
	memcpy(f.effects, caller->effects, sizeof(f.effects));
	if (!*f.left || is_late(&f))
		return MAY_GIVE;
	--*f.left;
	if (read_flow(t, func, &f) || f.code.has_jump_table)
		return NOTHING;
	if ((deep && !note_helpers(t, &f, f.deep)) || f.too_many)
		return MAY_GIVE;
	if (defers(t, &f))
		return may_give_by_defer(t, &f) ? MAY_GIVE : NOTHING;
	if (!f.takes)
		return f.gives ? GIVES : f.may_give ? MAY_GIVE : NOTHING;
	if (!run(&f, 0))
		return NOTHING;
	for (size_t i = 0; i < f.code.n; i++)
		at_end |= f.code.insns[i].class == INSN_RET ? numbers_at(&f.places[i]) : 0;
	return at_end <= 1 ? NOTHING : at_end & 1 ? TRIES : TAKES;
}

/* The instruction that pc lies in. */
static const struct place *place_at(const struct flow *f, uint64_t pc)
{
	for (size_t i = 0; i < f->code.n; i++) {
		const struct insn *insn = &f->code.insns[i];

		if (pc >= insn->addr && pc < insn->addr + insn->len)
			return &f->places[i];
	}
	return NULL;
}

static enum lock_held held_by_flow(struct flow *f, const struct place *place, unsigned before)
{
	unsigned numbers;

	if (f->too_many || f->code.has_jump_table || !run(f, before))
		return LOCK_HELD_UNKNOWN;
	numbers = place ? numbers_at(place) : 0;
	if (!numbers)
		return LOCK_HELD_UNKNOWN;
	if (!(numbers & 1))
		return LOCK_HELD_YES;
	return numbers == 1 ? LOCK_HELD_NO : LOCK_HELD_MAYBE;
}

/* What is asked beside the place and the calls. */
struct question {
	struct lock_variable which;   /* hi 0: any lock */
	const struct lock_word *word; /* NULL: the same */
	unsigned before;              /* how many the function is called with */
	bool taking;                  /* the answer: the place takes one */
	struct lock_method method;    /* the same: of `word` */
};

static enum lock_held held_in_time(const struct target *t, uint64_t pc,
				   const struct lock_calls *calls, struct question *q,
				   struct lock_time *time)
{
	const unsigned before = q->before;
	unsigned left = LOOKS_MAX;
	struct flow f cleanup_flow_ = {.which = q->which, .left = &left, .time = time};
	const struct place *place;
	enum lock_held held;
	struct go_func func;
	uint64_t base;
	bool all;

	t = target_at(t, pc, &base);
	if ((base && q->which.hi) ||
	    is_late(&f)) /* another file's code, whose addresses are its own */
		return LOCK_HELD_UNKNOWN;
	add_names(&f, calls->takes, TAKES);
	add_names(&f, calls->tries, TRIES);
	add_names(&f, calls->gives, GIVES);
	if (target_func_by_pc(t, pc - base, &func) || read_flow(t, &func, &f))
		return LOCK_HELD_UNKNOWN;
	f.deep = q->word != NULL;
	all = note_helpers(t, &f, f.deep);
	place = place_at(&f, pc - base);
	q->taking = place && place->effect == TAKES;
	if (!all)
		return LOCK_HELD_UNKNOWN;
	if (q->word && !flow_keep_word(t, &f, place, q->word, &q->method))
		return LOCK_HELD_UNKNOWN;
	if (!f.takes && (q->which.hi || q->word))
		return LOCK_HELD_UNKNOWN;
	if (!f.takes && !f.gives && !before)
		return LOCK_HELD_UNKNOWN;
	if (!f.takes && !before)
		return LOCK_HELD_MAYBE;
	note_hidden(t, &f);
	held = held_by_flow(&f, place, before);
	if (!f.takes && !f.gives)
		return held == LOCK_HELD_YES || !f.hidden ? LOCK_HELD_YES : LOCK_HELD_HIDDEN;
	if (f.hidden && held != LOCK_HELD_YES) {
		forget_hidden(&f);
		held = held_by_flow(&f, place, before);
		if (held == LOCK_HELD_YES)
			held = LOCK_HELD_HIDDEN;
	}
	return held >= LOCK_HELD_HIDDEN && !before && makes_giver(t, &f, false) ? LOCK_HELD_LENT
										: held;
}

static enum lock_held held_at(const struct target *t, uint64_t pc, const struct lock_calls *calls,
			      struct question *q, struct lock_time *time)
{
	enum lock_held held = held_in_time(t, pc, calls, q, time);

	return time && time->late ? LOCK_HELD_UNKNOWN : held;
}

enum lock_held lock_held_at(const struct target *t, uint64_t pc, const struct lock_calls *calls,
			    struct lock_time *time)
{
	return held_at(t, pc, calls, &(struct question){0}, time);
}

enum lock_held lock_kept_at(const struct target *t, uint64_t pc, const struct lock_calls *calls,
			    struct lock_time *time, bool *ret_taking)
{
	struct question q = {.before = 1};
	enum lock_held held = held_at(t, pc, calls, &q, time);

	*ret_taking = q.taking;
	return held;
}

/* Which lock a call is about is looked for where its first argument is. */
static bool names_locks_in_registers(const struct target *t)
{
	return target_layout(t)->register_abi;
}

enum lock_held lock_variable_held_at(const struct target *t, uint64_t pc,
				     const struct lock_calls *calls, struct lock_variable which,
				     struct lock_time *time)
{
	if (!names_locks_in_registers(t))
		return LOCK_HELD_UNKNOWN;
	return held_at(t, pc, calls, &(struct question){.which = which}, time);
}

enum lock_held lock_word_held_at(const struct target *t, uint64_t pc,
				 const struct lock_calls *calls, const struct lock_word *word,
				 struct lock_time *time, struct lock_method *ret_method)
{
	struct question q = {.word = word};
	enum lock_held held = LOCK_HELD_UNKNOWN;

	if (names_locks_in_registers(t))
		held = held_at(t, pc, calls, &q, time);
	*ret_method = q.method;
	return held;
}

static const char *called(const struct target *t, uint64_t entry, const char *const *names,
			  struct lock_variable which, struct lock_time *time)
{
	struct flow f cleanup_flow_ = {.which = which, .time = time};
	struct go_func func;
	uint64_t base;

	t = target_at(t, entry, &base);
	if ((base && which.hi) || is_late(&f))
		return NULL;
	while (f.n_names < NAMES && names[f.n_names]) {
		f.effects[f.n_names] = GIVES;
		f.names[f.n_names] = names[f.n_names];
		f.n_names++;
	}
	if (target_func_by_pc(t, entry - base, &func) || func.entry != entry - base ||
	    read_flow(t, &func, &f))
		return NULL;
	return which.hi && (f.too_many || !f.gives) ? NULL : f.found;
}

const char *lock_called(const struct target *t, uint64_t entry, const char *const *names,
			struct lock_time *time)
{
	return called(t, entry, names, (struct lock_variable){0}, time);
}

const char *lock_variable_called(const struct target *t, uint64_t entry, const char *const *names,
				 struct lock_variable which, struct lock_time *time)
{
	return called(t, entry, names, which, time);
}
