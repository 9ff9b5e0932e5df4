/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goroutines did in a time range, as a table by one key: why they waited, their start
 * function, who woke them, where they were made, or where they allocated. One function adds to it,
 * whatever the key, so that all of these tables count the same stays and allocations as `range`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/view/choose.h"
#include "core/view/groups.h"
#include "core/view/query.h"
#include "core/view/stays.h"
#include "core/view/view_internal.h"

#define ROWS_SHOWN 1000
#define ROWS_MAX   5000

enum by { BY_REASON, BY_FUNCTION, BY_WAKER, BY_WAKER_FUNCTION, BY_SITE, BY_CALLER };
static const char *const by_names[] = {"reason", "function", "waker", "waker_function",
				       "site",   "caller",   NULL};

/* Keys that are no number of a name, of a goroutine, or of a place. */
#define KEY_NO_NUMBER 0
#define KEY_BESIDE                                                                                 \
	(1ull << 32)           /* reason: and the state, of one that does not wait; waker: and its \
				  start function */
#define KEY_GOES_ON UINT64_MAX /* waker: the wait is not over */

/* States that have a column of their own; all others are one. */
enum column { RUNNING, RUNNABLE, WAITING, SYSCALL, OTHER, COLUMNS };

struct row {
	uint64_t key;
	uint64_t goroutines, last; /* last: the one it was added to for, by its turn */
	uint64_t stays, ns, max_ns, state_ns[COLUMNS];
	uint64_t allocations, bytes;
};

struct table {
	const struct view *v;
	struct window window;
	struct missing missing;
	unsigned by, sort;
	uint64_t offset, limit;
	struct groups rows;
	struct row total;     /* its key is nothing */
	struct groups wakers; /* struct waker */
	unsigned proc;
	const struct goroutine *g; /* under way */
	uint64_t turn;             /* of g, from 1 on */
	int err;
};

struct waker {
	uint64_t goid;
	uint32_t func_id;
	bool looked;
};

static unsigned column_of(unsigned state)
{
	if (gstate_waits(state))
		return WAITING;
	return state == GSTATE_RUNNING    ? RUNNING
	       : state == GSTATE_RUNNABLE ? RUNNABLE
	       : state == GSTATE_SYSCALL  ? SYSCALL
					  : OTHER;
}

/* --- what belongs together ------------------------------------------------------------------- */

/* Looked for once each. */
static uint64_t waker_function(struct table *t, uint64_t goid)
{
	struct waker *waker = groups_row(&t->wakers, goid);
	struct goroutine g;

	if (!waker) {
		t->err = -ENOMEM;
		return KEY_NO_NUMBER;
	}
	if (!waker->looked && !model_goroutine(t->v->model, t->proc, goid, &g))
		waker->func_id = g.start_func_id;
	waker->looked = true;
	return KEY_BESIDE | waker->func_id;
}

static uint64_t waker_key(struct table *t, const struct stay *stay)
{
	/* With the process, too: nobody woke it. */
	if (!stay->end || (t->window.end_ns && stay->end >= t->window.end_ns && !stay->ended_by))
		return KEY_GOES_ON;
	if (!stay->ended_by || t->by == BY_WAKER)
		return stay->ended_by;
	return waker_function(t, stay->ended_by);
}

/* Of a stay, or of an allocation; false: it is in no row of this table. */
static bool key_of(struct table *t, const struct stay *stay, const struct event *ev, uint64_t *ret)
{
	switch (t->by) {
	case BY_REASON:
		*ret = !stay                       ? 0
		       : gstate_waits(stay->state) ? stay->reason_id
						   : KEY_BESIDE | stay->state;
		return stay;
	case BY_WAKER:
	case BY_WAKER_FUNCTION:
		if (!stay || !gstate_waits(stay->state))
			return false;
		*ret = waker_key(t, stay);
		return true;
	case BY_FUNCTION:
		*ret = t->g->start_func_id;
		return true;
	case BY_SITE:
		*ret = t->g->created_site_id;
		return true;
	default:
		*ret = ev ? ev->site_id : 0;
		return ev;
	}
}

static struct row *row_for(struct table *t, const struct stay *stay, const struct event *ev)
{
	struct row *row;
	uint64_t key;

	if (!key_of(t, stay, ev, &key))
		return NULL;
	row = groups_row(&t->rows, key);
	if (!row) {
		t->err = -ENOMEM;
		return NULL;
	}
	row->goroutines += row->last != t->turn;
	row->last = t->turn;
	t->total.goroutines += t->total.last != t->turn;
	t->total.last = t->turn;
	return row;
}

static void count_stay(struct row *row, unsigned state, uint64_t ns)
{
	row->stays++;
	row->ns = sum_u64(row->ns, ns);
	row->max_ns = MAX(row->max_ns, ns);
	row->state_ns[column_of(state)] = sum_u64(row->state_ns[column_of(state)], ns);
}

static void count_allocation(struct row *row, uint64_t bytes)
{
	row->allocations++;
	row->bytes = sum_u64(row->bytes, bytes);
}

static void add_stay(void *ctx, const struct stay *stay)
{
	struct table *t = ctx;
	uint64_t ns = window_inside(&t->window, stay);
	struct row *row = ns ? row_for(t, stay, NULL) : NULL;

	if (!row)
		return;
	count_stay(row, stay->state, ns);
	count_stay(&t->total, stay->state, ns);
}

static void add_allocation(struct table *t, const struct event *ev)
{
	const struct window *w = &t->window;
	struct row *row;
	uint64_t bytes;

	if (!event_is_allocation(ev->type) || ev->goid != t->g->goid || ev->time_ns < w->from ||
	    ev->time_ns >= w->to)
		return;
	row = row_for(t, NULL, ev);
	if (!row)
		return;
	bytes = names_allocated(model_names(t->v->model), ev);
	count_allocation(row, bytes);
	count_allocation(&t->total, bytes);
}

static int add_goroutine(void *ctx, const struct goroutine *g, const struct event *events, size_t n)
{
	struct table *t = ctx;

	t->turn++;
	t->g = g;
	for (size_t i = 0; i < n && !t->err; i++)
		add_allocation(t, &events[i]);
	if (!t->err)
		window_walk(&t->window, g, events, n, add_stay, t);
	return t->err;
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *or_unknown(const char *text, const char *unknown)
{
	return *text ? text : unknown;
}

/* What a key is called, where that is one word; a place is more. */
static const char *word_of(const struct table *t, uint64_t key)
{
	const char *name = names_string(model_names(t->v->model), (uint32_t)key);

	if (t->by == BY_FUNCTION)
		return or_unknown(name, "(function unknown)");
	if (t->by == BY_REASON)
		return key & KEY_BESIDE ? view_state_name((unsigned)(uint32_t)key)
					: or_unknown(name, "(reason unknown)");
	if (key == KEY_GOES_ON)
		return "(not over)";
	if (key == KEY_NO_NUMBER)
		return "(itself, the runtime, or not known)";
	return or_unknown(name, "(function unknown)");
}

static void add_key(const struct table *t, uint64_t key, struct buf *out)
{
	size_t len = out->len;

	if (t->by == BY_REASON && key == (KEY_BESIDE | GSTATES)) {
		buf_adds(out, "(state unknown)");
	} else if (t->by == BY_REASON && key & KEY_BESIDE) {
		buf_addf(out, "(%s)", word_of(t, key));
	} else if (t->by == BY_WAKER && key != KEY_NO_NUMBER && key != KEY_GOES_ON) {
		buf_addu(out, key);
	} else if (t->by == BY_SITE || t->by == BY_CALLER) {
		view_site_file(model_names(t->v->model), (uint32_t)key, out);
		if (out->len == len)
			buf_adds(out,
				 t->by == BY_SITE ? "(go statement unknown)" : "(caller unknown)");
	} else {
		buf_adds(out, word_of(t, key));
	}
}

/* --- order ------------------------------------------------------------------------------------ */

static uint64_t by_time(const struct row *row)
{
	return row->ns;
}

static uint64_t by_longest(const struct row *row)
{
	return row->max_ns;
}

static uint64_t by_stays(const struct row *row)
{
	return row->stays;
}

static uint64_t by_goroutines(const struct row *row)
{
	return row->goroutines;
}

static uint64_t by_bytes(const struct row *row)
{
	return row->bytes;
}

static uint64_t by_allocations(const struct row *row)
{
	return row->allocations;
}

static uint64_t by_key(const struct row *row)
{
	(void)row;
	return 0;
}

enum sort { SORT_TIME, SORT_LONGEST, SORT_STAYS, SORT_GOROUTINES, SORT_BYTES, SORT_ALLOCATIONS };
static const char *const sort_names[] = {"time",  "longest",     "stays", "goroutines",
					 "bytes", "allocations", "key",   NULL};
static uint64_t (*const sort_values[])(const struct row *row) = {
	by_time, by_longest, by_stays, by_goroutines, by_bytes, by_allocations, by_key};

static int compare_places(const struct names *names, uint32_t a, uint32_t b)
{
	const struct site *x = names_site(names, a), *y = names_site(names, b);
	int order = strcmp(names_string(names, x->func_id), names_string(names, y->func_id));

	if (!order)
		order = strcmp(names_string(names, x->file_id), names_string(names, y->file_id));
	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Equal ones by what they are called, so that a live program and its recording agree. */
static int compare(const void *a, const void *b, void *ctx)
{
	const struct table *t = ctx;
	const struct row *x = a, *y = b;
	uint64_t vx = sort_values[t->sort](x), vy = sort_values[t->sort](y);
	int order = 0;

	if (vx != vy)
		return vx > vy ? -1 : 1;
	if (t->by == BY_SITE || t->by == BY_CALLER)
		order = compare_places(model_names(t->v->model), (uint32_t)x->key,
				       (uint32_t)y->key);
	else if (t->by != BY_WAKER)
		order = strcmp(word_of(t, x->key), word_of(t, y->key));
	return order ? order : (x->key > y->key) - (x->key < y->key);
}

/* What a table by this key has; the rest is none in its rows and in their sum, and not 0. */
static bool counts_allocations(const struct table *t)
{
	return t->by == BY_FUNCTION || t->by == BY_SITE || t->by == BY_CALLER;
}

static bool counts_stays(const struct table *t)
{
	return t->by != BY_CALLER;
}

/* Wakers end waits alone. */
static bool counts_column(const struct table *t, unsigned column)
{
	return counts_stays(t) &&
	       (column == WAITING || (t->by != BY_WAKER && t->by != BY_WAKER_FUNCTION));
}

/* --- as text ---------------------------------------------------------------------------------- */

static void emit_sum(struct emit *e, bool has, uint64_t value)
{
	if (has)
		emit_u64(e, NULL, value);
	else
		emit_none(e, NULL);
}

static void emit_row_of(struct emit *e, const struct table *t, const struct row *row)
{
	cleanup_buf_ struct buf key = BUF_INIT;
	bool is_waker = t->by == BY_WAKER && row->key && row->key != KEY_GOES_ON;
	struct goroutine waker;

	add_key(t, row->key, &key);
	buf_addc(&key, '\0');
	emit_row(e);
	emit_string(e, NULL, buf_error(&key) ? "" : key.data);
	if (!is_waker)
		emit_none(e, NULL);
	else if (model_goroutine(t->v->model, t->proc, row->key, &waker))
		emit_unknown(e, NULL);
	else
		emit_string(e, NULL, names_string(model_names(t->v->model), waker.start_func_id));
	emit_u64(e, NULL, row->goroutines);
	emit_sum(e, counts_stays(t), row->stays);
	emit_sum(e, counts_stays(t), row->ns);
	emit_sum(e, counts_stays(t), row->max_ns);
	for (unsigned i = 0; i < COLUMNS; i++)
		emit_sum(e, counts_column(t, i), row->state_ns[i]);
	emit_sum(e, counts_allocations(t), row->allocations);
	emit_sum(e, counts_allocations(t), row->bytes);
	emit_row_end(e);
}

static int emit_rows(const struct table *t, enum view_form form, struct buf *out)
{
	static const char *const columns[] = {
		"key",      "function",    "goroutines",  "stays",      "total_ns",
		"max_ns",   "running_ns",  "runnable_ns", "waiting_ns", "syscall_ns",
		"other_ns", "allocations", "alloc_bytes"};
	const struct row *rows = (const void *)t->rows.rows;
	uint64_t first = MIN(t->offset, t->rows.n), n = MIN(t->limit, t->rows.n - first);
	struct emit e;

	emit_table_begin(&e, form, columns, ARRAY_SIZE(columns), out);
	for (uint64_t i = first; i < first + n; i++)
		emit_row_of(&e, t, &rows[i]);
	return emit_table_end(&e);
}

static void json_sum(const char *key, bool has, uint64_t value, struct buf *out)
{
	if (has)
		json_ku(out, key, value);
	else
		view_json_text(key, NULL, out);
}

static int as_json(const struct table *t, struct buf *out)
{
	buf_addc(out, '{');
	json_ks(out, "by", by_names[t->by]);
	json_ks(out, "sort", sort_names[t->sort]);
	json_ku(out, "from", t->window.from);
	json_ku(out, "to", window_to(&t->window));
	json_ku(out, "since_ns", t->window.since_ns);
	json_kb(out, "exact", !t->missing.here && window_exact(&t->window));
	json_ku(out, "exited_dropped", t->missing.dropped);
	json_kb(out, "exited_missing", t->missing.here);
	json_ku(out, "offset", t->offset);
	json_ku(out, "total", t->rows.n);
	json_key(out, "sum");
	buf_addc(out, '{');
	json_ku(out, "goroutines", t->total.goroutines);
	json_sum("stays", counts_stays(t), t->total.stays, out);
	json_sum("total_ns", counts_stays(t), t->total.ns, out);
	json_sum("allocations", counts_allocations(t), t->total.allocations, out);
	json_sum("alloc_bytes", counts_allocations(t), t->total.bytes, out);
	buf_addc(out, '}');
	json_key(out, "rows");
	emit_rows(t, VIEW_JSON, out);
	buf_adds(out, "}\n");
	return buf_error(out);
}

static int as_text(const struct table *t, struct buf *out)
{
	uint64_t shown = MIN(sum_u64(t->offset, t->limit), t->rows.n);

	emit_rows(t, VIEW_TEXT, out);
	if (shown < t->rows.n)
		buf_addf(out, "... cut: %llu rows more (offset, limit)\n",
			 (unsigned long long)(t->rows.n - shown));
	window_note(&t->window, out);
	if (t->missing.here)
		view_note_dropped(t->missing.dropped, "not exact, what they did is not in it", out);
	return buf_error(out);
}

static int read_query(const struct view *v, struct table *t, struct view_query *q)
{
	int err = view_arg_word(q, "by", by_names, &t->by);

	t->sort = t->by == BY_CALLER ? SORT_BYTES : SORT_TIME;
	if (!err)
		err = view_arg_word(q, "sort", sort_names, &t->sort);
	if (!err)
		err = window_read(v, q, &t->window);
	if (!err)
		err = view_arg_u64(q, "offset", 0, UINT32_MAX, 0, &t->offset);
	if (!err)
		err = view_arg_u64(q, "limit", 1, ROWS_MAX, ROWS_SHOWN, &t->limit);
	return err;
}

int view_range_by(const struct view *v, struct view_query *q, struct buf *out)
{
	struct table t = {.v = v,
			  .rows = GROUPS_INIT(struct row),
			  .wakers = GROUPS_INIT(struct waker),
			  .proc = q->proc};
	int err = read_query(v, &t, q);

	if (!err)
		err = window_pass(&t.window, v, q, add_goroutine, &t, &t.missing);
	if (!err && t.rows.n)
		qsort_r(t.rows.rows, t.rows.n, sizeof(struct row), compare, &t);
	if (!err)
		err = q->form == VIEW_JSON ? as_json(&t, out) : as_text(&t, out);
	groups_free(&t.rows);
	groups_free(&t.wakers);
	return err;
}
