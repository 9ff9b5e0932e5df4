/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/memory/leak_proof.h"

#include <errno.h>
#include <stdlib.h>

struct named {
	struct parked_goroutine park;
	uint64_t first_ns; /* begin of the first pass that named it so */
	unsigned passes;
};

struct leak_proof {
	struct named *list; /* by goid */
	size_t n;
	uint64_t *proven;
	size_t n_proven;
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
	free(p);
}

static bool is_same(const struct parked_goroutine *a, const struct parked_goroutine *b)
{
	return a->goid == b->goid && a->sched_pc == b->sched_pc && a->sched_sp == b->sched_sp;
}

static bool is_proven(const struct named *n, const struct unreachable *pass)
{
	return n->passes >= LEAK_PASSES && pass->end_ns - n->first_ns >= LEAK_SPAN_NS;
}

int leak_proof_add(struct leak_proof *p, const struct unreachable *pass)
{
	struct named *list = calloc(pass->n + 1, sizeof(*list));
	uint64_t *proven = calloc(pass->n + 1, sizeof(*proven));
	size_t n_proven = 0, before = 0;

	if (!list || !proven) {
		free(list);
		free(proven);
		return -ENOMEM;
	}
	for (size_t i = 0; i < pass->n; i++) {
		const struct parked_goroutine *park = &pass->list[i];

		list[i] = (struct named){*park, pass->begin_ns, 1};
		while (before < p->n && p->list[before].park.goid < park->goid)
			before++;
		if (before < p->n && is_same(&p->list[before].park, park)) {
			list[i].first_ns = p->list[before].first_ns;
			list[i].passes = p->list[before].passes + 1;
		}
		if (is_proven(&list[i], pass))
			proven[n_proven++] = park->goid;
	}
	free(p->list);
	free(p->proven);
	*p = (struct leak_proof){list, pass->n, proven, n_proven};
	return 0;
}

size_t leak_proof_open(const struct leak_proof *p)
{
	return p->n - p->n_proven;
}

const uint64_t *leak_proof_goids(const struct leak_proof *p, size_t *ret_n)
{
	*ret_n = p->n_proven;
	return p->proven;
}
