/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/memory/leak_proof.h"

#include <errno.h>
#include <stdlib.h>

struct named {
	struct parked_goroutine park;
	uint64_t first_ns; /* begin of the first pass that named it so */
	unsigned passes;   /* in a row up to now; 0: the last one did not name it */
	unsigned needed;   /* LEAK_PASSES or more */
	unsigned unnamed;  /* passes since it was named */
	unsigned often;    /* passes that named it so, in all */
};

#define REMEMBERED 1000 /* passes */
#define STEADY     (LEAK_PASSES / 2)
#define ABSENT     3 /* passes that did not name it: it went on, or is in reach after all */

struct busy {
	uint64_t goid;
	unsigned passes; /* in a row in which it ran */
};

struct leak_proof {
	struct named *list; /* by goid */
	size_t n, n_named;
	uint64_t *proven;
	size_t n_proven;
	struct busy *busy; /* by goid: who ran in the last pass */
	size_t n_busy;
	size_t restless; /* of those, who ran in each of the last LEAK_PASSES */
};

int leak_proof_new(struct leak_proof **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void leak_proof_free(struct leak_proof *p)
{
	if (!p)
		return;
	free(p->list);
	free(p->proven);
	free(p->busy);
	free(p);
}

static bool is_same(const struct parked_goroutine *a, const struct parked_goroutine *b)
{
	return a->goid == b->goid && a->sched_pc == b->sched_pc && a->sched_sp == b->sched_sp;
}

static bool is_proven(const struct named *n, const struct unreachable *pass, size_t restless)
{
	if (n->park.marked)
		return true;
	return !restless && n->passes >= n->needed && pass->end_ns - n->first_ns >= LEAK_SPAN_NS;
}

static void note_busy(const struct leak_proof *p, const struct unreachable *pass,
		      struct leak_proof *next)
{
	size_t before = 0;

	for (size_t i = 0; i < pass->n_running; i++) {
		struct busy *b = &next->busy[next->n_busy++];

		*b = (struct busy){pass->running[i], 1};
		while (before < p->n_busy && p->busy[before].goid < b->goid)
			before++;
		if (before < p->n_busy && p->busy[before].goid == b->goid)
			b->passes += p->busy[before].passes;
		next->restless += b->passes >= LEAK_PASSES;
	}
}

/* It was named before, and is not now: it was met, or it went away. False: long ago. */
static bool keep_unnamed(struct named *n)
{
	if (n->passes)
		n->needed = MIN(n->needed * 2, (unsigned)LEAK_PASSES_MAX);
	n->passes = 0;
	return ++n->unnamed < REMEMBERED;
}

static struct named name_again(const struct named *before, const struct parked_goroutine *park,
			       uint64_t now_ns)
{
	if (!before || !is_same(&before->park, park))
		return (struct named){*park, now_ns, 1, LEAK_PASSES, 0, 1};
	return (struct named){*park,
			      before->passes ? before->first_ns : now_ns,
			      before->passes + 1,
			      before->needed,
			      0,
			      before->often + 1};
}

int leak_proof_add(struct leak_proof *p, const struct unreachable *pass)
{
	struct leak_proof next = {.list = calloc(p->n + pass->n + 1, sizeof(*next.list)),
				  .proven = calloc(pass->n + 1, sizeof(*next.proven)),
				  .busy = calloc(pass->n_running + 1, sizeof(*next.busy)),
				  .n_named = pass->n};
	size_t before = 0;

	if (!next.list || !next.proven || !next.busy) {
		free(next.list);
		free(next.proven);
		free(next.busy);
		return -ENOMEM;
	}
	note_busy(p, pass, &next);
	for (size_t i = 0; i <= pass->n; i++) {
		const struct parked_goroutine *park = i < pass->n ? &pass->list[i] : NULL;
		const struct named *same = NULL;

		for (; before < p->n && (!park || p->list[before].park.goid < park->goid); before++)
			if (keep_unnamed(&p->list[before]))
				next.list[next.n++] = p->list[before];
		if (!park)
			break;
		if (before < p->n && p->list[before].park.goid == park->goid)
			same = &p->list[before++];
		next.list[next.n++] = name_again(same, park, pass->begin_ns);
		if (is_proven(&next.list[next.n - 1], pass, next.restless))
			next.proven[next.n_proven++] = park->goid;
	}
	free(p->list);
	free(p->proven);
	free(p->busy);
	*p = next;
	return 0;
}

size_t leak_proof_open(const struct leak_proof *p)
{
	return p->n_named - p->n_proven;
}

size_t leak_proof_steady(const struct leak_proof *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += (p->list[i].park.marked || p->list[i].often >= STEADY) &&
		     p->list[i].unnamed < ABSENT;
	return n - p->n_proven; /* each of them is */
}

size_t leak_proof_restless(const struct leak_proof *p)
{
	return p->restless;
}

const uint64_t *leak_proof_goids(const struct leak_proof *p, size_t *ret_n)
{
	*ret_n = p->n_proven;
	return p->proven;
}
