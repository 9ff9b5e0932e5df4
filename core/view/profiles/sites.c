/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Goroutines by where they were made: how many there are, how old, what they wait for. The table in
 * which growth shows: many, none that ends, the oldest old. Any thread.
 */
#include <errno.h>

#include "core/base/json.h"
#include "core/model/functions.h"
#include "core/view/groups.h"
#include "core/view/growth.h"
#include "core/view/probes.h"
#include "core/view/view_internal.h"

#define RECENT_NS  (60 * NS_PER_SEC)
#define REASONS    8
#define SAMPLE_MAX 3

struct reason_count {
	uint32_t id;
	uint64_t n;
};

struct sample {
	uint64_t goid, age_ns;
};

struct site_row {
	uint64_t key; /* site_id << 32 | start_func_id */
	uint64_t live, exited, created_recently, exited_recently, waiting, oldest_ns;
	uint64_t alloc_bytes;
	bool found;   /* a live one was there before tracing: it may be older */
	bool system;  /* of the runtime */
	bool growing; /* the goroutines of the start function only grow in number */
	struct sample sample[SAMPLE_MAX]; /* the oldest live ones */
	unsigned n_sample;
	struct reason_count reasons[REASONS];
};

struct sites {
	struct groups rows;
	uint64_t exited_dropped;
	bool recent_dropped; /* one of those ended in the last minute */
	bool recent_known;   /* probes were in, all of the last minute */
};

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

static bool is_older(const struct sample *a, const struct sample *b)
{
	if (a->age_ns != b->age_ns)
		return a->age_ns > b->age_ns;
	return a->goid < b->goid;
}

/* Keeps the oldest, oldest first. */
static void add_sample(struct site_row *row, uint64_t goid, uint64_t age_ns)
{
	struct sample s = {goid, age_ns};
	unsigned i = row->n_sample;

	while (i && is_older(&s, &row->sample[i - 1])) {
		if (i < SAMPLE_MAX)
			row->sample[i] = row->sample[i - 1];
		i--;
	}
	if (i == SAMPLE_MAX)
		return;
	row->sample[i] = s;
	row->n_sample = MIN(row->n_sample + 1, SAMPLE_MAX);
}

static void add_goroutine(struct site_row *row, const struct goroutine *g, uint64_t now)
{
	row->created_recently +=
		!(g->flags & GOROUTINE_FOUND) && view_since(now, g->created_ns) < RECENT_NS;
	row->alloc_bytes = sum_u64(row->alloc_bytes, g->alloc_bytes);
	if (g->flags & GOROUTINE_EXITED) {
		row->exited++;
		row->exited_recently += view_since(now, g->exited_ns) < RECENT_NS;
		return;
	}
	row->live++;
	row->system |= g->flags & GOROUTINE_SYSTEM;
	row->found |= g->flags & GOROUTINE_FOUND;
	row->oldest_ns = MAX(row->oldest_ns, view_age_ns(g, now));
	add_sample(row, g->goid, view_age_ns(g, now));
	if (gstate_waits(view_state(g))) {
		row->waiting++;
		count_reason(row, g->reason_id);
	}
}

/* Memory tells of who is there, not of who was made and ended meanwhile. */
static bool counts_recent(const struct view *v, unsigned proc, uint64_t now)
{
	struct live_probes p;

	if (!view_probes(v, proc, &p) || (!p.off && !p.off_ns))
		return true;
	return !p.off && view_since(now, p.since_ns) >= RECENT_NS;
}

static int gather(const struct view *v, unsigned proc, struct sites *l)
{
	struct model_which all = {.exited = true};
	struct model_pass *pass cleanup_pass_ = NULL;
	uint64_t now = view_now(v, proc);
	const struct goroutine *g;
	struct model_totals t;
	int err = model_pass_new(v->model, proc, &all, &pass);

	while (!err && (g = model_pass_next(pass))) {
		struct site_row *row =
			groups_row(&l->rows, (uint64_t)g->created_site_id << 32 | g->start_func_id);

		if (!row)
			return -ENOMEM;
		add_goroutine(row, g, now);
	}
	model_totals(v->model, (int)proc, &t);
	l->exited_dropped = t.exited_dropped;
	l->recent_dropped = t.exited_dropped && view_since(now, t.exited_dropped_ns) < RECENT_NS;
	l->recent_known = counts_recent(v, proc, now);
	return err;
}

struct function_row {
	uint64_t func_id, live;
	bool growing;
};

/* By problem_rules, which speak of start functions, wherever they were started. */
static int mark_growing(const struct view *v, unsigned proc, struct sites *l)
{
	struct groups functions = GROUPS_INIT(struct function_row);
	cleanup_free_ struct model_past *past = NULL;
	struct site_row *rows = (void *)l->rows.rows;
	int err = model_past(v->model, proc, &past);
	uint64_t now = view_now(v, proc), then, ns;

	for (size_t i = 0; !err && i < l->rows.n; i++) {
		struct function_row *f = groups_row(&functions, (uint32_t)rows[i].key);

		if (f)
			f->live += rows[i].live;
		else
			err = -ENOMEM;
	}
	for (size_t i = 0; !err && i < functions.n; i++) {
		struct function_row *f = (struct function_row *)(void *)functions.rows + i;

		f->growing = growth_of(past, (uint32_t)f->func_id, f->live, now, &then, &ns);
	}
	for (size_t i = 0; !err && i < l->rows.n; i++) {
		const struct function_row *f = groups_find(&functions, (uint32_t)rows[i].key);

		rows[i].growing = f->growing && rows[i].live && !rows[i].system;
	}
	groups_free(&functions);
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct site_row *x = a, *y = b;

	if (x->live != y->live)
		return x->live > y->live ? -1 : 1;
	if (x->oldest_ns != y->oldest_ns)
		return x->oldest_ns > y->oldest_ns ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static const struct reason_count *most_frequent(const struct site_row *row)
{
	const struct reason_count *most = &row->reasons[0];

	for (unsigned i = 1; i < REASONS; i++) {
		if (row->reasons[i].n > most->n)
			most = &row->reasons[i];
	}
	return most;
}

static const char *function_of(const struct site_row *row, const struct names *names)
{
	return names_string(names, (uint32_t)row->key);
}

static void json_recent(const struct sites *l, const char *key, uint64_t n, struct buf *out)
{
	if (l->recent_known)
		json_ku(out, key, n);
	else
		view_json_text(key, NULL, out);
}

static void json_row(const struct sites *l, const struct site_row *row, const struct names *names,
		     struct buf *out)
{
	const struct reason_count *most = most_frequent(row);
	cleanup_buf_ struct buf site = BUF_INIT;

	view_site_file(names, (uint32_t)(row->key >> 32), &site);
	buf_addc(out, '{');
	view_json_text("site", site.data, out);
	view_json_text("function", function_of(row, names), out);
	json_ku(out, "live", row->live);
	json_ku(out, "waiting", row->waiting);
	json_ku(out, "exited_retained", row->exited);
	json_recent(l, "created_last_minute", row->created_recently, out);
	json_recent(l, "exited_last_minute", row->exited_recently, out);
	json_ku(out, "oldest_age_ns", row->oldest_ns);
	view_json_text("wait_reason", most->n ? names_string(names, most->id) : NULL, out);
	json_ku(out, "wait_reason_count", most->n);
	json_ku(out, "alloc_bytes", row->alloc_bytes);
	json_kb(out, "oldest_age_at_least", row->found);
	json_kb(out, "last_minute_at_least", l->recent_dropped);
	json_kb(out, "growing", row->growing);
	json_key(out, "sample");
	buf_addc(out, '[');
	for (unsigned i = 0; i < row->n_sample; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, row->sample[i].goid);
	}
	buf_adds(out, "]}");
}

static void text_row(struct emit *e, const struct sites *l, const struct site_row *row,
		     const struct names *names)
{
	const struct reason_count *most = most_frequent(row);
	cleanup_buf_ struct buf site = BUF_INIT, sample = BUF_INIT;

	view_site_file(names, (uint32_t)(row->key >> 32), &site);
	for (unsigned i = 0; i < row->n_sample; i++)
		buf_addf(&sample, "%s%llu", i ? "," : "", (unsigned long long)row->sample[i].goid);
	emit_row(e);
	emit_u64(e, NULL, row->live);
	emit_u64(e, NULL, row->waiting);
	view_emit_known(e, NULL, l->recent_known, row->created_recently);
	view_emit_known(e, NULL, l->recent_known, row->exited_recently);
	emit_u64(e, NULL, row->exited);
	emit_u64(e, NULL, row->oldest_ns);
	if (most->n)
		emit_string(e, NULL, names_string(names, most->id));
	else
		emit_none(e, NULL);
	emit_u64(e, NULL, most->n);
	emit_u64(e, NULL, row->alloc_bytes);
	emit_string(e, NULL, function_of(row, names));
	emit_string(e, NULL, site.data ? site.data : "");
	if (row->n_sample)
		emit_string(e, NULL, sample.data ? sample.data : "");
	else
		emit_none(e, NULL);
	emit_yes(e, NULL, row->found);
	emit_yes(e, NULL, l->recent_dropped);
	emit_yes(e, NULL, row->growing);
	emit_row_end(e);
}

static int as_text(const struct sites *l, const struct names *names, struct buf *out)
{
	static const char *const columns[] = {"live",
					      "waiting",
					      "created_last_minute",
					      "exited_last_minute",
					      "exited_retained",
					      "oldest_age_ns",
					      "wait_reason",
					      "wait_reason_count",
					      "alloc_bytes",
					      "function",
					      "site",
					      "sample",
					      "oldest_age_at_least",
					      "last_minute_at_least",
					      "growing"};
	const struct groups *g = &l->rows;
	const struct site_row *rows = (const void *)g->rows;
	struct emit e;

	emit_table_begin(&e, VIEW_TEXT, columns, ARRAY_SIZE(columns), out);
	for (size_t i = 0; i < g->n && !emit_cut(&e, g->n - i); i++)
		text_row(&e, l, &rows[i], names);
	view_note_dropped(l->exited_dropped,
			  "in no row; with them last_minute figures may be greater", out);
	return emit_table_end(&e);
}

static int as_json(const struct sites *l, const struct names *names, struct buf *out)
{
	const struct groups *g = &l->rows;
	const struct site_row *rows = (const void *)g->rows;

	buf_addc(out, '[');
	for (size_t i = 0; i < g->n; i++) {
		if (i)
			buf_addc(out, ',');
		json_row(l, &rows[i], names, out);
	}
	buf_adds(out, "]\n");
	return buf_error(out);
}

int view_sites(const struct view *v, struct view_query *q, struct buf *out)
{
	struct sites l = {.rows = GROUPS_INIT(struct site_row)};
	const struct names *names = model_names(v->model);
	int err = gather(v, q->proc, &l);

	if (!err)
		err = mark_growing(v, q->proc, &l);
	groups_sort(&l.rows, compare);
	if (!err)
		err = q->form == VIEW_JSON ? as_json(&l, names, out) : as_text(&l, names, out);
	groups_free(&l.rows);
	return err;
}
