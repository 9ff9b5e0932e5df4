/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Goroutines by where they were made: how many there are, how old, what they wait for. The table in
 * which a leak shows. And the runnable-to-running latency histogram.
 */
#include <errno.h>
#include <string.h>

#include "web/rest.h"

#define RECENT_NS  (60 * NS_PER_SEC)
#define REASONS    8
#define SAMPLE_MAX 3

struct reason_count {
	uint32_t id;
	uint64_t n;
};

struct site_row {
	uint32_t site_id, func_id;
	uint64_t live, exited, created_recently, exited_recently, waiting, oldest_ns;
	uint64_t alloc_bytes;
	uint64_t sample[SAMPLE_MAX]; /* the oldest live ones */
	unsigned n_sample;
	struct reason_count reasons[REASONS];
};

struct site_table {
	struct site_row *v;
	size_t n, cap;
};

/* By creation site; by start function where the site is not known. */
static int compare_origin(const void *a, const void *b)
{
	const struct goroutine *x = a, *y = b;

	if (x->created_site_id != y->created_site_id)
		return x->created_site_id < y->created_site_id ? -1 : 1;
	if (x->start_func_id != y->start_func_id)
		return x->start_func_id < y->start_func_id ? -1 : 1;
	return x->created_ns < y->created_ns ? -1 : x->created_ns > y->created_ns;
}

static void count_reason(struct site_row *row, uint32_t id)
{
	for (unsigned i = 0; i < REASONS; i++) {
		if (row->reasons[i].n && row->reasons[i].id != id)
			continue;
		row->reasons[i].id = id;
		row->reasons[i].n++;
		return;
	}
}

static void add_goroutine(struct site_row *row, const struct goroutine *g, uint64_t now)
{
	bool recent = !(g->flags & GOROUTINE_FOUND) && now - MIN(now, g->created_ns) < RECENT_NS;

	row->created_recently += recent;
	row->alloc_bytes = sum_u64(row->alloc_bytes, g->alloc_bytes);
	if (g->flags & GOROUTINE_EXITED) {
		row->exited++;
		row->exited_recently += now - MIN(now, g->exited_ns) < RECENT_NS;
		return;
	}
	if (!row->live++)
		row->oldest_ns = now - MIN(now, g->created_ns);
	if (row->n_sample < SAMPLE_MAX)
		row->sample[row->n_sample++] = g->goid;
	if (g->state == GSTATE_WAITING) {
		row->waiting++;
		count_reason(row, g->reason_id);
	}
}

static int fill(struct site_table *t, const struct goroutine *list, size_t n, uint64_t now)
{
	for (size_t i = 0; i < n; i++) {
		const struct goroutine *g = &list[i];
		struct site_row *row = t->n ? &t->v[t->n - 1] : NULL;

		if (!row || row->site_id != g->created_site_id ||
		    row->func_id != g->start_func_id) {
			if (t->n == t->cap) {
				size_t cap = t->cap ? t->cap * 2 : 64;
				struct site_row *v = realloc(t->v, cap * sizeof(*v));

				if (!v)
					return -ENOMEM;
				t->v = v;
				t->cap = cap;
			}
			row = &t->v[t->n++];
			memset(row, 0, sizeof(*row));
			row->site_id = g->created_site_id;
			row->func_id = g->start_func_id;
		}
		add_goroutine(row, g, now);
	}
	return 0;
}

static int compare_live(const void *a, const void *b)
{
	const struct site_row *x = a, *y = b;

	if (x->live != y->live)
		return x->live > y->live ? -1 : 1;
	return x->oldest_ns > y->oldest_ns ? -1 : x->oldest_ns < y->oldest_ns;
}

static void render_row(const struct site_row *row, const struct names *names, struct buf *out)
{
	const struct reason_count *most = &row->reasons[0];
	struct buf site = BUF_INIT;

	for (unsigned i = 1; i < REASONS; i++) {
		if (row->reasons[i].n > most->n)
			most = &row->reasons[i];
	}
	rest_site(names, row->site_id, &site);
	buf_addc(out, '{');
	json_ks(out, "site", site.data ? site.data : "");
	json_ks(out, "function", names_string(names, row->func_id));
	json_ku(out, "live", row->live);
	json_ku(out, "waiting", row->waiting);
	json_ku(out, "exited_retained", row->exited);
	json_ku(out, "created_last_minute", row->created_recently);
	json_ku(out, "exited_last_minute", row->exited_recently);
	json_ku(out, "oldest_age_ns", row->oldest_ns);
	json_ks(out, "wait_reason", most->n ? names_string(names, most->id) : "");
	json_ku(out, "wait_reason_count", most->n);
	json_ku(out, "alloc_bytes", row->alloc_bytes);
	json_key(out, "sample");
	buf_addc(out, '[');
	for (unsigned i = 0; i < row->n_sample; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, row->sample[i]);
	}
	buf_adds(out, "]}");
	buf_free(&site);
}

int rest_sites(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	struct site_table table = {0};
	struct source *s = rest_source(rq, rs);
	unsigned proc;
	size_t n = 0;
	int err = 0;

	if (!s)
		return 0;
	if (rest_proc(rq, rs, s, &proc))
		goto out;
	err = model_goroutines(s->view.model, proc, true, &list, &n);
	if (!err) {
		qsort(list, n, sizeof(*list), compare_origin);
		err = fill(&table, list, n, rest_now(s));
	}
	if (!err) {
		qsort(table.v, table.n, sizeof(*table.v), compare_live);
		buf_addc(&rs->body, '[');
		for (size_t i = 0; i < table.n; i++) {
			if (i)
				buf_addc(&rs->body, ',');
			render_row(&table.v[i], model_names(s->view.model), &rs->body);
		}
		buf_adds(&rs->body, "]\n");
	}
	free(table.v);
out:
	rest_done(rq, s);
	return err;
}

int rest_latency(const struct request *rq, struct response *rs)
{
	struct source *s = rest_source(rq, rs);
	struct model_totals t;
	int proc;

	if (!s)
		return 0;
	if (rest_any_proc(rq, rs, s, &proc))
		goto out;
	model_totals(s->view.model, proc, &t);
	buf_addc(&rs->body, '[');
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		if (i)
			buf_addc(&rs->body, ',');
		buf_addu(&rs->body, t.runnable_latency[i]);
	}
	buf_adds(&rs->body, "]\n");
out:
	rest_done(rq, s);
	return 0;
}
