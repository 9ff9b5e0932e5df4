/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may end the waits on an object: all stacks are searched for its address. Go records no owner
 * of a lock, so what is found is evidence, and which one is said:
 * - A deferred call leaves a closure {entry of F.deferwrapN, &mu} in F's frame (cmd/compile wraps
 *   every deferred call with arguments or a receiver: walk/order.go wrapGoDefer()), or in the heap,
 *   at g._defer (panic.go deferproc()), when it is deferred in a loop.
 * - Any other word of a live frame; it may be dead by now.
 * - A word that points into the object that the lock is a part of, by the heap's map.
 * That a writer pends keeps an RWMutex's readers out: that is a fact.
 *
 * Frames of the runtime and of sync are those of the wait itself and say nothing.
 */
#include <errno.h>
#include <string.h>

#include "core/memory/heap.h"
#include "core/memory/memory.h"
#include "core/memory/wait_reading.h"

#define INLINED_MAX 64 /* calls at one place */
#define FRAMES_MAX  512
#define DEFERS_MAX  64 /* of one goroutine */
#define BUDGET_NS   (3 * NS_PER_SEC)
#define FUNCS_SLOTS 4096 /* a power of two */

/* What a code address is. */
struct func_kind {
	uint64_t pc; /* 0: unused */
	bool skip;   /* runtime, sync */
};

/* A closure's function: what it calls, when it was made to defer that. */
struct wrapper {
	uint64_t entry;   /* 0: unused */
	const char *call; /* NULL: nothing that ends a wait */
};

/* The heap's object that a lock is a part of. */
struct part {
	uint64_t base, end;
	uint32_t object;
};

struct search {
	struct wait_reading *r;
	struct part *parts; /* by base; several may have the same */
	size_t n_parts;
	struct wait_graph *g;
	struct address_map by_address; /* of the object, and of a Cond's notifyList */
	struct wait_holder *found;
	size_t n, cap;
	uint64_t until_ns;
	struct func_kind funcs[FUNCS_SLOTS];
	struct wrapper wrappers[FUNCS_SLOTS];
};

static size_t slot_of(uint64_t pc)
{
	return (pc * 0x9e3779b97f4a7c15ull) >> 40 & (FUNCS_SLOTS - 1);
}

/* --- what code is ----------------------------------------------------------------------------- */

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

/* Calls that end waits. */
static bool ends_wait(const char *call)
{
	static const char *const calls[] = {
		"sync.(*Mutex).Unlock",   "internal/sync.(*Mutex).Unlock",
		"sync.(*RWMutex).Unlock", "sync.(*RWMutex).RUnlock",
		"sync.(*WaitGroup).Done", "sync.(*WaitGroup).Add",
		"sync.(*Cond).Broadcast", "sync.(*Cond).Signal",
		"sync.(*rlocker).Unlock", "runtime.closechan",
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!strcmp(call, calls[i]))
			return true;
	}
	return false;
}

/* What the closure's function `pc` (runtime) defers; NULL: it is no wrapper, or of another call. */
static const char *deferred_call(struct search *s, uint64_t pc)
{
	struct wrapper *w = &s->wrappers[slot_of(pc)];
	struct go_func func;

	if (w->entry == pc)
		return w->call;
	*w = (struct wrapper){.entry = pc};
	if (!target_deferred_func(s->r->t, pc - s->r->bias, &func) && ends_wait(func.name))
		w->call = strcmp(func.name, "runtime.closechan") ? func.name : "close";
	return w->call;
}

static bool is_machinery(struct search *s, uint64_t pc)
{
	struct func_kind *f = &s->funcs[slot_of(pc)];
	struct go_func func;

	if (f->pc == pc)
		return f->skip;
	*f = (struct func_kind){.pc = pc};
	if (!target_func_by_pc(s->r->t, pc, &func))
		f->skip = begins(func.name, "runtime.") || begins(func.name, "sync.") ||
			  begins(func.name, "internal/sync.") ||
			  begins(func.name, "internal/poll.");
	return f->skip;
}

/* --- what is found ---------------------------------------------------------------------------- */

static int fill_frame(struct search *s, uint64_t lookup, struct wait_holder *h)
{
	struct target_frame frames[INLINED_MAX];
	int n = target_frames_by_pc(s->r->t, lookup, frames, INLINED_MAX), err;

	if (n <= 0)
		return 0;
	/* The frame is the outermost call's: what was inlined into it there comes before. */
	h->line = frames[n - 1].line;
	err = reading_text(s->r, frames[n - 1].function, &h->func);
	return err ? err : reading_text(s->r, frames[n - 1].file, &h->file);
}

static bool waits_on(const struct wait_graph *g, uint64_t goid, uint32_t object)
{
	const struct wait_goroutine *w = wait_graph_goroutine(g, goid);

	for (uint32_t i = 0; w && i < w->n_waits; i++) {
		if (g->waits[w->waits + i].object == object)
			return true;
	}
	return false;
}

/* One of a goroutine's for an object, unless it has a stronger one already: its own come together.
 */
static int add(struct search *s, const struct wait_holder *h, uint64_t lookup)
{
	int err;

	for (size_t i = s->n; i > 0 && s->found[i - 1].goid == h->goid; i--) {
		struct wait_holder *other = &s->found[i - 1];

		if (other->object != h->object)
			continue;
		if (other->evidence <= h->evidence)
			return 0;
		*other = *h;
		return fill_frame(s, lookup, other);
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		struct wait_holder *list = reallocarray(s->found, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->found = list;
		s->cap = cap;
	}
	s->found[s->n] = *h;
	s->found[s->n].waiter = waits_on(s->g, h->goid, h->object);
	err = lookup ? fill_frame(s, lookup, &s->found[s->n]) : 0;
	s->n++;
	return err;
}

/* --- closures --------------------------------------------------------------------------------- */

/* A closure {function, captured}: is it one that defers the end of a wait? */
static int look_at_closure(struct search *s, uint64_t goid, uint64_t pc, uint32_t object,
			   uint64_t lookup, bool *ret)
{
	struct wait_holder h = {.goid = goid, .object = object, .evidence = WAIT_BY_DEFER};
	const char *call = pc ? deferred_call(s, pc) : NULL;
	int err;

	*ret = call;
	if (!call)
		return 0;
	err = reading_text(s->r, call, &h.call);
	return err ? err : add(s, &h, lookup);
}

/* --- deferred calls in the heap --------------------------------------------------------------- */

static int follow_defers(struct search *s, const struct memory_goroutine *g)
{
	const struct go_layout *l = s->r->l;
	uint8_t bytes[GO_WAIT_SIZE_MAX];
	uint64_t at = g->defer, fn, closure[2];
	int err = 0;

	for (int i = 0; i < DEFERS_MAX && at >= 4096 && at % 8 == 0 && !err; i++) {
		uint32_t object;
		bool deferred;

		err = memory_read(s->r->pid, at, bytes, l->defer_size);
		if (err)
			break;
		memcpy(&fn, bytes + l->defer_fn, sizeof(fn));
		memcpy(&at, bytes + l->defer_link, sizeof(at));
		if (fn < 4096 || fn % 8 || memory_read(s->r->pid, fn, closure, sizeof(closure)))
			continue;
		object = address_map_get(&s->by_address, closure[1]);
		if (object != ADDRESS_NONE)
			err = look_at_closure(s, g->goid, closure[0], object, 0, &deferred);
	}
	return err == -EFAULT ? 0 : err;
}

/* --- one stack ------------------------------------------------------------------------------- */

/* Does the word point into an object that has locks in it? */
static int look_into_objects(struct search *s, uint64_t goid, uint64_t word, uint64_t lookup)
{
	size_t lo = 0, hi = s->n_parts;
	int err = 0;

	if (!hi || word < s->parts[0].base || word >= s->parts[hi - 1].end)
		return 0;
	/* The first of the last base that is not behind it. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->parts[mid].end <= word)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->n_parts && s->parts[lo].base <= word && !err; lo++) {
		struct wait_holder h = {
			.goid = goid, .object = s->parts[lo].object, .evidence = WAIT_BY_OBJECT};

		err = add(s, &h, lookup);
	}
	return err;
}

static int look_at_frame(struct search *s, uint64_t goid, const struct stack_copy *copy,
			 size_t frame)
{
	uint64_t lookup = copy->trace->frames[frame].lookup;
	uint64_t end = stack_copy_end(copy, frame), before = 0;
	int err = 0;

	for (uint64_t at = copy->trace->frames[frame].sp; at + 8 <= end && !err; at += 8) {
		uint64_t word = stack_copy_word(copy, at);
		uint32_t object = address_map_get(&s->by_address, word);
		bool deferred = false;

		if (object == ADDRESS_NONE) {
			err = look_into_objects(s, goid, word, lookup);
		} else {
			struct wait_holder h = {
				.goid = goid, .object = object, .evidence = WAIT_BY_FRAME};

			err = look_at_closure(s, goid, before, object, lookup, &deferred);
			if (!err && !deferred)
				err = add(s, &h, lookup);
		}
		before = word;
	}
	return err;
}

static int visit(void *ctx, uint32_t i, const struct stack_copy *copy)
{
	struct search *s = ctx;
	uint64_t goid = s->r->gs[i].goid;
	int err;

	if (!copy->whole || copy->trace->state == STACK_CUT)
		s->g->stacks_unread++;
	if (monotonic_ns() > s->until_ns) {
		s->g->stacks_unread += copy->whole && copy->trace->state != STACK_CUT;
		return 0;
	}
	err = s->r->l->defer_size ? follow_defers(s, &s->r->gs[i]) : 0;
	for (size_t f = 0; f < copy->trace->n && !err; f++) {
		if (!is_machinery(s, copy->trace->frames[f].lookup))
			err = look_at_frame(s, goid, copy, f);
	}
	return err;
}

/* --- facts ------------------------------------------------------------------------------------ */

static int add_pending_writers(struct search *s)
{
	const struct wait_graph *g = s->g;
	int err = 0;

	for (size_t i = 0; i < g->n_waits && !err; i++) {
		struct wait_holder h = {
			.goid = g->goroutines[g->waits[i].goroutine].goid,
			.object = g->waits[i].object,
			.evidence = WAIT_BY_PENDING_WRITER,
		};

		if (g->waits[i].how == WAIT_DRAIN && g->objects[h.object].n_waits > 1)
			err = add(s, &h, 0);
	}
	return err;
}

/* --- which of them are told ------------------------------------------------------------------- */

static int by_object(const void *a, const void *b)
{
	const struct wait_holder *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->evidence != y->evidence)
		return x->evidence < y->evidence ? -1 : 1;
	if (x->waiter != y->waiter)
		return x->waiter ? 1 : -1;
	return (x->goid > y->goid) - (x->goid < y->goid);
}

static bool is_among(const struct wait_holder *list, size_t n, uint64_t goid)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].goid == goid)
			return true;
	}
	return false;
}

static bool is_weak(const struct wait_holder *h)
{
	return h->evidence == WAIT_BY_FRAME || h->evidence == WAIT_BY_OBJECT;
}

/* Whoever waits himself has it in his frames for that reason: he is told only by what he deferred,
 * or, of a lock, when there is nobody else: a channel is nothing that he could hold. A pointer into
 * the object counts where there is nothing better. */
static size_t keep_some(struct wait_holder *list, size_t n, enum wait_kind kind)
{
	size_t kept = 0;
	bool others = kind == WAIT_CHAN, better = false;

	for (size_t i = 0; i < n; i++)
		others |= !list[i].waiter || !is_weak(&list[i]);
	for (size_t i = 0; i < n; i++)
		better |= list[i].evidence < WAIT_BY_OBJECT &&
			  (!list[i].waiter || !is_weak(&list[i]));
	for (size_t i = 0; i < n && kept < WAIT_HOLDERS_MAX; i++) {
		if ((others && list[i].waiter && is_weak(&list[i])) ||
		    (better && list[i].evidence == WAIT_BY_OBJECT))
			continue;
		if (!is_among(list, kept, list[i].goid))
			list[kept++] = list[i];
	}
	return kept;
}

static void hand_out(struct search *s)
{
	struct wait_graph *g = s->g;
	size_t kept = 0;

	if (s->n)
		qsort(s->found, s->n, sizeof(*s->found), by_object);
	for (size_t i = 0, end; i < s->n; i = end) {
		struct wait_object *o = &g->objects[s->found[i].object];

		for (end = i; end < s->n && s->found[end].object == s->found[i].object; end++)
			;
		o->holders = (uint32_t)kept;
		o->n_holders = (uint32_t)keep_some(&s->found[i], end - i, o->kind);
		memmove(&s->found[kept], &s->found[i], o->n_holders * sizeof(*s->found));
		kept += o->n_holders;
	}
	g->holders = s->found;
	g->n_holders = kept;
	s->found = NULL;
}

static int index_objects(struct search *s)
{
	int err = 0;

	for (size_t i = 0; i < s->g->n_objects && err >= 0; i++) {
		const struct wait_object *o = &s->g->objects[i];

		if (o->kind == WAIT_POLL || o->kind == WAIT_SEMAPHORE)
			continue;
		err = address_map_put(&s->by_address, o->address, (uint32_t)i);
	}
	return MIN(err, 0);
}

static int by_base(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

/* Where the heap cannot be read, pointers to the lock itself are all there is. */
static int index_parts(struct search *s)
{
	cleanup_heap_ struct heap *heap = NULL;
	int err = 0;

	for (size_t i = 0; i < s->g->n_objects && !err; i++) {
		const struct wait_object *o = &s->g->objects[i];
		const struct heap_span *span;
		uint64_t base;

		if (o->kind != WAIT_MUTEX && o->kind != WAIT_RWMUTEX && o->kind != WAIT_WAITGROUP &&
		    o->kind != WAIT_COND)
			continue;
		if (!heap) {
			err = heap_read(s->r->t, s->r->pid, s->r->bias, &heap);
			s->parts = err ? NULL : calloc(s->g->n_objects, sizeof(*s->parts));
			if (!err && !s->parts)
				err = -ENOMEM;
		}
		span = err ? NULL : heap_span_at(heap, o->address);
		if (!span)
			continue;
		base = span->base + heap_object_in_span(span, o->address) * span->elem_size;
		s->parts[s->n_parts++] = (struct part){base, base + span->elem_size, (uint32_t)i};
	}
	if (s->n_parts)
		qsort(s->parts, s->n_parts, sizeof(*s->parts), by_base);
	return err == -ENOMEM || err == -ESRCH || err == -EPERM ? err : 0;
}

int graph_find_holders(struct wait_reading *r, struct wait_graph *g)
{
	cleanup_free_ uint32_t *which = malloc((r->n + 1) * sizeof(*which));
	struct search *s = calloc(1, sizeof(*s));
	size_t n = 0;
	int err = which && s ? 0 : -ENOMEM;

	if (err)
		goto out;
	*s = (struct search){.r = r, .g = g, .until_ns = monotonic_ns() + BUDGET_NS};
	err = index_objects(s);
	if (!err)
		err = index_parts(s);
	if (!err)
		err = add_pending_writers(s);
	for (uint32_t i = 0; i < r->n && !err && s->by_address.n; i++) {
		uint64_t sp;

		if (stack_used(&r->gs[i], &sp))
			which[n++] = i;
		else
			g->stacks_unread++;
	}
	if (!err)
		err = stack_copies(r->t, r->pid, r->bias, r->gs, which, n, STACK_COPY_MAX,
				   FRAMES_MAX, visit, s);
	if (!err)
		hand_out(s);
	free(s->parts);
	free(s->found);
	address_map_free(&s->by_address);
out:
	free(s);
	return err;
}
