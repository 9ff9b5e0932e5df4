/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hits by what causes them. See hits.h. */
#include "core/view/process/hits.h"

#include <errno.h>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/base/top.h"

#define SHOWN 20

struct hit_row {
	uint64_t key;
	uint64_t n;
	uint32_t site_id;
	uint8_t type, from, to;
};

void hits_init(struct hits *h, const struct view *v)
{
	uint32_t rates[RATES];

	*h = (struct hits){.rows = GROUPS_INIT(struct hit_row)};
	h->by_states = !view_rates(v, rates) || rates[EVENT_CASGSTATUS];
}

void hits_free(struct hits *h)
{
	groups_free(&h->rows);
}

bool hits_has(const struct hits *h, const struct event *ev)
{
	if (ev->type == EVENT_NEWGOROUTINE || ev->type == EVENT_GOEXIT)
		return !h->by_states;
	return ev->type < EVENT_TYPES;
}

int hits_add(struct hits *h, const struct event *ev)
{
	bool state = ev->type == EVENT_CASGSTATUS;
	uint32_t what = state ? (uint32_t)ev->from << 8 | ev->to : ev->site_id;
	struct hit_row *row = groups_row(&h->rows, (uint64_t)ev->type << 32 | what);

	if (!row)
		return -ENOMEM;
	row->n++;
	row->type = ev->type;
	row->site_id = state ? 0 : ev->site_id;
	row->from = ev->from;
	row->to = ev->to;
	h->all++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct hit_row *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void add_site(const struct view *v, const struct hit_row *row, struct buf *out)
{
	if (row->type == EVENT_CASGSTATUS)
		buf_addf(out, "%s to %s", gstate_name(row->from), gstate_name(row->to));
	else if (row->site_id)
		view_site_file(model_names(v->model), row->site_id, out);
	else
		buf_addc(out, '?');
}

static void emit_hit(const struct hits *h, const struct view *v, const struct hit_row *row,
		     double seconds, enum view_form form, struct buf *out)
{
	cleanup_buf_ struct buf site = BUF_INIT;
	double rate = seconds > 0 ? (double)row->n / seconds : 0;
	double percent = 100 * (double)row->n / (double)h->all;
	struct emit e;

	add_site(v, row, &site);
	if (form == VIEW_JSON) {
		emit_begin(&e, VIEW_JSON, out);
		emit_double(&e, "hits_per_second", rate, 0);
		emit_double(&e, "percent", percent, 1);
		emit_string(&e, "event", event_type_name(row->type));
		emit_string(&e, "cause", site.data ? site.data : "");
		buf_addc(out, '}');
		return;
	}
	buf_addf(out, "%10.0f %6.1f %-12s ", rate, percent, event_type_name(row->type));
	text_line(out, site.data ? site.data : "");
	buf_addc(out, '\n');
}

int hits_emit(const struct hits *h, const struct view *v, double seconds, enum view_form form,
	      struct buf *out)
{
	struct top top = TOP_INIT(struct hit_row, SHOWN, compare);
	const struct hit_row *rows = (const void *)h->rows.rows;
	int err = 0;

	for (size_t i = 0; i < h->rows.n && !err; i++)
		err = top_add(&top, &rows[i]);
	if (!err)
		top_sort(&top);
	rows = top.v;
	if (form == VIEW_JSON)
		buf_addc(out, '[');
	else
		buf_adds(out, "    HITS/S      % EVENT        CAUSED AT\n");
	for (size_t i = 0; i < top.n && !err; i++) {
		if (i && form == VIEW_JSON)
			buf_addc(out, ',');
		emit_hit(h, v, &rows[i], seconds, form, out);
	}
	if (form == VIEW_JSON)
		buf_addc(out, ']');
	else if (top.more)
		buf_addf(out, "... cut: %zu more\n", h->rows.n - top.n);
	top_free(&top);
	return err;
}
