/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See problem_memory.h. */
#include "core/view/problems/problem_memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/view/problems/problems.h"

#define KEPT 64

struct kept {
	unsigned proc;
	struct problem p; /* as it was seen last, with how severe it has been */
	uint64_t seen_ns; /* 0: the place is free */
	uint64_t severe_ns;
};

struct last_look {
	unsigned proc;
	uint64_t ns; /* 0: the place is free */
};

struct problem_memory {
	pthread_mutex_t lock;
	struct kept list[KEPT]; /* protected by lock, as the next */
	struct last_look looks[KEPT];
};

int problem_memory_new(struct problem_memory **ret)
{
	struct problem_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	pthread_mutex_init(&m->lock, NULL);
	*ret = m;
	return 0;
}

static void forget(struct kept *k)
{
	buf_free(&k->p.text);
	*k = (struct kept){.seen_ns = 0};
}

void problem_memory_free(struct problem_memory *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < KEPT; i++)
		forget(&m->list[i]);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Of growth only how severe it was is kept. */
static bool is_kept(enum problem_kind kind)
{
	return problem_rules[kind].stays_ns || kind == PROBLEM_GROWING;
}

/* A lock is waited for in several places: which of them has most changes. */
static bool is_same(const struct problem *a, const struct problem *b)
{
	if (a->kind != b->kind || a->object != b->object)
		return false;
	return a->object || problem_rules[a->kind].same == SAME_KIND ||
	       !strcmp(a->function, b->function);
}

/* Where it is, or the place of what was seen longest ago. */
static struct kept *place_of(struct problem_memory *m, unsigned proc, const struct problem *p)
{
	struct kept *oldest = &m->list[0];

	for (unsigned i = 0; i < KEPT; i++) {
		struct kept *k = &m->list[i];

		if (k->seen_ns && k->proc == proc && is_same(&k->p, p))
			return k;
		if (k->seen_ns < oldest->seen_ns)
			oldest = k;
	}
	forget(oldest);
	return oldest;
}

static void keep(struct problem_memory *m, const struct scene *s, struct problem *p)
{
	struct kept *k = place_of(m, s->proc, p);
	uint64_t severe_ns = s->now;
	struct buf text = BUF_INIT;

	/* A warning that becomes a notice says something else. */
	if (k->seen_ns && k->p.severity == PROBLEM_CRITICAL && p->severity < PROBLEM_CRITICAL) {
		p->severity = k->p.severity;
		severe_ns = k->severe_ns;
	}
	if (p->text.data)
		buf_adds(&text, p->text.data);
	forget(k);
	if (buf_error(&text)) {
		buf_free(&text);
		return;
	}
	*k = (struct kept){s->proc, *p, s->now, severe_ns};
	k->p.text = text;
}

static bool is_found(const struct scene *s, unsigned n, const struct problem *p)
{
	for (unsigned i = 0; i < n; i++) {
		if (is_same(&s->list[i], p))
			return true;
	}
	return false;
}

static void tell_again(struct scene *s, const struct kept *k)
{
	struct problem *p = problem_add(s, k->p.kind, k->p.severity, k->p.weight);

	if (!p)
		return;
	problem_as_of(s, p, "seen last", k->seen_ns);
	buf_adds(&p->text, k->p.text.data ? k->p.text.data : "");
	memcpy(p->function, k->p.function, sizeof(p->function));
	memcpy(p->see, k->p.see, sizeof(p->see));
	memcpy(p->goids, k->p.goids, sizeof(p->goids));
	p->n_goids = k->p.n_goids;
	p->object = k->p.object;
}

/* Too old, or of later: a recording was gone back in. */
static void forget_old(struct problem_memory *m, const struct scene *s)
{
	for (unsigned i = 0; i < KEPT; i++) {
		struct kept *k = &m->list[i];

		if (!k->seen_ns || k->proc != s->proc)
			continue;
		if (k->seen_ns > s->now || s->now - k->severe_ns > PROBLEM_SEVERE_NS)
			k->p.severity = MIN(k->p.severity, PROBLEM_WARNING);
		if (k->seen_ns > s->now || s->now - k->seen_ns > PROBLEM_SEVERE_NS)
			forget(k);
	}
}

/* Was there none in the time for which what was seen is told on? */
static bool looks_alone(struct problem_memory *m, const struct scene *s)
{
	struct last_look *at = &m->looks[0];
	bool alone;

	for (unsigned i = 0; i < KEPT; i++) {
		struct last_look *l = &m->looks[i];

		if (l->ns && l->proc == s->proc) {
			at = l;
			break;
		}
		if (l->ns < at->ns)
			at = l;
	}
	alone = !at->ns || at->proc != s->proc ||
		view_since(s->now, at->ns) > problem_rules[PROBLEM_BLOCKED].stays_ns;
	*at = (struct last_look){s->proc, s->now};
	return alone;
}

void problem_memory_merge(struct problem_memory *m, struct scene *s)
{
	unsigned n = s->n;

	if (!m || s->info.state != PROC_RUNNING)
		return;
	pthread_mutex_lock(&m->lock);
	s->alone = looks_alone(m, s);
	forget_old(m, s);
	for (unsigned i = 0; i < n; i++) {
		if (is_kept(s->list[i].kind))
			keep(m, s, &s->list[i]);
	}
	/* What is lost by a list that is full is the least; then this is not told, either. */
	for (unsigned i = 0; i < KEPT && n < PROBLEMS_MAX; i++) {
		const struct kept *k = &m->list[i];

		if (k->seen_ns && k->seen_ns < s->now && k->proc == s->proc &&
		    s->now - k->seen_ns <= problem_rules[k->p.kind].stays_ns &&
		    !is_found(s, n, &k->p))
			tell_again(s, k);
	}
	pthread_mutex_unlock(&m->lock);
}
