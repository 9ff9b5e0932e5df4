/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A source in one page, to be held against another: by state, and by start function. */
#include <errno.h>
#include <string.h>

#include "web/rest.h"

struct summary_row {
	uint64_t goroutines, live, alloc_bytes, events;
	uint64_t ns[GSTATES];
};

static void add(struct summary_row *row, const struct goroutine *g, uint64_t now)
{
	bool live = !(g->flags & GOROUTINE_EXITED);

	row->goroutines++;
	row->live += live;
	row->alloc_bytes = sum_u64(row->alloc_bytes, g->alloc_bytes);
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		row->events += g->counts[i];
	for (unsigned i = 0; i < GSTATES; i++)
		row->ns[i] = sum_u64(row->ns[i], g->state_ns[i]);
	if (live && g->state < GSTATES)
		row->ns[g->state] = sum_u64(row->ns[g->state], now - MIN(now, g->state_since_ns));
}

static void render_ns(const struct summary_row *row, struct buf *out)
{
	json_key(out, "state_ns");
	buf_addc(out, '{');
	for (unsigned i = 0; i < GSTATES; i++) {
		if (row->ns[i])
			json_ku(out, gstate_name(i), row->ns[i]);
	}
	buf_addc(out, '}');
}

static void render_row(const struct summary_row *row, struct buf *out)
{
	json_ku(out, "goroutines", row->goroutines);
	json_ku(out, "live", row->live);
	json_ku(out, "alloc_bytes", row->alloc_bytes);
	json_ku(out, "events", row->events);
	render_ns(row, out);
}

static int compare_function(const void *a, const void *b)
{
	const struct goroutine *x = a, *y = b;

	return x->start_func_id < y->start_func_id ? -1 : x->start_func_id > y->start_func_id;
}

/* `list` by function: one row for each run of the same. */
static void render_functions(const struct names *names, const struct goroutine *list, size_t n,
			     uint64_t now, struct buf *out)
{
	struct summary_row row = {0};
	bool any = false;

	json_key(out, "functions");
	buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		add(&row, &list[i], now);
		if (i + 1 < n && list[i + 1].start_func_id == list[i].start_func_id)
			continue;
		buf_adds(out, any ? ",{" : "{");
		json_ks(out, "function", names_string(names, list[i].start_func_id));
		render_row(&row, out);
		buf_addc(out, '}');
		row = (struct summary_row){0};
		any = true;
	}
	buf_addc(out, ']');
}

static void render(const struct source *s, unsigned proc, const struct goroutine *list, size_t n,
		   struct buf *out)
{
	uint64_t now = rest_now(s), in[GSTATES] = {0}, exited = 0;
	struct summary_row all = {0};
	struct model_totals t;

	model_totals(s->view.model, (int)proc, &t);
	for (size_t i = 0; i < n; i++) {
		add(&all, &list[i], now);
		if (list[i].flags & GOROUTINE_EXITED)
			exited++;
		else if (list[i].state < GSTATES)
			in[list[i].state]++;
	}
	buf_addc(out, '{');
	render_row(&all, out);
	json_ku(out, "exited_dropped", t.exited_dropped);
	json_key(out, "states");
	buf_addc(out, '{');
	for (unsigned i = 0; i < GSTATES; i++) {
		if (in[i])
			json_ku(out, gstate_name(i), in[i]);
	}
	json_ku(out, "exited", exited);
	buf_addc(out, '}');
	render_functions(model_names(s->view.model), list, n, now, out);
	buf_adds(out, "}\n");
}

int rest_summary(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	struct source *s = rest_source(rq, rs);
	unsigned proc;
	size_t n = 0;
	int err = 0;

	if (!s)
		return 0;
	if (!rest_proc(rq, rs, s, &proc)) {
		err = model_goroutines(s->view.model, proc, true, &list, &n);
		if (!err) {
			if (n)
				qsort(list, n, sizeof(*list), compare_function);
			render(s, proc, list, n, &rs->body);
		}
	}
	rest_done(rq, s);
	return err;
}
