/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marks from everything that can run; a candidate whose object was reached can run, too, so that
 * what it holds is marked, and so on until nothing changes. Then, as the process has run on, who
 * runs is asked again, and what these hold by now is marked, before those that are left are named.
 */
#include "core/memory/unreachable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/memory/roots.h"

#define PACE_BYTES (64u << 20)
#define MAIN_GOID  1

struct candidate {
	struct parked_goroutine park;
	const struct wait_goroutine *waits;
	bool runs; /* its object was reached, or it is no longer parked there */
	struct memory_goroutine g;
};

struct ids {
	uint64_t *list;
	size_t n, size;
};

struct pass {
	const struct target *t;
	pid_t pid;
	uint64_t bias;
	const struct wait_graph *graph;
	const struct unreachable_pace *pace;
	struct heap *heap;
	struct reach *reach;
	struct stack_live *live; /* NULL: all words of stacks count */
	uint64_t by_words;
	struct weak_pointers weak;
	struct candidate *list; /* by goid */
	size_t n;
	struct ids running; /* both times: not sorted, some twice */
};

static void pass_done(struct pass *p)
{
	reach_free(p->reach);
	stack_live_free(p->live);
	roots_weak_done(&p->weak);
	heap_free(p->heap);
	free(p->list);
	free(p->running.list);
}
#define cleanup_pass_done_ __attribute__((cleanup(pass_done)))

/* Can only another goroutine's doing end this wait? */
static bool is_candidate(const struct pass *p, const struct wait_goroutine *w)
{
	const struct wait_graph *g = p->graph;

	if (w->marked || w->why == WAIT_NIL_RECEIVE || w->why == WAIT_NIL_SEND ||
	    w->why == WAIT_NO_CASES)
		return true;
	if (w->why != WAIT_ON_OBJECTS)
		return false;
	for (uint32_t i = 0; i < w->n_waits; i++) {
		const struct wait_object *o = &g->objects[g->waits[w->waits + i].object];

		/* What is not in the heap is a variable, which anybody may use. */
		if (o->kind == WAIT_POLL ||
		    (o->kind == WAIT_CHAN && o->chan.timer && !o->chan.stopped) ||
		    !heap_span_at(p->heap, o->address))
			return false;
	}
	return true;
}

static int list_candidates(struct pass *p)
{
	p->list = calloc(p->graph->n_goroutines + 1, sizeof(*p->list));
	if (!p->list)
		return -ENOMEM;
	for (size_t i = 0; i < p->graph->n_goroutines; i++) {
		const struct wait_goroutine *w = &p->graph->goroutines[i];

		/* One that was not met again is nobody's root, and named by nobody. */
		if (is_candidate(p, w))
			p->list[p->n++] = (struct candidate){
				.park = {w->goid, w->sched_pc, w->sched_sp, w->marked},
				.waits = w,
				.runs = true,
			};
	}
	return 0;
}

static struct candidate *find(const struct pass *p, uint64_t goid)
{
	size_t i = FIRST_NOT_BELOW(p->list, p->n, park.goid, goid);

	return i < p->n && p->list[i].park.goid == goid ? &p->list[i] : NULL;
}

static bool is_same_park(const struct candidate *c, const struct memory_goroutine *g)
{
	return c->park.sched_pc == g->sched_pc && c->park.sched_sp == g->sched_sp &&
	       goroutine_is_parked(g);
}

static int mark(struct pass *p)
{
	uint64_t bytes = p->pace && p->pace->bytes ? p->pace->bytes : PACE_BYTES;
	int err;

	while ((err = reach_run(p->reach, bytes)) == 1) {
		if (p->pace && p->pace->fn && (err = p->pace->fn(p->pace->ctx)))
			return err;
	}
	return err;
}

static bool is_woken(const struct pass *p, const struct candidate *c)
{
	for (uint32_t i = 0; i < c->waits->n_waits; i++) {
		const struct wait_edge *e = &p->graph->waits[c->waits->waits + i];

		if (reach_is_reached(p->reach, p->graph->objects[e->object].address))
			return true;
	}
	return false;
}

static int add_stack(struct pass *p, const struct memory_goroutine *g)
{
	return roots_goroutine(p->reach, p->t, g, p->live, &p->by_words);
}

/* Until nothing changes: who can be woken holds what its stack holds. */
static int mark_to_the_end(struct pass *p)
{
	bool changed = true;
	int err = mark(p);

	while (!err && changed) {
		changed = false;
		for (size_t i = 0; i < p->n && !err; i++) {
			struct candidate *c = &p->list[i];

			if (c->runs || !is_woken(p, c))
				continue;
			c->runs = changed = true;
			err = add_stack(p, &c->g);
		}
		changed |= roots_weak(p->reach, &p->weak);
		if (!err && changed)
			err = mark(p);
	}
	return err;
}

static int note_running(struct ids *ids, uint64_t goid)
{
	if (ids->n == ids->size) {
		size_t size = ids->size ? ids->size * 2 : 64;
		uint64_t *list = reallocarray(ids->list, size, sizeof(*list));

		if (!list)
			return -ENOMEM;
		ids->list = list;
		ids->size = size;
	}
	ids->list[ids->n++] = goid;
	return 0;
}

/* The records of all goroutines: also those of dead ones, which lead to each other, and whose
 * stacks end where an object may begin. */
static int hide_records(struct pass *p)
{
	cleanup_free_ uint64_t *records = NULL;
	size_t n;
	int err = memory_goroutine_records(p->t, p->pid, p->bias, &records, &n);

	for (size_t i = 0; !err && i < n; i++)
		reach_opaque(p->reach, records[i]);
	return err;
}

/* The goroutines as they are now. At first who is parked as the graph says is a candidate; later
 * who is no longer is none. */
static int add_goroutines(struct pass *p, bool first)
{
	cleanup_free_ struct memory_goroutine *gs = NULL;
	bool cut = false;
	size_t n;
	int err = memory_goroutines(p->t, p->pid, p->bias, &gs, &n, &cut);

	if (err)
		return err;
	if (cut) /* there are roots that we do not see */
		return -E2BIG;
	if (first)
		err = hide_records(p);
	for (size_t i = 0; i < n && !err; i++) {
		struct candidate *c = find(p, gs[i].goid);

		if (c && is_same_park(c, &gs[i]) && (first || !c->runs)) {
			c->runs = false;
			c->g = gs[i];
			continue;
		}
		if (c) {
			c->runs = true;
			c->park.marked &= is_same_park(c, &gs[i]);
		}
		err = goroutine_is_running(&gs[i]) ? note_running(&p->running, gs[i].goid) : 0;
		if (!err)
			err = add_stack(p, &gs[i]);
	}
	return err;
}

static int run(struct pass *p, struct unreachable *ret)
{
	int procs, err = reach_new(p->heap, p->pid, &p->reach);

	if (!err && !(p->pace && p->pace->whole_stacks))
		err = stack_live_new(p->t, p->pid, p->bias, &p->live);
	if (!err)
		err = list_candidates(p);
	if (err)
		return err;
	ret->candidates = p->n;
	if (!p->n) /* nobody to ask about */
		return 0;
	for (size_t i = 0; i < p->graph->n_sudogs; i++)
		reach_opaque(p->reach, p->graph->sudogs[i]);
	procs = roots_procs(p->reach, p->t, p->pid, p->bias);
	if (procs < 0)
		return procs;
	ret->procs = (unsigned)procs;
	err = add_goroutines(p, true);
	for (int round = 0; round < 2 && !err; round++) {
		p->by_words = 0; /* in the second round all are asked again */
		err = roots_variables(p->reach, p->t, p->pid, p->bias, &ret->modules);
		roots_weak_done(&p->weak);
		if (!err)
			err = roots_specials(p->reach, p->t, p->pid, &p->weak);
		if (!err)
			err = roots_queues(p->reach, p->t, p->pid, p->bias);
		if (!err && round)
			err = add_goroutines(p, false);
		if (!err)
			err = mark_to_the_end(p);
	}
	return err;
}

/* A program whose work is done by others parks its main goroutine for good: meant, no leak, as in
 * Go's own profile (golang/go#78922). What only its stack refers to is out of reach all the same.
 */
static bool is_meant(const struct candidate *c)
{
	return c->park.goid == MAIN_GOID && c->waits->why == WAIT_NO_CASES;
}

/* What the collector has marked that it has found with the program stopped, by all pointers. */
static bool is_named(const struct candidate *c)
{
	return (c->park.marked && c->g.goid) || (!c->runs && !is_meant(c));
}

static void take_running(struct pass *p, struct unreachable *ret)
{
	ret->running = p->running.list;
	ret->n_running = sort_unique_u64(p->running.list, p->running.n);
	p->running = (struct ids){0};
}

static int take(struct pass *p, struct unreachable *ret)
{
	take_running(p, ret);
	ret->reach = reach_stats(p->reach);
	ret->by_words = p->by_words;
	ret->list = calloc(p->n + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++)
		if (is_named(&p->list[i]))
			ret->list[ret->n++] = p->list[i].park;
	return 0;
}

int memory_unreachable(const struct target *t, pid_t pid, uint64_t bias,
		       const struct wait_graph *graph, const struct unreachable_pace *pace,
		       struct unreachable *ret)
{
	struct pass p cleanup_pass_done_ = {
		.t = t, .pid = pid, .bias = bias, .graph = graph, .pace = pace};
	int err;

	*ret = (struct unreachable){.begin_ns = monotonic_ns()};
	err = heap_read(t, pid, bias, &p.heap);
	if (err)
		return err;
	ret->heap_bytes = p.heap->bytes;
	ret->spans_skipped = p.heap->skipped;
	err = run(&p, ret);
	if (!err)
		err = take(&p, ret);
	ret->end_ns = monotonic_ns();
	return err;
}

void unreachable_done(struct unreachable *u)
{
	free(u->list);
	free(u->running);
	u->list = NULL;
	u->running = NULL;
	u->n = u->n_running = 0;
}
