/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Goroutines of a source: the table, the compact form the UI follows, and one of them in full. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/model/event_format.h"
#include "web/rest.h"
#include "core/view/stays.h"

#define LIMIT_MAX    10000
#define SPANS_MAX    20000
#define ROWS_MAX     200000 /* of one answer; `more` tells of the others */
#define EVENTS_MAX   20000
#define CHILDREN_MAX 1000

static uint64_t events_of(const struct goroutine *g)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < EVENT_TYPES; i++)
		n += g->counts[i];
	return n;
}

static uint64_t state_time(const struct goroutine *g, unsigned state, uint64_t now)
{
	bool is = view_state(g) == state && !(g->flags & GOROUTINE_EXITED);
	uint64_t open = is && now > g->state_since_ns ? now - g->state_since_ns : 0;

	return g->state_ns[state] + open;
}

static void render_flags(const struct goroutine *g, struct buf *out)
{
	json_kb(out, "exited", g->flags & GOROUTINE_EXITED);
	json_kb(out, "system", g->flags & GOROUTINE_SYSTEM);
	json_kb(out, "found", g->flags & GOROUTINE_FOUND);
	json_kb(out, "state_unknown", g->flags & GOROUTINE_STATE_UNKNOWN);
	json_kb(out, "cgo", g->flags & GOROUTINE_CGO);
	json_kb(out, "uncertain", g->flags & GOROUTINE_UNCERTAIN);
}

void rest_goroutine(const struct source *s, const struct goroutine *g, uint64_t now,
		    struct buf *out)
{
	const struct names *names = model_names(s->view.model);
	struct buf site = BUF_INIT;

	rest_site(names, g->created_site_id, &site);
	buf_addc(out, '{');
	json_ku(out, "goid", g->goid);
	json_ks(out, "state", view_state_name(view_state(g)));
	json_ks(out, "wait_reason", names_string(names, g->reason_id));
	json_ku(out, "state_since_ns", g->state_since_ns);
	json_ku(out, "state_age_ns", now > g->state_since_ns ? now - g->state_since_ns : 0);
	json_ks(out, "start_function", names_string(names, g->start_func_id));
	json_ks(out, "created_by", site.data ? site.data : "");
	json_ku(out, "parent", g->parent);
	json_ku(out, "created_ns", g->created_ns);
	json_ku(out, "exited_ns", g->exited_ns);
	json_ku(out, "last_event_ns", g->last_event_ns);
	json_ku(out, "woken_by", g->woken_by);
	render_flags(g, out);
	json_key(out, "counts");
	buf_addc(out, '{');
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		json_ku(out, event_type_name(i), g->counts[i]);
	buf_addc(out, '}');
	json_ku(out, "alloc_bytes", g->alloc_bytes);
	json_key(out, "state_ns");
	buf_addc(out, '{');
	for (unsigned i = 0; i < GSTATES; i++) {
		if (state_time(g, i, now))
			json_ku(out, gstate_name(i), state_time(g, i, now));
	}
	buf_addc(out, '}');
	json_ku(out, "runnable_count", g->runnable_count);
	json_ku(out, "runnable_sum_ns", g->runnable_sum_ns);
	json_ku(out, "runnable_max_ns", g->runnable_max_ns);
	json_ku(out, "children", g->children);
	buf_addc(out, '}');
	buf_free(&site);
}

/* --- the table -------------------------------------------------------------------------------- */

struct sort_key {
	const char *name;
	double (*value)(const struct goroutine *g, uint64_t now);
};

static double by_id(const struct goroutine *g, uint64_t now)
{
	return (double)g->goid;
}

static double by_age(const struct goroutine *g, uint64_t now)
{
	return (double)now - (double)g->created_ns;
}

static double by_since(const struct goroutine *g, uint64_t now)
{
	return (double)now - (double)g->state_since_ns;
}

static double by_waiting(const struct goroutine *g, uint64_t now)
{
	return (double)state_time(g, GSTATE_WAITING, now);
}

static double by_runnable(const struct goroutine *g, uint64_t now)
{
	return (double)state_time(g, GSTATE_RUNNABLE, now);
}

static double by_alloc(const struct goroutine *g, uint64_t now)
{
	return (double)g->alloc_bytes;
}

static double by_events(const struct goroutine *g, uint64_t now)
{
	return (double)events_of(g);
}

static double by_last(const struct goroutine *g, uint64_t now)
{
	return (double)g->last_event_ns;
}

static const struct sort_key sort_keys[] = {
	{"id", by_id},           {"age", by_age},           {"since", by_since},
	{"waiting", by_waiting}, {"runnable", by_runnable}, {"alloc", by_alloc},
	{"events", by_events},   {"last", by_last},
};

struct sorting {
	const struct sort_key *key;
	uint64_t now;
	bool descending;
};

static int compare(const void *a, const void *b, void *ctx)
{
	const struct goroutine *x = a, *y = b;
	const struct sorting *s = ctx;
	double vx = s->key->value(x, s->now), vy = s->key->value(y, s->now);

	if (vx == vy)
		return x->goid < y->goid ? -1 : x->goid > y->goid;
	return (vx < vy) != s->descending ? -1 : 1;
}

static int read_sorting(const struct request *rq, struct response *rs, struct sorting *ret)
{
	const char *name = http_arg(rq, "sort"), *desc = http_arg(rq, "desc");

	if (!name || !*name)
		name = "id";
	ret->descending = desc && strcmp(desc, "0") && strcmp(desc, "false");
	for (size_t i = 0; i < ARRAY_SIZE(sort_keys); i++) {
		if (strcmp(sort_keys[i].name, name))
			continue;
		ret->key = &sort_keys[i];
		return 0;
	}
	http_error(rs, 400, "sort: one of id, age, since, waiting, runnable, alloc, events, last");
	return -EINVAL;
}

int rest_list(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	struct sorting sorting;
	uint64_t limit, offset;
	struct source *s;
	unsigned proc;
	size_t n = 0;

	if (http_arg_u64(rq, rs, "limit", 1, LIMIT_MAX, 1000, &limit) ||
	    http_arg_u64(rq, rs, "offset", 0, UINT32_MAX, 0, &offset) ||
	    read_sorting(rq, rs, &sorting))
		return 0;
	s = rest_chosen(rq, rs, &proc, &list, &n);
	if (!s)
		return 0;
	sorting.now = rest_now(s);
	qsort_r(list, n, sizeof(*list), compare, &sorting);
	buf_addc(&rs->body, '{');
	json_ku(&rs->body, "now_ns", sorting.now);
	json_ku(&rs->body, "total", n);
	json_key(&rs->body, "goroutines");
	buf_addc(&rs->body, '[');
	for (size_t i = offset; i < n && i < offset + limit; i++) {
		if (i > offset)
			buf_addc(&rs->body, ',');
		rest_goroutine(s, &list[i], sorting.now, &rs->body);
	}
	buf_adds(&rs->body, "]}\n");
	rest_done(rq, s);
	return 0;
}

/* --- compact rows ----------------------------------------------------------------------------- */

/* Texts of one answer: each once, its number by id. Function names, reasons and sites apart. */
struct texts {
	const struct names *names;
	uint32_t *of_string, *of_site; /* number + 1 by id */
	uint32_t strings_cap, sites_cap, n;
	struct buf json;
};

static uint32_t text_number(struct texts *t, uint32_t **table, uint32_t *cap, uint32_t id,
			    bool site)
{
	struct buf text = BUF_INIT;

	if (id >= *cap) {
		uint32_t new_cap = MAX(id + 1, *cap * 2);
		uint32_t *grown = realloc(*table, new_cap * sizeof(*grown));

		if (!grown)
			return 0;
		memset(grown + *cap, 0, (new_cap - *cap) * sizeof(*grown));
		*table = grown;
		*cap = new_cap;
	}
	if (!(*table)[id]) {
		if (t->n)
			buf_addc(&t->json, ',');
		if (site)
			rest_site(t->names, id, &text);
		json_str(&t->json,
			 site ? (text.data ? text.data : "") : names_string(t->names, id));
		(*table)[id] = ++t->n;
		buf_free(&text);
	}
	return (*table)[id] - 1;
}

/* One array a goroutine; docs/api.md names the columns. */
static void add_row(struct texts *t, const struct goroutine *g, struct buf *out)
{
	const uint64_t numbers[] = {
		g->goid,
		g->parent,
		view_state(g),
		g->flags,
		text_number(t, &t->of_string, &t->strings_cap, g->reason_id, false),
		text_number(t, &t->of_string, &t->strings_cap, g->start_func_id, false),
		text_number(t, &t->of_site, &t->sites_cap, g->created_site_id, true),
		g->state_since_ns,
		g->created_ns,
		g->exited_ns,
		g->last_event_ns,
		g->woken_by,
		events_of(g),
		g->counts[EVENT_MAKESLICE],
		g->counts[EVENT_MAKEMAP],
		g->counts[EVENT_NEWOBJECT],
		g->alloc_bytes,
		g->state_ns[GSTATE_RUNNING],
		g->state_ns[GSTATE_RUNNABLE],
		g->state_ns[GSTATE_SYSCALL],
		g->state_ns[GSTATE_WAITING],
		g->runnable_max_ns,
		g->children,
	};

	buf_addc(out, '[');
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, numbers[i]);
	}
	buf_addc(out, ']');
}

struct rows {
	const struct goroutine *list;
	size_t n;
	uint64_t now;
	bool all, more;
};

static void render_rows(const struct names *names, const struct rows *rows, struct buf *out)
{
	struct texts texts = {.names = names};

	buf_addc(out, '{');
	json_ku(out, "now", rows->now);
	json_kb(out, "all", rows->all);
	json_key(out, "rows");
	buf_addc(out, '[');
	for (size_t i = 0; i < rows->n; i++) {
		if (i)
			buf_addc(out, ',');
		add_row(&texts, &rows->list[i], out);
	}
	buf_addc(out, ']');
	json_kb(out, "more", rows->more);
	json_key(out, "texts");
	buf_addc(out, '[');
	buf_add(out, texts.json.data ? texts.json.data : "", texts.json.len);
	buf_adds(out, "]}\n");
	free(texts.of_string);
	free(texts.of_site);
	buf_free(&texts.json);
}

int rest_rows(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	struct model_some q;
	struct rows rows;
	struct source *s;
	uint64_t limit;
	unsigned proc;
	int err = 0;

	if (http_arg_u64(rq, rs, "since", 0, UINT64_MAX, 0, &q.since_ns) ||
	    http_arg_u64(rq, rs, "after", 0, UINT64_MAX, 0, &q.after) ||
	    http_arg_u64(rq, rs, "limit", 1, UINT64_MAX, UINT64_MAX, &limit))
		return 0;
	s = rest_source(rq, rs);
	if (!s)
		return 0;
	if (rest_proc(rq, rs, s, &proc))
		goto out;
	q.limit = (size_t)MIN(limit, (uint64_t)ROWS_MAX);
	rows = (struct rows){.all = !q.since_ns, .now = rest_now(s)};
	err = model_goroutines_some(s->view.model, proc, &q, &list, &rows.n, &rows.more);
	rows.list = list;
	if (!err)
		render_rows(model_names(s->view.model), &rows, &rs->body);
out:
	rest_done(rq, s);
	return err;
}

/* --- one -------------------------------------------------------------------------------------- */

static struct source *find_one(const struct request *rq, struct response *rs, unsigned *ret_proc,
			       struct goroutine *ret)
{
	struct source *s = rest_source(rq, rs);
	uint64_t goid;

	if (!s)
		return NULL;
	if (rest_param_u64(rq, rs, 0, &goid) || rest_proc(rq, rs, s, ret_proc)) {
		rest_done(rq, s);
		return NULL;
	}
	if (model_goroutine(s->view.model, *ret_proc, goid, ret)) {
		http_error(rs, 404, "no goroutine %llu", (unsigned long long)goid);
		rest_done(rq, s);
		return NULL;
	}
	return s;
}

static int render_children(const struct source *s, unsigned proc, uint64_t goid, struct buf *out)
{
	cleanup_free_ struct goroutine *list = NULL;
	size_t n = 0, shown = 0;
	int err = model_goroutines(s->view.model, proc, true, &list, &n);

	if (err)
		return err;
	json_key(out, "children_known");
	buf_addc(out, '[');
	for (size_t i = 0; i < n && shown < CHILDREN_MAX; i++) {
		if (list[i].parent != goid)
			continue;
		if (shown++)
			buf_addc(out, ',');
		buf_addc(out, '{');
		json_ku(out, "goid", list[i].goid);
		json_ks(out, "state", view_state_name(view_state(&list[i])));
		json_ks(out, "start_function",
			names_string(model_names(s->view.model), list[i].start_func_id));
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
	return 0;
}

int rest_one(const struct request *rq, struct response *rs)
{
	struct goroutine g;
	unsigned proc;
	struct source *s = find_one(rq, rs, &proc, &g);
	uint64_t now;
	int err;

	if (!s)
		return 0;
	now = rest_now(s);
	rest_goroutine(s, &g, now, &rs->body);
	rs->body.len--; /* the object goes on */
	json_ku(&rs->body, "now_ns", now);
	err = render_children(s, proc, g.goid, &rs->body);
	buf_adds(&rs->body, "}\n");
	rest_done(rq, s);
	return err;
}

static int read_window(const struct request *rq, struct response *rs, uint64_t *from, uint64_t *to)
{
	if (http_arg_u64(rq, rs, "from", 0, UINT64_MAX, 0, from) ||
	    http_arg_u64(rq, rs, "to", 0, UINT64_MAX, UINT64_MAX, to))
		return -EINVAL;
	if (*to >= *from)
		return 0;
	http_error(rs, 400, "to is before from");
	return -EINVAL;
}

int rest_one_events(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	uint64_t from, to, limit;
	struct goroutine g;
	struct event_format format;
	struct source *s;
	unsigned proc;
	size_t n = 0, first = 0, last, shown = 0;
	int err;

	if (read_window(rq, rs, &from, &to) ||
	    http_arg_u64(rq, rs, "limit", 1, EVENTS_MAX, 500, &limit))
		return 0;
	s = find_one(rq, rs, &proc, &g);
	if (!s)
		return 0;
	err = model_goroutine_events(s->view.model, proc, g.goid, 0, UINT64_MAX, &events, &seqs,
				     &n);
	if (err)
		goto out;
	while (first < n && events[first].time_ns < from)
		first++;
	for (last = first; last < n && events[last].time_ns <= to; last++)
		;
	format = (struct event_format){.names = model_names(s->view.model),
				       .wall_offset_ns = model_wall_offset(s->view.model)};
	buf_addc(&rs->body, '{');
	json_ku(&rs->body, "total", last - first);
	/* The newest of them: what somebody who looks wants first. */
	if (last - first > limit)
		first = last - limit;
	json_key(&rs->body, "events");
	buf_addc(&rs->body, '[');
	for (size_t i = first; i < last; i++) {
		if (shown++)
			buf_addc(&rs->body, ',');
		event_format_json(&format, &events[i], &rs->body);
		if (rs->body.data[rs->body.len - 1] == '\n')
			rs->body.len--;
	}
	buf_adds(&rs->body, "]}\n");
out:
	rest_done(rq, s);
	return err;
}

struct spans {
	const struct names *names;
	uint64_t from, to, left;
	struct buf *out;
};

/* [begin_ns, end_ns (0: it is in it), state, reason, who ended it], of what touches [from, to]. */
static void add_span(void *ctx, const struct stay *stay)
{
	struct spans *q = ctx;

	if (!stay->seen || !q->left || (stay->end && stay->end < q->from) || stay->begin > q->to)
		return;
	q->left--;
	if (q->out->data[q->out->len - 1] != '[')
		buf_addc(q->out, ',');
	buf_addf(q->out, "[%llu,%llu,%u,", (unsigned long long)stay->begin,
		 (unsigned long long)stay->end, stay->state);
	json_str(q->out, names_string(q->names, stay->reason_id));
	buf_addf(q->out, ",%llu]", (unsigned long long)stay->ended_by);
}

int rest_one_spans(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	struct spans q = {.out = &rs->body};
	struct goroutine g;
	struct source *s;
	unsigned proc;
	size_t n = 0;
	int err;

	if (read_window(rq, rs, &q.from, &q.to) ||
	    http_arg_u64(rq, rs, "limit", 1, SPANS_MAX, 2000, &q.left))
		return 0;
	s = find_one(rq, rs, &proc, &g);
	if (!s)
		return 0;
	err = model_goroutine_events(s->view.model, proc, g.goid, 0, UINT64_MAX, &events, &seqs,
				     &n);
	if (!err) {
		buf_addc(&rs->body, '{');
		/* Before this the events are no longer kept. */
		json_ku(&rs->body, "since", n ? events[0].time_ns : rest_now(s));
		json_key(&rs->body, "spans");
		buf_addc(&rs->body, '[');
		q.names = model_names(s->view.model);
		stays_walk(&g, events, n, 0, add_span, &q);
		buf_adds(&rs->body, "]}\n");
	}
	rest_done(rq, s);
	return err;
}
