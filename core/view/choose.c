/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The goroutines that a question names. Any thread. */
#include "core/view/choose.h"

#include <errno.h>

#include "core/base/parse.h"
#include "core/view/filter.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

struct chosen {
	struct goroutine *v;
	size_t n, cap;
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

static int add(void *ctx, const struct goroutine *g)
{
	struct chosen *c = ctx;

	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct goroutine *v = realloc(c->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n++] = *g;
	return 0;
}

static int compare_goids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What a question asks of each goroutine. */
struct question {
	const struct view *v;
	unsigned proc;
	uint64_t now;
	struct filter filter;
	view_goroutine_fn *fn;
	void *ctx;
};

static int ask(const struct question *x, const struct goroutine *g)
{
	return filter_match(&x->filter, model_names(x->v->model), g, x->now) ? x->fn(x->ctx, g) : 0;
}

/* Those with these numbers, each once. */
static int ask_some(const struct question *x, uint64_t *goids, size_t n)
{
	struct goroutine g;
	int err = 0;

	qsort(goids, n, sizeof(*goids), compare_goids);
	for (size_t i = 0; i < n && !err; i++) {
		if ((!i || goids[i] != goids[i - 1]) &&
		    !model_goroutine(x->v->model, x->proc, goids[i], &g))
			err = ask(x, &g);
	}
	return err;
}

static int ask_all(const struct question *x, bool by_goid)
{
	struct model_which all = {.exited = true, .by_goid = by_goid};
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	int err = model_pass_new(x->v->model, x->proc, &all, &pass);

	while (!err && (g = model_pass_next(pass)))
		err = ask(x, g);
	return err;
}

int view_each_chosen(const struct view *v, struct view_query *q, bool by_goid,
		     view_goroutine_fn *fn, void *ctx)
{
	struct question x = {
		.v = v, .proc = q->proc, .now = view_now(v, q->proc), .fn = fn, .ctx = ctx};
	uint64_t goids[VIEW_GOIDS_MAX];
	size_t n = 0;
	int err = filter_parse(view_arg_text(q, "filter"), &x.filter, q->why, sizeof(q->why));

	if (!err)
		err = view_arg_goids(q, goids, &n);
	if (err)
		return err;
	return n ? ask_some(&x, goids, n) : ask_all(&x, by_goid);
}

int view_choose(const struct view *v, struct view_query *q, struct goroutine **ret, size_t *ret_n)
{
	struct chosen c = {0};
	int err = view_each_chosen(v, q, true, add, &c);

	if (err) {
		free(c.v);
		return err;
	}
	*ret = c.v;
	*ret_n = c.n;
	return 0;
}

int view_goids(const struct goroutine *list, size_t n, uint64_t **ret)
{
	uint64_t *goids = malloc((n + 1) * sizeof(*goids));

	for (size_t i = 0; goids && i < n; i++)
		goids[i] = list[i].goid;
	*ret = goids;
	return goids ? 0 : -ENOMEM;
}
