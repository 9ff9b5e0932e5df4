/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which CPU samples a question is about; see cpu.h. */
#include <errno.h>
#include <stdlib.h>

#include "core/view/choose.h"
#include "core/view/profiles/cpu.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

/* Who is meant, ascending. */
struct goids {
	uint64_t *v;
	size_t n, cap;
};

static int add_goid(struct goids *ids, uint64_t goid)
{
	if (ids->n == ids->cap) {
		size_t cap = ids->cap ? 2 * ids->cap : 64;
		uint64_t *grown = reallocarray(ids->v, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ids->v = grown;
		ids->cap = cap;
	}
	ids->v[ids->n++] = goid;
	return 0;
}

static void count_running(void *ctx, const struct stay *stay)
{
	struct cpu_chosen *c = ctx;
	uint64_t ns = window_inside(&c->window, stay);

	if (stay->state == GSTATE_RUNNING)
		c->running_ns = sum_u64(c->running_ns, ns);
	else if (stay->state == GSTATES)
		c->unknown_ns = sum_u64(c->unknown_ns, ns);
}

/* Samples outlast their goroutine in the model, so numbers alone need not be in there. */
static int named(struct view_query *q, struct goids *ids)
{
	uint64_t list[VIEW_GOIDS_MAX];
	size_t n = 0;
	int err = view_arg_goids(q, list, &n);

	for (size_t i = 0; i < n && !err; i++)
		err = add_goid(ids, list[i]);
	return err;
}

static int walk(const struct view *v, struct view_query *q, bool running, struct cpu_chosen *c,
		struct goids *ids)
{
	struct view_pass *pass cleanup_view_pass_ = NULL;
	const char *filter = view_arg_text(q, "filter");
	const struct goroutine *g;
	int err = view_pass_new_in(v, q, true, &c->window, &pass);

	if (!err && !c->all && (!filter || !*filter))
		err = named(q, ids);
	if (!running && (c->all || ids->n))
		return err;
	while (!err && (g = view_pass_next(pass))) {
		if (!c->all && filter && *filter)
			err = add_goid(ids, g->goid);
		if (running && !err)
			err = window_stays(&c->window, v, g, count_running, c);
	}
	return err ? err : view_pass_error(pass);
}

static bool tells_states(const struct view *v)
{
	uint32_t rates[RATES];

	return !view_rates(v, rates) || rates_tell_all_states(rates);
}

static int place(const struct view *v, struct view_query *q, uint64_t lately, struct cpu_chosen *c)
{
	const char *from = view_arg_text(q, "from");
	int err = window_read(v, q, &c->window);

	if (err)
		return err;
	c->to_ns = window_to(&c->window);
	samples_totals(model_samples(v->model), q->proc, SAMPLE_CPU, &c->totals);
	c->covered_ns = c->totals.from_ns ? c->totals.recent_from_ns : UINT64_MAX;
	if (from && *from)
		return 0;
	/* Nothing is missing of a time before there were samples that nobody asks about. */
	c->window.from = sub_u64(c->to_ns, lately);
	if (c->covered_ns < c->to_ns)
		c->window.from = MAX(c->window.from, c->covered_ns);
	return 0;
}

static void keep(struct cpu_chosen *c, struct goids *ids)
{
	size_t kept = 0;

	if (!ids->n) {
		c->n = 0;
		return;
	}
	sort_u64(ids->v, ids->n);
	for (size_t i = 0; i < c->n; i++) {
		if (bsearch(&c->rows[i].goid, ids->v, ids->n, sizeof(*ids->v), compare_u64))
			c->rows[kept++] = c->rows[i];
	}
	c->n = kept;
}

int cpu_choose(const struct view *v, struct view_query *q, uint64_t lately, bool running,
	       struct cpu_chosen *ret)
{
	struct samples *samples = model_samples(v->model);
	struct goids ids = {0};
	uint64_t first;
	int err;

	*ret = (struct cpu_chosen){.all = !view_chosen(q), .running_known = running};
	err = place(v, q, lately, ret);
	if (!err)
		err = walk(v, q, running, ret, &ids);
	if (!err)
		err = samples_recent(samples, q->proc, SAMPLE_CPU, ret->window.from, ret->window.to,
				     &ret->rows, &ret->n, &first);
	if (!err) {
		ret->running_known = running && tells_states(v);
		if (!ret->all)
			keep(ret, &ids);
	}
	free(ids.v);
	return err;
}

void cpu_chosen_free(struct cpu_chosen *c)
{
	free(c->rows);
	c->rows = NULL;
}
