/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A reading of a process's goroutines, against the model once every event of the reading was
 * applied. Each goroutine that differs is either explained, remembered, or, when it was remembered
 * before, confirmed. See audit.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/audit_internal.h"
#include "core/model/walk.h"

#define NOT_READ UINT32_MAX

struct comparison {
	struct model *model;
	const struct watched *w;
	struct reading *r;
	struct differences *next;
	struct audit *result;
	int err;
};

static bool reason_is(struct comparison *c, uint32_t reason_id, const char *text)
{
	return !strcmp(names_string(model_names(c->model), reason_id), text);
}

/*
 * Changes of state that pass no probe in any release: the collector stops a goroutine where it
 * runs; iter.Pull changes between a coroutine and its caller; one that was found leaked comes alive
 * again. Where this binary has no texts of reasons, a wait of its own cannot be told from the
 * first.
 */
static bool cannot_be_seen(struct comparison *c, const struct goroutine *g,
			   const struct goroutine_seen *seen, uint8_t state)
{
	if (state == GSTATE_PREEMPTED)
		return true;
	if (g->state == GSTATE_WAITING && reason_is(c, g->reason_id, "coroutine"))
		return true;
	if (state != GSTATE_WAITING)
		return false;
	return g->state == GSTATE_LEAKED ||
	       (g->state == GSTATE_RUNNING &&
		(!seen->reason_id || reason_is(c, seen->reason_id, "preempted") ||
		 reason_is(c, seen->reason_id, "coroutine")));
}

/* --- what differed before ----------------------------------------------------------------- */

static int by_goid(const void *a, const void *b)
{
	uint64_t x = ((const struct difference *)a)->is.goid;
	uint64_t y = ((const struct difference *)b)->is.goid;

	return (x > y) - (x < y);
}

static const struct difference *met_before(const struct comparison *c, const struct difference *d)
{
	const struct differences *open = &c->w->open;
	const struct difference *before =
		open->n ? bsearch(d, open->list, open->n, sizeof(*d), by_goid) : NULL;

	return before && before->is.kind == d->is.kind && before->model_ns == d->model_ns ? before
											  : NULL;
}

static void tell(struct comparison *c, const struct difference *d, bool first)
{
	struct audit *a = c->result;

	a->now[d->is.kind]++;
	if (!first)
		return;
	a->total[d->is.kind]++;
	/* The newest are kept. */
	if (a->n_examples == AUDIT_EXAMPLES) {
		memmove(a->examples, a->examples + 1, sizeof(a->examples) - sizeof(a->examples[0]));
		a->n_examples--;
	}
	a->examples[a->n_examples++] = d->is;
}

static void differ(struct comparison *c, struct difference d)
{
	const struct difference *before = met_before(c, &d);
	struct differences *next = c->next;

	d.is.since_ns = before ? before->is.since_ns : c->r->begun_ns;
	d.cpu_ns = before ? before->cpu_ns : c->r->cpu_ns;
	d.confirmed = before && (before->confirmed || !d.patient ||
				 (c->r->begun_ns - d.is.since_ns >= PATIENCE_NS &&
				  c->r->cpu_ns - d.cpu_ns >= RAN_NS));
	if (next->n == next->cap) {
		size_t cap = next->cap ? next->cap * 2 : 64;
		struct difference *list = reallocarray(next->list, cap, sizeof(*list));

		if (!list) {
			c->err = -ENOMEM;
			return;
		}
		next->list = list;
		next->cap = cap;
	}
	next->list[next->n++] = d;
	if (d.confirmed)
		tell(c, &d, !before->confirmed);
	else
		c->result->unconfirmed++;
}

/* --- one goroutine ------------------------------------------------------------------------ */

static const struct goroutine_seen *find_seen(const struct comparison *c, uint64_t goid)
{
	size_t i = FIRST_NOT_BELOW(c->r->seen, c->r->n, goid, goid);

	return i < c->r->n && c->r->seen[i].goid == goid ? &c->r->seen[i] : NULL;
}

static bool runs(const struct comparison *c, uint64_t goid)
{
	const struct goroutine_seen *seen = find_seen(c, goid);

	return seen && walk_fold(seen->state) == GSTATE_RUNNING;
}

/* Told of, and its thread has not come to it: the creator runs, the C thread is about to come in.
 */
static bool is_being_made(const struct comparison *c, const struct goroutine *g)
{
	return g->state_since_ns == g->created_ns && !(g->flags & GOROUTINE_FOUND) &&
	       (g->flags & GOROUTINE_CGO || runs(c, g->parent));
}

static void compare_missing(struct comparison *c, const struct goroutine *g)
{
	if (!c->r->complete || !c->r->now.exits)
		return;
	/* A C thread comes and goes by state changes alone. */
	if (g->flags & GOROUTINE_CGO && !c->r->now.states)
		return;
	differ(c, (struct difference){
			  .is = {.goid = g->goid,
				 .kind = AUDIT_EXIT,
				 .memory = GSTATE_DEAD,
				 .events = g->flags & GOROUTINE_STATE_UNKNOWN ? GSTATES : g->state},
			  .model_ns = g->state_since_ns,
			  .patient = is_being_made(c, g),
			  .seen = NOT_READ,
		  });
}

static void compare_state(struct comparison *c, const struct goroutine *g,
			  const struct goroutine_seen *seen)
{
	uint8_t state = walk_fold(seen->state);

	if (g->flags & GOROUTINE_STATE_UNKNOWN || !c->r->now.states)
		c->result->unknown++;
	else if (g->state == state)
		c->result->agree++;
	else if (cannot_be_seen(c, g, seen, state))
		c->result->unseen++;
	else
		differ(c, (struct difference){
				  .is = {.goid = g->goid,
					 .kind = AUDIT_STATE,
					 .memory = state,
					 .events = g->state},
				  .model_ns = g->state_since_ns,
				  .patient = state == g->state_before,
				  .seen = (uint32_t)(seen - c->r->seen),
			  });
}

static void compare_ended(struct comparison *c, const struct goroutine *g,
			  const struct goroutine_seen *seen)
{
	/* What a reading ended, or a C thread's, another reading revives. */
	if (g->exited_ns >= c->r->begun_ns || !c->r->now.exits ||
	    g->flags & (GOROUTINE_EXIT_READ | GOROUTINE_CGO))
		return;
	differ(c, (struct difference){
			  .is = {.goid = g->goid,
				 .kind = AUDIT_ALIVE,
				 .memory = walk_fold(seen->state),
				 .events = GSTATE_DEAD},
			  .model_ns = g->exited_ns,
			  .patient = true,
			  .seen = (uint32_t)(seen - c->r->seen),
		  });
}

static void compare_one(struct comparison *c, const struct goroutine *g)
{
	const struct goroutine_seen *seen = find_seen(c, g->goid);
	uint64_t begun = c->r->begun_ns;
	bool ended = g->flags & GOROUTINE_EXITED;

	if (seen)
		c->r->met[seen - c->r->seen] = true;
	if (ended) {
		if (seen)
			compare_ended(c, g, seen);
		return;
	}
	c->result->in_model++;
	if (!(g->flags & GOROUTINE_STATE_UNKNOWN))
		c->result->model_states[g->state]++;
	if (g->last_event_ns >= begun || g->state_since_ns >= begun || g->created_ns >= begun)
		c->result->moved++;
	else if (seen)
		compare_state(c, g, seen);
	else
		compare_missing(c, g);
}

static void compare_unmet(struct comparison *c, uint32_t i)
{
	const struct goroutine_seen *seen = &c->r->seen[i];

	if (!c->r->now.creations || (!c->r->now.states && !seen->start_func_id))
		return;
	differ(c, (struct difference){
			  .is = {.goid = seen->goid,
				 .kind = AUDIT_CREATION,
				 .memory = walk_fold(seen->state),
				 .events = GSTATE_DEAD},
			  .seen = i,
		  });
}

int audit_compare(struct model *m, const struct watched *w, struct reading *r,
		  struct differences *next, struct audit *result)
{
	struct model_which which = {.exited = true};
	struct comparison c = {.model = m, .w = w, .r = r, .next = next, .result = result};
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	int err;

	r->met = calloc(r->n + 1, sizeof(*r->met));
	err = r->met ? model_pass_new(m, r->proc, &which, &pass) : -ENOMEM;

	if (err)
		return err;
	result->in_memory = r->n;
	for (size_t i = 0; i < r->n; i++)
		result->memory_states[walk_fold(r->seen[i].state)]++;
	while ((g = model_pass_next(pass)))
		compare_one(&c, g);
	for (size_t i = 0; i < r->n; i++) {
		if (!r->met[i])
			compare_unmet(&c, (uint32_t)i);
	}
	if (next->n)
		qsort(next->list, next->n, sizeof(*next->list), by_goid);
	return c.err;
}

void audit_heal(struct model *m, const struct reading *r, const struct differences *found)
{
	cleanup_free_ struct goroutine_seen *seen = calloc(found->n + 1, sizeof(*seen));
	cleanup_free_ uint64_t *gone = calloc(found->n + 1, sizeof(*gone));
	size_t n_seen = 0, n_gone = 0;

	if (!seen || !gone)
		return;
	for (size_t i = 0; i < found->n; i++) {
		const struct difference *d = &found->list[i];

		if (!d->confirmed)
			continue;
		if (d->seen == NOT_READ)
			gone[n_gone++] = d->is.goid;
		else
			seen[n_seen++] = r->seen[d->seen];
	}
	if (n_seen)
		model_heal(m, r->proc, seen, n_seen, r->begun_ns, false);
	if (n_gone)
		model_heal_missing(m, r->proc, gone, n_gone, r->begun_ns);
}

void audit_refresh(struct model *m, const struct reading *r)
{
	cleanup_free_ struct goroutine_seen *seen = calloc(r->n + 1, sizeof(*seen));
	size_t n = 0;

	for (size_t i = 0; i < r->n && seen; i++) {
		if (r->met[i] || !r->now.creations)
			seen[n++] = r->seen[i];
	}
	if (seen)
		model_heal(m, r->proc, seen, n, r->begun_ns, r->complete && !r->now.exits);
}
