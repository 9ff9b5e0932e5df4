/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The goroutines that a question names. Any thread. */
#include "core/view/choose.h"

#include <errno.h>

#include "core/base/parse.h"
#include "core/view/filter.h"
#include "core/view/query.h"
#include "core/view/stays.h"
#include "core/view/view_internal.h"

struct view_pass {
	const struct view *v;
	unsigned proc;
	uint64_t now;
	struct filter filter;
	struct model_pass *all;         /* NULL: those with these numbers */
	uint64_t goids[VIEW_GOIDS_MAX]; /* ascending, each once */
	size_t n, at;
	struct goroutine one;
	/* For `was:` in the filter. */
	const struct window *window; /* NULL: it has none */
	struct filter_stay *stays;   /* of the goroutine under way */
	size_t n_stays, stays_cap;
	int err; /* sticks */
};

static bool is_given(const struct view_query *q, const char *name)
{
	const char *text = view_arg_text(q, name);

	return text && *text;
}

bool view_chosen(const struct view_query *q)
{
	return is_given(q, "filter") || is_given(q, "goids");
}

int view_arg_goids(struct view_query *q, uint64_t ret[VIEW_GOIDS_MAX], size_t *ret_n)
{
	const char *text = view_arg_text(q, "goids");

	if (!parse_u64_list(text ? text : "", ret, VIEW_GOIDS_MAX, ret_n))
		return 0;
	return view_refuse(q, -EINVAL,
			   "goids: at most %d numbers or ranges like 1,5,9-12 are expected",
			   VIEW_GOIDS_MAX);
}

int view_pass_new(const struct view *v, struct view_query *q, bool by_goid, struct view_pass **ret)
{
	return view_pass_new_in(v, q, by_goid, NULL, ret);
}

static int read_filter(struct view_pass *p, struct view_query *q, const struct window *w)
{
	int err = filter_parse(view_arg_text(q, "filter"), &p->filter, q->why, sizeof(q->why));

	if (!err)
		err = filter_check_waits(&p->filter, model_names(p->v->model), q->why,
					 sizeof(q->why));
	if (err || !filter_asks_was(&p->filter))
		return err;
	p->window = w;
	return w ? 0
		 : view_refuse(q, -EINVAL,
			       "filter: \"was:\" goes only where a time is asked about: range, "
			       "range_by, stays, pprof/cpu, flame by=cpu and by=alloc");
}

int view_pass_new_in(const struct view *v, struct view_query *q, bool by_goid,
		     const struct window *w, struct view_pass **ret)
{
	struct model_which all = {.exited = true, .by_goid = by_goid};
	struct view_pass *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->v = v;
	p->proc = q->proc;
	p->now = view_now(v, q->proc);
	err = read_filter(p, q, w);
	if (!err)
		err = view_arg_goids(q, p->goids, &p->n);
	if (!err && !p->n)
		err = model_pass_new(v->model, q->proc, &all, &p->all);
	if (err) {
		view_pass_free(p);
		return err;
	}
	p->n = sort_unique_u64(p->goids, p->n);
	*ret = p;
	return 0;
}

static const struct goroutine *next_named(struct view_pass *p)
{
	while (p->at < p->n) {
		if (!model_goroutine(p->v->model, p->proc, p->goids[p->at++], &p->one))
			return &p->one;
	}
	return NULL;
}

static void note_stay(void *ctx, const struct stay *stay)
{
	struct view_pass *p = ctx;
	struct filter_stay is = {stay->reason_id, stay->state};

	if (!window_inside(p->window, stay))
		return;
	for (size_t i = 0; i < p->n_stays; i++) {
		if (p->stays[i].state == is.state && p->stays[i].reason_id == is.reason_id)
			return;
	}
	if (p->n_stays == p->stays_cap) {
		size_t cap = p->stays_cap ? 2 * p->stays_cap : 16;
		struct filter_stay *grown = reallocarray(p->stays, cap, sizeof(*grown));

		if (!grown) {
			p->err = -ENOMEM;
			return;
		}
		p->stays = grown;
		p->stays_cap = cap;
	}
	p->stays[p->n_stays++] = is;
}

static bool is_chosen(struct view_pass *p, const struct goroutine *g)
{
	const struct names *names = model_names(p->v->model);
	struct filter_was was;
	int err;

	/* What is cheap first. */
	if (!filter_match(&p->filter, names, g, p->now, NULL))
		return false;
	if (!p->window)
		return true;
	p->n_stays = 0;
	err = window_stays(p->window, p->v, g, note_stay, p);
	p->err = p->err ? p->err : err;
	was = (struct filter_was){p->stays, p->n_stays,
				  g->flags & GOROUTINE_EXITED && g->exited_ns >= p->window->from &&
					  g->exited_ns < p->window->to};
	return !p->err && filter_match(&p->filter, names, g, p->now, &was);
}

const struct goroutine *view_pass_next(struct view_pass *p)
{
	const struct goroutine *g;

	do {
		g = p->all ? model_pass_next(p->all) : next_named(p);
	} while (g && !p->err && !is_chosen(p, g));
	return p->err ? NULL : g;
}

int view_pass_error(const struct view_pass *p)
{
	return p->err;
}

void view_pass_free(struct view_pass *p)
{
	if (!p)
		return;
	model_pass_free(p->all);
	free(p->stays);
	free(p);
}

int view_each_chosen(const struct view *v, struct view_query *q, bool by_goid,
		     view_goroutine_fn *fn, void *ctx)
{
	struct view_pass *pass cleanup_view_pass_ = NULL;
	const struct goroutine *g;
	int err = view_pass_new(v, q, by_goid, &pass);

	while (!err && (g = view_pass_next(pass)))
		err = fn(ctx, g);
	return err;
}

int view_chosen_goids(const struct view *v, struct view_query *q,
		      bool (*keep)(void *ctx, const struct goroutine *g), void *ctx, uint64_t **ret,
		      size_t *ret_n)
{
	struct view_pass *pass cleanup_view_pass_ = NULL;
	const struct goroutine *g;
	uint64_t *goids = NULL;
	size_t n = 0;
	int err = view_pass_new(v, q, true, &pass);

	while (!err && (g = view_pass_next(pass))) {
		if (keep && !keep(ctx, g))
			continue;
		/* Grown when the count reaches a power of two. */
		if ((n & (n - 1)) == 0) {
			uint64_t *more = realloc(goids, MAX((size_t)64, 2 * n) * sizeof(*more));

			if (!more) {
				err = -ENOMEM;
				break;
			}
			goids = more;
		}
		goids[n++] = g->goid;
	}
	if (err) {
		free(goids);
		return err;
	}
	/* One even for none: NULL is all. */
	*ret = goids ? goids : malloc(sizeof(*goids));
	*ret_n = n;
	return *ret ? 0 : -ENOMEM;
}
