/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where goroutines came from; see origins.h. */
#include "core/view/origins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/view/groups.h"
#include "core/view/own.h"

#define STATUS_CALLS   16
#define CULPRIT_LEVELS 4 /* goroutines that make goroutines */

struct origins {
	struct samples *samples;
	unsigned proc;
	struct sample_row *rows;
	size_t n;
	struct groups sites;
};

/* A go statement. */
struct at_site {
	uint64_t key;    /* site_id */
	uint64_t weight; /* of all its samples */
	size_t best;     /* number of the row plus 1 */
};

int origins_read(const struct view *v, unsigned proc, struct origins **ret)
{
	struct origins *o = calloc(1, sizeof(*o));
	struct sample_totals totals;
	int err;

	if (!o)
		return -ENOMEM;
	o->samples = model_samples(v->model);
	o->proc = proc;
	o->sites = (struct groups)GROUPS_INIT(struct at_site);
	err = samples_copy(o->samples, proc, SAMPLE_CREATED, &o->rows, &o->n, &totals);
	for (size_t i = 0; i < o->n && !err; i++) {
		const struct sample_row *row = &o->rows[i];
		struct at_site *site;

		if (!row->n)
			continue;
		site = groups_row(&o->sites, row->sites[0]);
		if (!site) {
			err = -ENOMEM;
			break;
		}
		site->weight = sum_u64(site->weight, row->sum.weight);
		if (!site->best || row->sum.weight > o->rows[site->best - 1].sum.weight)
			site->best = i + 1;
	}
	if (err) {
		origins_free(o);
		return err;
	}
	*ret = o;
	return 0;
}

void origins_free(struct origins *o)
{
	if (!o)
		return;
	groups_free(&o->sites);
	free(o->rows);
	free(o);
}

/* Its own, where that was sampled, else the best of its go statement. */
static struct origin own_or(struct samples *s, const struct goroutine *g,
			    const struct sample_row *best, uint64_t weight)
{
	struct origin origin = {.row = *best};
	uint64_t time_ns;

	origin.own = samples_last(s, g->proc, SAMPLE_CREATED, g->goid, &origin.row, &time_ns);
	if (weight)
		origin.share = MIN((double)origin.row.sum.weight / (double)weight, 1.0);
	return origin;
}

bool origin_of(const struct origins *o, const struct goroutine *g, struct origin *ret)
{
	const struct at_site *site = groups_find(&o->sites, g->created_site_id);

	if (!g->created_site_id || !site)
		return false;
	*ret = own_or(o->samples, g, &o->rows[site->best - 1], site->weight);
	return true;
}

/* Of one alone. */
static bool find_origin(struct samples *s, const struct goroutine *g, struct origin *ret)
{
	struct sample_row best;
	uint64_t weight;

	if (!g->created_site_id ||
	    !samples_best_at(s, g->proc, SAMPLE_CREATED, g->created_site_id, &best, &weight))
		return false;
	*ret = own_or(s, g, &best, weight);
	return true;
}

void origin_text(const struct view *v, const struct origin *origin, unsigned most, struct buf *out)
{
	uint32_t n = MIN(origin->row.n, most);

	for (uint32_t i = 0; i < n; i++) {
		if (i)
			buf_adds(out, " < ");
		if (origin->row.sites[i])
			view_site(v, origin->row.sites[i], out);
		else
			buf_adds(out, "(not Go)");
	}
	if (n < origin->row.n || origin->row.cut)
		buf_adds(out, " < …");
}

void origin_emit(struct emit *e, const struct view *v, const struct goroutine *g)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct origin origin;

	if (!find_origin(model_samples(v->model), g, &origin)) {
		emit_unknown(e, "creation_stack");
		emit_unknown(e, "creation_stack_is");
		emit_unknown(e, "creation_stack_share");
	} else {
		origin_text(v, &origin, STATUS_CALLS, &text);
		emit_string(e, "creation_stack", text.data ? text.data : "");
		emit_string(e, "creation_stack_is",
			    origin.own ? "its own, sampled"
				       : "of another made by the same go statement, sampled");
		emit_double(e, "creation_stack_share", origin.share, 2);
	}
}

/* --- whom they were made for ------------------------------------------------------------------ */

/* What was made by a statement's stacks, of those that lead to one function. */
struct blame {
	uint64_t func_id, weight;
	uint32_t site_id;
};

struct search {
	const struct names *names;
	struct groups own;   /* struct blame: the program's own calls */
	struct groups outer; /* the same: start functions of those who made them, without one */
	uint64_t weight;
};

static void search_free(struct search *s)
{
	groups_free(&s->own);
	groups_free(&s->outer);
}

static uint32_t func_of(const struct search *s, uint32_t site_id)
{
	return names_site(s->names, site_id)->func_id;
}

static bool is_own(const struct search *s, uint32_t site_id)
{
	const char *function = names_string(s->names, func_of(s, site_id));

	return own_function(function, strlen(function));
}

static void blame(struct groups *g, const struct search *s, uint32_t site_id, uint64_t weight)
{
	struct blame *b = groups_row(g, func_of(s, site_id));

	if (!b)
		return; /* no memory: less is known */
	b->weight = sum_u64(b->weight, weight);
	b->site_id = site_id;
}

static const struct blame *most(const struct groups *g)
{
	const struct blame *rows = (const void *)g->rows, *ret = NULL;

	for (size_t i = 0; i < g->n; i++) {
		if (rows[i].func_id && (!ret || rows[i].weight > ret->weight))
			ret = &rows[i];
	}
	return ret;
}

static void look_at(struct search *s, const struct sample_row *row)
{
	s->weight = sum_u64(s->weight, row->sum.weight);
	for (uint32_t i = 0; i < row->n; i++) {
		if (row->sites[i] && is_own(s, row->sites[i])) {
			blame(&s->own, s, row->sites[i], row->sum.weight);
			return;
		}
	}
	if (row->n && !row->cut && row->sites[row->n - 1])
		blame(&s->outer, s, row->sites[row->n - 1], row->sum.weight);
}

/* The stacks at which those of a start function were made. */
static void look_at_starts(const struct origins *o, struct search *s, const struct made_at *made,
			   size_t n_made, uint32_t func_id)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct sample_row *row = &o->rows[i];

		for (size_t k = 0; row->n && k < n_made; k++) {
			if (made[k].start_func_id == func_id && made[k].site_id == row->sites[0]) {
				look_at(s, row);
				break;
			}
		}
	}
}

bool origins_culprit(const struct origins *o, const struct view *v, uint32_t start_func_id,
		     struct culprit *ret)
{
	cleanup_free_ struct made_at *made = NULL;
	bool found = false, goes_on = true;
	size_t n_made = 0;

	if (model_made(v->model, o->proc, &made, &n_made))
		return false;
	for (unsigned level = 0; level < CULPRIT_LEVELS && goes_on && !found; level++) {
		struct search s = {.names = model_names(v->model),
				   .own = GROUPS_INIT(struct blame),
				   .outer = GROUPS_INIT(struct blame)};
		const struct blame *own, *outer;

		look_at_starts(o, &s, made, n_made, start_func_id);
		own = most(&s.own);
		outer = most(&s.outer);
		if (own && (!outer || own->weight >= outer->weight)) {
			*ret = (struct culprit){own->site_id,
						(double)own->weight / (double)MAX(s.weight, 1)};
			found = true;
		}
		goes_on = outer && outer->func_id != start_func_id;
		start_func_id = outer ? (uint32_t)outer->func_id : 0;
		search_free(&s);
	}
	return found;
}

/* The first of the program's own above such a call. */
static void look_above(struct search *s, const struct sample_row *row, const char *callee)
{
	bool above = false;

	for (uint32_t i = 0; i < row->n; i++) {
		const char *name = names_string(s->names, func_of(s, row->sites[i]));

		above |= !strncmp(name, callee, strlen(callee));
		if (above && row->sites[i] && is_own(s, row->sites[i])) {
			blame(&s->own, s, row->sites[i], row->sum.hits);
			s->weight = sum_u64(s->weight, row->sum.hits);
			return;
		}
	}
}

bool origins_caller(const struct view *v, unsigned proc, const char *callee, struct culprit *ret)
{
	static const enum sample_kind kinds[] = {SAMPLE_CPU, SAMPLE_ALLOC};
	struct search s = {.names = model_names(v->model), .own = GROUPS_INIT(struct blame)};
	const struct blame *own;
	bool found;

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		cleanup_free_ struct sample_row *rows = NULL;
		struct sample_totals totals;
		size_t n = 0;

		if (samples_copy(model_samples(v->model), proc, kinds[k], &rows, &n, &totals))
			continue;
		for (size_t i = 0; i < n; i++)
			look_above(&s, &rows[i], callee);
	}
	own = most(&s.own);
	found = own != NULL;
	if (found)
		*ret = (struct culprit){own->site_id,
					(double)own->weight / (double)MAX(s.weight, 1)};
	groups_free(&s.own);
	return found;
}
