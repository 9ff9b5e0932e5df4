/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The longest single stays in a time range: what is behind one bar of the histogram of `range`. */
#include <errno.h>
#include <string.h>

#include "core/base/top.h"
#include "core/view/stays.h"
#include "web/rest.h"

#define STAYS_MAX 2000

struct found {
	struct stay stay;
	uint64_t goid, ns; /* ns: of it in the window */
};

struct query {
	struct window window;
	uint64_t min, max, limit; /* min <= ns < max */
	unsigned state;           /* GSTATES: any */
	uint64_t goid, total;
	struct top top;
	int err;
};

/* Longest first; of equal ones the earlier. */
static int compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	if (x->stay.begin != y->stay.begin)
		return x->stay.begin < y->stay.begin ? -1 : 1;
	return x->goid < y->goid ? -1 : x->goid > y->goid;
}

static void add_stay(void *ctx, const struct stay *stay)
{
	struct query *q = ctx;
	struct found found = {.stay = *stay, .goid = q->goid};

	found.ns = window_inside(&q->window, stay);
	if (!found.ns || found.ns < q->min || found.ns >= q->max ||
	    (q->state != GSTATES && q->state != stay->state))
		return;
	q->total++;
	if (!q->err)
		q->err = top_add(&q->top, &found);
}

static int add_goroutine(const struct source *s, const struct goroutine *g, struct query *q)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	size_t n = 0;
	int err = model_goroutine_events(s->view.model, g->proc, g->goid, 0, UINT64_MAX, &events,
					 &seqs, &n);

	if (err)
		return err == -ENOENT ? 0 : err;
	q->goid = g->goid;
	stays_walk(g, events, n, q->window.since_ns, add_stay, q);
	return q->err;
}

static void render(struct query *q, const struct names *names, struct buf *out)
{
	const struct found *list = q->top.v;

	top_sort(&q->top);
	buf_addc(out, '{');
	json_ku(out, "since_ns", q->window.since_ns);
	json_ku(out, "total", q->total);
	json_key(out, "stays");
	buf_addc(out, '[');
	for (size_t i = 0; i < q->top.n; i++) {
		const struct stay *stay = &list[i].stay;

		buf_addf(out, "%s[%llu,%llu,%llu,%llu,", i ? "," : "",
			 (unsigned long long)list[i].goid, (unsigned long long)stay->begin,
			 (unsigned long long)stay->end, (unsigned long long)list[i].ns);
		json_str(out, names_string(names, stay->reason_id));
		buf_addf(out, ",%llu,%u]", (unsigned long long)stay->ended_by, stay->state);
	}
	buf_adds(out, "]}\n");
}

static int read_state(const struct request *rq, struct response *rs, unsigned *ret)
{
	const char *name = http_arg(rq, "state");

	for (unsigned i = 0; i < GSTATES && name && *name; i++) {
		if (!strcmp(gstate_name(i), name)) {
			*ret = i;
			return 0;
		}
	}
	*ret = GSTATES;
	if (!name || !*name)
		return 0;
	http_error(rs, 400, "state: no goroutine state is named \"%.40s\"", name);
	return -EINVAL;
}

static int read_query(const struct request *rq, struct response *rs, struct query *ret)
{
	if (window_read(rq, rs, &ret->window) || read_state(rq, rs, &ret->state) ||
	    http_arg_u64(rq, rs, "min", 0, UINT64_MAX, 0, &ret->min) ||
	    http_arg_u64(rq, rs, "max", 0, UINT64_MAX, UINT64_MAX, &ret->max) ||
	    http_arg_u64(rq, rs, "limit", 1, STAYS_MAX, 200, &ret->limit))
		return -EINVAL;
	ret->top = (struct top)TOP_INIT(struct found, ret->limit, compare);
	if (ret->max > ret->min)
		return 0;
	http_error(rs, 400, "max must be greater than min");
	return -EINVAL;
}

int rest_stays(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	struct query q = {0};
	struct source *s;
	unsigned proc;
	size_t n = 0;
	int err = 0;

	if (read_query(rq, rs, &q))
		return 0;
	s = rest_chosen(rq, rs, &proc, &list, &n);
	if (!s)
		return 0;
	window_place(&q.window, &s->view, proc);
	for (size_t i = 0; i < n && !err; i++)
		err = add_goroutine(s, &list[i], &q);
	if (!err)
		render(&q, model_names(s->view.model), &rs->body);
	top_free(&q.top);
	rest_done(rq, s);
	return err;
}
