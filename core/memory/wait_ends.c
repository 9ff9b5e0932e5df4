/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deadlocks over a lock and something that has no owner: who has the lock waits at a channel, for a
 * WaitGroup or on a Cond, and who would end that waits for the lock. A lock has an owner; that may
 * be done by whoever can get at it. So it is asked of those objects alone at which somebody waits
 * whose code has taken a lock, and whom others wait for: can one of these get at it, by a pointer
 * in a live frame to it or to an object that has it, and does that frame's code do what is waited
 * for, or has he deferred it? And is there nobody else who has such a pointer? Then these are told.
 *
 * Who starts later, or gets at it another way, is not seen: it is possible, no more, and the level
 * `leaked` rests on reachability as ever (leak_groups.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/wait_search.h"

#define SHUT_MAX     128         /* objects that are asked about */
#define BEHIND_MAX   (16u << 20) /* goroutines of all of these together */
#define ROUNDS_MAX   64          /* steps of a chain of those who wait */
#define ASKED_MAX    256         /* goroutines whose frames are followed for one reading */
#define LOOKED_MAX   2048        /* objects that are looked into */
#define OBJECT_BYTES 4096        /* of an object; larger ones are not looked into */
#define ENDS_MAX     8           /* of one channel that are told */

/* What the holder of a lock waits at. */
struct shut {
	uint32_t object, waiter; /* indices of the graph */
	bool *behind; /* of each of its goroutines: waits for that one, directly or not */
	bool open;    /* somebody else may be at its other end */
	struct wait_holder ends[ENDS_MAX];
	unsigned n_ends;
};

/* What was found out of a place in the code. */
struct said {
	uint64_t lookup; /* 0: unused */
	enum wait_how how;
	const char *call;
};
#define SAID_SLOTS 64 /* a power of two */

struct ends {
	struct search *s;
	struct shut shut[SHUT_MAX];
	unsigned n;
	struct address_map by_object; /* address: index into shut */
	struct address_map looked;    /* what was looked into, by its base */
	struct part *parts;           /* what has one in it; object: index into shut */
	size_t n_parts;
	struct said said[SAID_SLOTS];
	bool blind; /* somebody's stack could not be searched to its end */
};

/* What ends a wait. Most selects receive, and who waits for the end of a context is not the one who
 * ends it. */
static const char *const receives[] = {"runtime.chanrecv1", "runtime.chanrecv2", "runtime.selectgo",
				       "runtime.selectnbrecv", NULL};
static const char *const sends[] = {"runtime.chansend1", "runtime.closechan",
				    "runtime.selectnbsend", NULL};
static const char *const finishes[] = {"sync.(*WaitGroup).Done", NULL};
static const char *const signals[] = {"sync.(*Cond).Broadcast", "sync.(*Cond).Signal", NULL};

static const char *const *ends_of(enum wait_how how)
{
	switch (how) {
	case WAIT_SEND:
		return receives;
	case WAIT_RECEIVE:
		return sends;
	case WAIT_ZERO:
		return finishes;
	case WAIT_SIGNAL:
		return signals;
	default:
		return NULL;
	}
}

/* As a program's source has it. */
static const char *word_of(const char *call)
{
	static const char *const words[][2] = {
		{"runtime.closechan", "close"},
		{"runtime.select", "select"},
		{"runtime.chanrecv", "chan receive"},
		{"runtime.chansend", "chan send"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (!strncmp(call, words[i][0], strlen(words[i][0])))
			return words[i][1];
	return call;
}

/* --- who waits for whom ----------------------------------------------------------------------- */

static uint32_t parked(const struct wait_graph *g, uint64_t goid)
{
	const struct wait_goroutine *w = wait_graph_goroutine(g, goid);

	return w ? (uint32_t)(w - g->goroutines) : ADDRESS_NONE;
}

/* Likely, or his code has taken such a lock on every way to where he is. */
static bool has_taken(const struct wait_holder *h)
{
	return wait_holder_is_likely(h) ||
	       (h->word == WAIT_WORD_MAPPED && !h->unproven && h->section >= WAIT_SECTION_LENT);
}

/* One more round of who waits behind somebody who does. Returns whether there was one. */
static bool spread(const struct wait_graph *g, bool *behind)
{
	bool more = false;

	for (size_t o = 0; o < g->n_objects; o++) {
		const struct wait_object *object = &g->objects[o];
		bool held = false;

		for (uint32_t k = 0; k < object->n_holders && !held; k++) {
			const struct wait_holder *h = &g->holders[object->holders + k];
			uint32_t at = parked(g, h->goid);

			held = at != ADDRESS_NONE && behind[at] && has_taken(h);
		}
		for (uint32_t k = 0; held && k < object->n_waits; k++) {
			const uint32_t at = wait_graph_waiter(g, object, k)->goroutine;

			if (g->goroutines[at].n_waits != 1 || behind[at])
				continue;
			behind[at] = more = true;
		}
	}
	return more;
}

/* Has he a lock that others wait for, and is parked at such a thing? */
static int add_shut(struct ends *e, const struct wait_holder *h)
{
	const struct wait_graph *g = e->s->g;
	const uint32_t waiter = parked(g, h->goid);
	const struct wait_goroutine *w = waiter == ADDRESS_NONE ? NULL : &g->goroutines[waiter];
	struct shut *shut = &e->shut[e->n];
	uint32_t object;
	int put;

	if (!w || w->why != WAIT_ON_OBJECTS || w->n_waits != 1 || e->n == SHUT_MAX ||
	    (e->n + 1) * g->n_goroutines > BEHIND_MAX || !has_taken(h))
		return 0;
	object = g->waits[w->waits].object;
	if (!ends_of(g->waits[w->waits].how) ||
	    (g->objects[object].kind == WAIT_CHAN && g->objects[object].chan.timer))
		return 0;
	put = address_map_put(&e->by_object, g->objects[object].address, e->n);
	if (put != 1)
		return put;
	*shut = (struct shut){.object = object,
			      .waiter = waiter,
			      .behind = calloc(g->n_goroutines, sizeof(*shut->behind))};
	e->n++;
	if (!shut->behind)
		return -ENOMEM;
	shut->behind[waiter] = true;
	for (unsigned round = 0; round < ROUNDS_MAX && spread(g, shut->behind); round++)
		;
	return 0;
}

static int find_shut(struct ends *e)
{
	const struct wait_graph *g = e->s->g;
	int err = 0;

	for (size_t o = 0; o < g->n_objects && !err; o++) {
		const struct wait_object *object = &g->objects[o];

		for (uint32_t k = 0; k < object->n_holders && object->n_waits && !err; k++)
			if (object->kind == WAIT_MUTEX || object->kind == WAIT_RWMUTEX)
				err = add_shut(e, &g->holders[object->holders + k]);
	}
	return err;
}

/* --- what has one in it ----------------------------------------------------------------------- */

/* What a WaitGroup or a Cond is a part of. */
static void add_own_part(struct ends *e, unsigned which)
{
	const struct wait_object *o = &e->s->g->objects[e->shut[which].object];
	const struct heap_span *span = e->s->heap ? heap_span_at(e->s->heap, o->address) : NULL;
	uint64_t base;

	if (!span || o->kind == WAIT_CHAN)
		return;
	base = span->base + heap_object_in_span(span, o->address) * span->elem_size;
	e->parts[e->n_parts++] = (struct part){base, base + span->elem_size, which};
}

static int look_into(struct ends *e, uint64_t value)
{
	struct search *s = e->s;
	const struct heap_span *span = s->heap ? heap_span_at(s->heap, value) : NULL;
	uint64_t words[OBJECT_BYTES / 8], base;
	int put;

	if (!span || span->noscan || span->elem_size > OBJECT_BYTES || e->looked.n >= LOOKED_MAX)
		return 0;
	base = span->base + heap_object_in_span(span, value) * span->elem_size;
	put = address_map_put(&e->looked, base, 0);
	if (put != 1)
		return put;
	if (memory_read(s->r->pid, base, words, span->elem_size & ~7ULL))
		return 0;
	for (size_t i = 0; i < span->elem_size / 8; i++) {
		const uint32_t which = address_map_get(&e->by_object, words[i]);

		if (which != ADDRESS_NONE && e->n_parts < LOOKED_MAX)
			e->parts[e->n_parts++] = (struct part){base, base + span->elem_size, which};
	}
	return 0;
}

static const struct memory_goroutine *record_of(const struct search *s, uint64_t goid)
{
	size_t i = FIRST_NOT_BELOW(s->r->gs, s->r->n, goid, goid);

	return i < s->r->n && s->r->gs[i].goid == goid ? &s->r->gs[i] : NULL;
}

static int look_from(struct ends *e, uint64_t goid)
{
	const struct memory_goroutine *g = record_of(e->s, goid);
	struct stack_words words;
	int err = g ? stack_live_read(e->s->live, g, &words) : -ENODATA;

	if (err)
		return err == -ENOMEM || err == -EPERM ? err : 0;
	for (uint64_t at = words.sp; at < words.hi && !err; at += 8) {
		uint64_t value;

		if (stack_word_life(&words, at) != WORD_LIVE)
			continue;
		memcpy(&value, words.bytes + (at - words.sp), sizeof(value));
		err = look_into(e, value);
	}
	return err;
}

static int by_base(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

static int find_parts(struct ends *e)
{
	const struct wait_graph *g = e->s->g;
	unsigned asked = 0;
	int err = 0;

	e->parts = calloc(LOOKED_MAX + SHUT_MAX, sizeof(*e->parts));
	if (!e->parts)
		return -ENOMEM;
	for (unsigned i = 0; i < e->n; i++)
		add_own_part(e, i);
	for (unsigned i = 0; i < e->n; i++)
		for (size_t k = 0; k < g->n_goroutines && asked < ASKED_MAX && !err; k++) {
			if (!e->shut[i].behind[k])
				continue;
			asked++;
			err = look_from(e, g->goroutines[k].goid);
		}
	qsort(e->parts, e->n_parts, sizeof(*e->parts), by_base);
	return err;
}

/* --- who has a pointer to one, or to such an object ------------------------------------------- */

/* What the code of the function that the place lies in does of what would end such a wait; NULL:
 * nothing. */
static const char *call_in(struct ends *e, uint64_t lookup, enum wait_how how)
{
	struct said *said = &e->said[lookup * 0x9e3779b97f4a7c15ull >> 58];

	if (said->lookup != lookup || said->how != how)
		*said = (struct said){lookup, how,
				      wait_calls_made(e->s->calls, lookup, ends_of(how))};
	return said->call;
}

/* Does he wait at it himself, and for the same? Then he is no end of it before that has ended. */
static bool waits_there(const struct wait_graph *g, const struct shut *shut, uint32_t at)
{
	const struct wait_edge *own = &g->waits[g->goroutines[at].waits];

	return g->goroutines[at].n_waits == 1 && own->object == shut->object &&
	       own->how == g->waits[g->goroutines[shut->waiter].waits].how;
}

static int add_end(struct ends *e, struct shut *shut, struct wait_holder h)
{
	const struct wait_graph *g = e->s->g;
	const char *call;
	int err;

	if (!h.lookup || wait_calls_is_machinery(e->s->calls, h.lookup) || shut->n_ends == ENDS_MAX)
		return 0;
	for (unsigned i = 0; i < shut->n_ends; i++)
		if (shut->ends[i].goid == h.goid)
			return 0;
	call = call_in(e, h.lookup, g->waits[g->goroutines[shut->waiter].waits].how);
	if (!call)
		return 0;
	err = reading_text(e->s->r, word_of(call), &h.call);
	if (!err)
		err = search_fill_frame(e->s, h.lookup, &h);
	if (!err)
		shut->ends[shut->n_ends++] = h;
	return err;
}

/* A pointer to it, or to an object that has it, in a live word. `lookup` 0: of a frame that is not
 * known. */
static int note_word(struct ends *e, unsigned which, uint64_t goid, uint64_t lookup,
		     enum wait_evidence evidence)
{
	struct shut *shut = &e->shut[which];
	const uint32_t at = parked(e->s->g, goid);

	if (at != ADDRESS_NONE && (at == shut->waiter || waits_there(e->s->g, shut, at)))
		return 0;
	if (at == ADDRESS_NONE || !shut->behind[at]) {
		shut->open = true;
		return 0;
	}
	return add_end(e, shut,
		       (struct wait_holder){.goid = goid,
					    .object = shut->object,
					    .evidence = evidence,
					    .word = WAIT_WORD_MAPPED,
					    .awaits = true,
					    .lookup = lookup});
}

static int note_value(struct ends *e, uint64_t value, uint64_t goid, uint64_t lookup)
{
	const uint32_t which = address_map_get(&e->by_object, value);
	int err = which != ADDRESS_NONE ? note_word(e, which, goid, lookup, WAIT_BY_FRAME) : 0;

	for (size_t i = FIRST_ABOVE(e->parts, e->n_parts, end, value);
	     i < e->n_parts && e->parts[i].base <= value && !err; i++)
		err = note_word(e, e->parts[i].object, goid, lookup, WAIT_BY_OBJECT);
	return err;
}

static bool is_of_interest(const struct ends *e, uint64_t value)
{
	size_t i = FIRST_ABOVE(e->parts, e->n_parts, end, value);

	return address_map_get(&e->by_object, value) != ADDRESS_NONE ||
	       (i < e->n_parts && e->parts[i].base <= value);
}

static bool has_something(const struct ends *e, const struct stack_copy *copy)
{
	for (uint64_t at = 0; at + 8 <= copy->size; at += 8)
		if (is_of_interest(e, stack_copy_word(copy, copy->sp + at)))
			return true;
	return false;
}

static int visit(void *ctx, uint32_t i, const struct stack_copy *copy)
{
	struct ends *e = ctx;
	const struct memory_goroutine *g = &e->s->r->gs[i];
	struct stack_words words;
	int err;

	e->blind |= !copy->whole || wait_calls_is_late(e->s->calls);
	if (e->blind || !has_something(e, copy))
		return 0;
	err = stack_live_read(e->s->live, g, &words);
	if (err == -ENODATA || err == -EAGAIN || err == -ESRCH) {
		e->blind = true;
		return 0;
	}
	for (uint64_t at = words.sp; at < words.hi && !err; at += 8) {
		const enum word_life life = stack_word_life(&words, at);
		uint64_t value, lookup;

		memcpy(&value, words.bytes + (at - words.sp), sizeof(value));
		if (life == WORD_DEAD || !is_of_interest(e, value))
			continue;
		lookup = words.trace->frames[words.frame[(at - words.sp) / 8]].lookup;
		err = note_value(e, value, g->goid, life == WORD_LIVE ? lookup : 0);
	}
	return err;
}

/* Of one that runs each word counts. */
static int visit_running(struct ends *e, const struct memory_goroutine *g)
{
	const uint64_t size = MIN(g->stack_hi - g->stack_lo, (uint64_t)RUNNING_BYTES) & ~7ULL;
	int err = 0;

	if (g->stack_lo >= g->stack_hi || g->stack_hi % 8 ||
	    memory_read(e->s->r->pid, g->stack_hi - size, e->s->running, size)) {
		e->blind = true;
		return 0;
	}
	for (size_t i = 0; i < size / 8 && !err; i++)
		err = note_value(e, e->s->running[i], g->goid, 0);
	return err;
}

/* Who has deferred it is known already. */
static void note_deferred(struct ends *e, struct shut *shut)
{
	const struct wait_graph *g = e->s->g;
	const struct wait_object *object = &g->objects[shut->object];

	for (uint32_t k = 0; k < object->n_holders; k++) {
		struct wait_holder h = g->holders[object->holders + k];
		const uint32_t at = parked(g, h.goid);

		if (h.evidence != WAIT_BY_DEFER || at == shut->waiter)
			continue;
		if (at == ADDRESS_NONE || !shut->behind[at] || h.word != WAIT_WORD_MAPPED) {
			shut->open = true;
		} else if (shut->n_ends < ENDS_MAX) {
			h.awaits = true;
			shut->ends[shut->n_ends++] = h;
		}
	}
}

static int search_all(struct ends *e)
{
	const struct wait_reading *r = e->s->r;
	cleanup_free_ uint32_t *which = malloc((r->n + 1) * sizeof(*which));
	size_t n = 0;
	int err = which ? 0 : -ENOMEM;

	for (unsigned i = 0; i < e->n; i++)
		note_deferred(e, &e->shut[i]);
	for (uint32_t i = 0; i < r->n && !err; i++) {
		uint64_t sp;

		if (stack_used(&r->gs[i], &sp))
			which[n++] = i;
		else if (goroutine_is_running(&r->gs[i]))
			err = visit_running(e, &r->gs[i]);
	}
	return err ? err
		   : stack_copies(r->t, r->pid, r->bias, r->gs, which, n, STACK_COPY_MAX,
				  STACK_INNER, visit, e);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* They take the place of those who merely have a pointer to it. */
static int hand_out(struct ends *e)
{
	struct wait_graph *g = e->s->g;

	for (unsigned i = 0; i < e->n; i++) {
		const struct shut *shut = &e->shut[i];
		struct wait_object *object = &g->objects[shut->object];
		struct wait_holder *list;

		if (!shut->n_ends || shut->open || e->blind)
			continue;
		list = reallocarray(g->holders, g->n_holders + shut->n_ends, sizeof(*list));
		if (!list)
			return -ENOMEM;
		g->holders = list;
		memcpy(list + g->n_holders, shut->ends, shut->n_ends * sizeof(*list));
		object->holders = (uint32_t)g->n_holders;
		object->n_holders = shut->n_ends;
		g->n_holders += shut->n_ends;
	}
	return 0;
}

int search_ends(struct search *s)
{
	struct ends *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->s = s;
	err = find_shut(e);
	/* Without the heap's map nobody knows who can get at it. */
	if (!err && e->n && !s->heap && heap_read(s->r->t, s->r->pid, s->r->bias, &s->heap))
		e->blind = true;
	if (!err && e->n)
		err = find_parts(e);
	if (!err && e->n)
		err = search_all(e);
	if (!err)
		err = hand_out(e);
	for (unsigned i = 0; i < e->n; i++)
		free(e->shut[i].behind);
	free(e->parts);
	address_map_free(&e->by_object);
	address_map_free(&e->looked);
	free(e);
	return err;
}
