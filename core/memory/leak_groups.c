/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each goroutine waits for at most one other: the likely holder of the one object that it waits on.
 * So from anywhere one walk along these edges ends outside or in one cycle.
 */
#include "core/memory/leak_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/memory/leak_proof.h"

struct node {
	uint32_t next;   /* whom it waits for; LEAK_NONE */
	uint32_t holder; /* the evidence for that */
	uint32_t parent; /* union-find: the group's root */
	uint32_t order;  /* place in its cycle, from 1; 0: in none */
	bool proven, included, on_cycle, leads_to_cycle;
	bool reads;     /* `holder` says little, but reads() holds */
	uint8_t leads;  /* enum leads */
	uint8_t colour; /* of the walk: 0 not met, 1 on the way, 2 done */
};

/* By edges that are sure, to one that is proven? */
enum leads { NOT_ASKED, ON_THE_WAY, LEADS, LEADS_NOT };

struct making {
	const struct wait_graph *graph;
	struct node *nodes; /* one a goroutine */
	size_t n;
	const struct leak_suspects *before; /* NULL: suspects are told at once */
	struct leak_suspects now;           /* room for n */
};

static uint32_t index_of(const struct wait_graph *g, uint64_t goid)
{
	const struct wait_goroutine *w = wait_graph_goroutine(g, goid);

	return w ? (uint32_t)(w - g->goroutines) : LEAK_NONE;
}

static uint32_t only_object(const struct wait_graph *g, uint32_t i)
{
	const struct wait_goroutine *w = &g->goroutines[i];

	return w->why == WAIT_ON_OBJECTS && w->n_waits == 1 ? g->waits[w->waits].object : LEAK_NONE;
}

/* His code has taken this very lock, and nothing that it calls may have given it up. */
static bool took_it(const struct wait_holder *h)
{
	return (h->evidence == WAIT_BY_FRAME || h->evidence == WAIT_BY_OBJECT) &&
	       wait_holder_is_likely(h);
}

/* The better, the more: that a writer pends, which is a fact; a deferred call of somebody who does
 * not wait for it, of another who does, of the waiter himself, or that one's code took it who alone
 * may have it, or reads; then one of whom a frame has it, who does not wait, and is `needed`
 * (all_needed()). 0: says nothing. */
static int weight(const struct wait_holder *h, uint64_t goid, enum wait_how how, bool needed)
{
	if (h->evidence == WAIT_BY_PENDING_WRITER)
		return how == WAIT_READ && h->goid != goid ? 5 : 0;
	if (h->word != WAIT_WORD_MAPPED || h->unproven)
		return 0;
	if (h->awaits)
		return 3;
	if (h->evidence == WAIT_BY_DEFER &&
	    (h->section == WAIT_SECTION_NO || (h->section == WAIT_SECTION_MAYBE && !needed)))
		return 0;
	if (h->evidence == WAIT_BY_DEFER)
		return h->goid == goid ? 2 : h->waiter ? 3 : 4;
	if ((needed || how == WAIT_DRAIN) && took_it(h))
		return h->goid == goid ? 2 : h->waiter ? 3 : 4;
	return needed && !h->waiter && h->evidence == WAIT_BY_FRAME;
}

/* So many may hold it. A pending writer does not. */
static uint32_t count_holders(const struct wait_graph *g, const struct wait_object *o)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < o->n_holders; k++)
		n += g->holders[o->holders + k].evidence != WAIT_BY_PENDING_WRITER;
	return n;
}

/* Is there none among those who may hold it who could be left out? One; or as many readers as the
 * lock says that its pending writer waits for. */
static bool all_needed(const struct wait_graph *g, const struct wait_object *o, enum wait_how how)
{
	uint32_t n = count_holders(g, o);

	return n == 1 || (n && how == WAIT_DRAIN && o->kind == WAIT_RWMUTEX && o->state_known &&
			  o->lock.leaving > 0 && n <= (uint32_t)o->lock.leaving);
}

/* A writer waits for readers to leave, there is none more who may be one, and he and the writer are
 * out of everybody's reach: a reader all the same, whom his code does not show to be one. */
static bool reads(const struct making *m, uint32_t i, const struct wait_holder *h,
		  enum wait_how how, bool needed)
{
	uint32_t reader = index_of(m->graph, h->goid);

	return how == WAIT_DRAIN && needed && h->evidence != WAIT_BY_PENDING_WRITER &&
	       h->word == WAIT_WORD_MAPPED && h->section != WAIT_SECTION_NO && reader != i &&
	       reader != LEAK_NONE && m->nodes[i].proven && m->nodes[reader].proven;
}

static void find_next(struct making *m, uint32_t i)
{
	const struct wait_graph *g = m->graph;
	struct node *node = &m->nodes[i];
	uint32_t object = only_object(g, i);
	enum wait_how how;
	bool needed;
	int best = 0;

	node->next = node->holder = LEAK_NONE;
	if (object == LEAK_NONE)
		return;
	how = g->waits[g->goroutines[i].waits].how;
	needed = all_needed(g, &g->objects[object], how);
	for (uint32_t k = 0; k < g->objects[object].n_holders; k++) {
		uint32_t at = g->objects[object].holders + k;
		int w = weight(&g->holders[at], g->goroutines[i].goid, how, needed);
		uint32_t next = index_of(g, g->holders[at].goid);
		bool guess = !w && reads(m, i, &g->holders[at], how, needed);

		w += guess;
		if (w <= best || next == LEAK_NONE)
			continue;
		best = w;
		node->next = next;
		node->holder = at;
		node->reads = guess;
	}
}

static bool is_strong(const struct wait_holder *h)
{
	return (h->evidence == WAIT_BY_DEFER && wait_holder_is_likely(h)) ||
	       h->evidence == WAIT_BY_PENDING_WRITER || took_it(h);
}

static bool is_sure(const struct making *m, uint32_t i)
{
	const struct wait_holder *h = &m->graph->holders[m->nodes[i].holder];

	return is_strong(h) || h->section == WAIT_SECTION_YES;
}

/* His code has taken such a lock on every way, though maybe another one, or a function value has
 * given it up. */
static bool took_such(const struct wait_holder *h)
{
	return h->section >= WAIT_SECTION_LENT && h->word == WAIT_WORD_MAPPED;
}

/* Is each step of the cycle through `from` a fact, or told by a deferred call, or over a channel
 * that nobody has who does not wait for that? Where all of it is out of reach, a pointer in a frame
 * whose code has taken such a lock will do, or reads(). */
static bool cycle_is_strong(const struct making *m, uint32_t from)
{
	uint32_t at = from;

	do {
		if (!is_strong(&m->graph->holders[m->nodes[at].holder]) &&
		    !m->graph->holders[m->nodes[at].holder].awaits &&
		    !((is_sure(m, at) || m->nodes[at].reads ||
		       took_such(&m->graph->holders[m->nodes[at].holder])) &&
		      m->nodes[at].proven))
			return false;
		at = m->nodes[at].next;
	} while (at != from);
	return true;
}

/* One alone has a mutex, and he is not another of those who wait for it. */
static bool waits_for_one_mutex(const struct making *m, uint32_t from)
{
	uint32_t object = only_object(m->graph, from), at = m->nodes[from].next;

	if (at == from || m->graph->objects[object].kind != WAIT_MUTEX)
		return false;
	while (at != from && only_object(m->graph, at) == object)
		at = m->nodes[at].next;
	return at == from;
}

static struct leak_suspect suspect_of(const struct making *m, uint32_t i)
{
	const struct wait_graph *g = m->graph;
	const struct wait_goroutine *w = &g->goroutines[i];
	struct leak_suspect s = {
		.goid = w->goid,
		.sched_pc = w->sched_pc,
		.sched_sp = w->sched_sp,
		.object = g->objects[only_object(g, i)].address,
		.behind = g->goroutines[m->nodes[i].next].goid,
		.since_ns = g->begin_ns,
	};
	size_t k = FIRST_NOT_BELOW(m->before->list, m->before->n, goid, s.goid);

	if (k < m->before->n) {
		const struct leak_suspect *b = &m->before->list[k];

		if (b->goid == s.goid && b->sched_pc == s.sched_pc && b->sched_sp == s.sched_sp &&
		    b->object == s.object && b->behind == s.behind) {
			s.since_ns = b->since_ns;
			s.passes = b->passes;
		}
	}
	s.passes++;
	return s;
}

/* Where all are out of reach that was proven by as many passes. */
static bool has_lasted(struct making *m, uint32_t from)
{
	uint32_t at = from;
	bool proven = true, lasted = true;

	do {
		proven &= m->nodes[at].proven;
		at = m->nodes[at].next;
	} while (at != from);
	if (proven || !m->before)
		return true;
	do {
		struct leak_suspect s = suspect_of(m, at);

		lasted &= s.passes >= LEAK_PASSES && m->graph->end_ns - s.since_ns >= LEAK_SPAN_NS;
		m->now.list[m->now.n++] = s;
		at = m->nodes[at].next;
	} while (at != from);
	m->now.open |= !lasted;
	return lasted;
}

static void mark_cycle(struct making *m, uint32_t from)
{
	uint32_t order = 1, at = from;

	do {
		m->nodes[at].on_cycle = m->nodes[at].leads_to_cycle = true;
		m->nodes[at].order = order++;
		at = m->nodes[at].next;
	} while (at != from);
}

static void find_cycles(struct making *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t at = i;
		bool leads;

		while (at != LEAK_NONE && !m->nodes[at].colour) {
			m->nodes[at].colour = 1;
			at = m->nodes[at].next;
		}
		if (at != LEAK_NONE && m->nodes[at].colour == 1 && cycle_is_strong(m, at) &&
		    !waits_for_one_mutex(m, at) && has_lasted(m, at))
			mark_cycle(m, at);
		leads = at != LEAK_NONE && m->nodes[at].leads_to_cycle;
		for (at = i; at != LEAK_NONE && m->nodes[at].colour == 1; at = m->nodes[at].next) {
			m->nodes[at].colour = 2;
			m->nodes[at].leads_to_cycle |= leads;
		}
	}
}

/* Who waits for what a leaked one holds waits for ever, though what he waits on be in reach. */
static bool leads_to_proven(struct making *m, uint32_t from)
{
	uint32_t at = from;
	bool leads;

	while (at != LEAK_NONE && !m->nodes[at].proven && m->nodes[at].leads == NOT_ASKED) {
		m->nodes[at].leads = ON_THE_WAY;
		at = m->nodes[at].next != LEAK_NONE && is_sure(m, at) ? m->nodes[at].next
								      : LEAK_NONE;
	}
	leads = at != LEAK_NONE && (m->nodes[at].proven || m->nodes[at].leads == LEADS);
	for (at = from; at != LEAK_NONE && m->nodes[at].leads == ON_THE_WAY; at = m->nodes[at].next)
		m->nodes[at].leads = leads ? LEADS : LEADS_NOT;
	return m->nodes[from].leads == LEADS;
}

static uint32_t root(struct making *m, uint32_t i)
{
	while (m->nodes[i].parent != i) {
		m->nodes[i].parent = m->nodes[m->nodes[i].parent].parent;
		i = m->nodes[i].parent;
	}
	return i;
}

static void unite(struct making *m, uint32_t a, uint32_t b)
{
	a = root(m, a);
	b = root(m, b);
	m->nodes[MAX(a, b)].parent = MIN(a, b);
}

/* Those who wait on one object belong together, and who waits with whom he waits for. */
static void unite_all(struct making *m)
{
	const struct wait_graph *g = m->graph;

	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t next = m->nodes[i].next;

		if (m->nodes[i].included && next != LEAK_NONE && m->nodes[next].included)
			unite(m, i, next);
	}
	for (size_t o = 0; o < g->n_objects; o++) {
		uint32_t first = LEAK_NONE;

		for (uint32_t k = 0; k < g->objects[o].n_waits; k++) {
			uint32_t i = wait_graph_waiter(g, &g->objects[o], k)->goroutine;

			if (!m->nodes[i].included)
				continue;
			if (first == LEAK_NONE)
				first = i;
			else
				unite(m, first, i);
		}
	}
}

static int by_group_and_rank(const void *a, const void *b, void *ctx)
{
	struct making *m = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint32_t rx = root(m, x), ry = root(m, y);
	const struct node *nx = &m->nodes[x], *ny = &m->nodes[y];

	if (rx != ry)
		return rx < ry ? -1 : 1;
	if (nx->order != ny->order) /* those of the cycle first, in its order */
		return (nx->order ? nx->order : UINT32_MAX) < (ny->order ? ny->order : UINT32_MAX)
			       ? -1
			       : 1;
	return x < y ? -1 : x > y;
}

static bool waits_in_group(const struct making *m, uint32_t i)
{
	uint32_t next = m->nodes[i].next;

	return next != LEAK_NONE && m->nodes[next].included;
}

static enum leak_kind kind_of(const struct making *m, uint32_t culprit)
{
	switch (m->graph->goroutines[culprit].why) {
	case WAIT_NIL_RECEIVE:
	case WAIT_NIL_SEND:
	case WAIT_NO_CASES:
		return LEAK_NEVER;
	default:
		break;
	}
	if (!m->nodes[culprit].on_cycle)
		return LEAK_ORPHAN;
	return m->nodes[culprit].next == culprit ? LEAK_SELF : LEAK_CYCLE;
}

/* The only one who may hold what somebody waits on, in the group or not. */
static uint32_t only_holder(const struct making *m, uint32_t i)
{
	uint32_t object = only_object(m->graph, i);
	const struct wait_object *o = object == LEAK_NONE ? NULL : &m->graph->objects[object];

	for (uint32_t k = 0; o && count_holders(m->graph, o) == 1 && k < o->n_holders; k++)
		if (m->graph->holders[o->holders + k].evidence != WAIT_BY_PENDING_WRITER)
			return o->holders + k;
	return LEAK_NONE;
}

static bool is_culprit(const struct making *m, uint32_t i, bool cycle)
{
	return cycle ? m->nodes[i].on_cycle : !waits_in_group(m, i);
}

/* The members of one group, `n` of them at `list`: culprits first. */
static void add_group(struct making *m, const uint32_t *list, uint32_t n, struct leak_groups *ret)
{
	struct leak_group *group = &ret->groups[ret->n++];
	bool cycle = m->nodes[list[0]].on_cycle, any = false;

	for (uint32_t k = 0; k < n; k++)
		any |= is_culprit(m, list[k], cycle);
	*group = (struct leak_group){.first = (uint32_t)ret->n_members, .n = n, .proven = true};
	for (int victims = 0; victims < 2; victims++) {
		for (uint32_t k = 0; k < n; k++) {
			uint32_t i = list[k];
			const struct node *node = &m->nodes[i];
			/* A cycle of guesses has none who stands out. */
			bool culprit = !any || is_culprit(m, i, cycle);

			if (culprit == !!victims)
				continue;
			group->culprits += culprit;
			group->proven &= node->proven || !culprit;
			ret->members[ret->n_members++] = (struct leak_member){
				.goroutine = i,
				.culprit = culprit,
				.proven = node->proven,
				.object = only_object(m->graph, i),
				.waits_for = waits_in_group(m, i) ? node->next : LEAK_NONE,
				.holder = waits_in_group(m, i) ? node->holder : only_holder(m, i),
			};
		}
	}
	group->kind = kind_of(m, ret->members[group->first].goroutine);
}

static int by_goid(const void *a, const void *b)
{
	const struct leak_suspect *x = a, *y = b;

	return (x->goid > y->goid) - (x->goid < y->goid);
}

static int by_size(const void *a, const void *b)
{
	const struct leak_group *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int collect(struct making *m, struct leak_groups *ret)
{
	cleanup_free_ uint32_t *list = calloc(m->n + 1, sizeof(*list));
	size_t n = 0;

	ret->groups = calloc(m->n + 1, sizeof(*ret->groups));
	ret->members = calloc(m->n + 1, sizeof(*ret->members));
	if (!list || !ret->groups || !ret->members)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n; i++)
		if (m->nodes[i].included)
			list[n++] = i;
	qsort_r(list, n, sizeof(*list), by_group_and_rank, m);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && root(m, list[end]) == root(m, list[i]);)
			end++;
		add_group(m, list + i, (uint32_t)(end - i), ret);
	}
	qsort(ret->groups, ret->n, sizeof(*ret->groups), by_size);
	return 0;
}

int leak_groups_make(const struct wait_graph *graph, const uint64_t *proven, size_t n,
		     struct leak_suspects *before, struct leak_groups *ret)
{
	struct making m = {.graph = graph, .n = graph->n_goroutines, .before = before};
	int err;

	*ret = (struct leak_groups){0};
	m.nodes = calloc(m.n + 1, sizeof(*m.nodes));
	m.now.list = calloc(m.n + 1, sizeof(*m.now.list));
	if (!m.nodes || !m.now.list) {
		free(m.nodes);
		free(m.now.list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t at = index_of(graph, proven[i]);

		if (at != LEAK_NONE)
			m.nodes[at].proven = true;
	}
	for (uint32_t i = 0; i < m.n; i++) {
		m.nodes[i].parent = i;
		find_next(&m, i);
	}
	find_cycles(&m);
	for (uint32_t i = 0; i < m.n; i++)
		m.nodes[i].included =
			m.nodes[i].proven || m.nodes[i].leads_to_cycle || leads_to_proven(&m, i);
	unite_all(&m);
	err = collect(&m, ret);
	free(m.nodes);
	if (before) {
		qsort(m.now.list, m.now.n, sizeof(*m.now.list), by_goid);
		leak_suspects_done(before);
		*before = m.now;
	} else {
		leak_suspects_done(&m.now);
	}
	return err;
}

void leak_suspects_done(struct leak_suspects *s)
{
	free(s->list);
	*s = (struct leak_suspects){0};
}

void leak_groups_done(struct leak_groups *g)
{
	free(g->groups);
	free(g->members);
	*g = (struct leak_groups){0};
}
