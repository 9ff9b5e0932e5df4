/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many goroutines each folder of by-state, by-wait, … has, of one look: who counts the folders
 * one after the other counts some goroutines twice and others not at all. Any thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory/wait_graph.h"
#include "core/model/functions.h"
#include "core/view/family.h"
#include "core/view/groups.h"
#include "core/view/probes.h"
#include "core/view/view_internal.h"

#define WITHOUT_FOLDER "(of these without a folder: goroutines from 2^40 on)"
#define LARGE_MAX      4096 /* so many of by-func are looked at one by one */

_Static_assert(VIEW_FOLDER_GOID_MAX == (1ull << 40) - 1, "as this and the README say");

struct count {
	uint64_t key, n;
};

/* In the first rows: all that is counted, and of those the ones without a folder. */
struct sums {
	uint64_t all, without;
	bool unread; /* there are more, which nobody has read yet */
	bool many;   /* without: nobody knows how many */
};

typedef void name_fn(const struct view *v, const struct count *c, struct buf *out);

static int most_first(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void emit_all(struct emit *e, const char *name, bool known, uint64_t n)
{
	emit_row(e);
	emit_string(e, NULL, name);
	if (known)
		emit_u64(e, NULL, n);
	else
		emit_unknown(e, NULL);
	emit_row_end(e);
}

/* The first row is all of them; while there are more that nobody has read yet, a row says so; and
 * one says how many of them the folders miss. */
static int show(const struct view *v, const struct view_query *q, struct groups *counts,
		const char *what, const struct sums *sums, name_fn *name, struct buf *out)
{
	const char *const columns[] = {what, "goroutines"};
	cleanup_buf_ struct buf text = BUF_INIT;
	const struct count *rows;
	struct emit e;

	groups_sort(counts, most_first);
	rows = (const void *)counts->rows;
	emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
	emit_all(&e, "(all)", !sums->unread, sums->all);
	if (sums->unread)
		emit_all(&e, "(" VIEW_UNREAD ")", false, 0);
	if (sums->without || sums->many)
		emit_all(&e, WITHOUT_FOLDER, !sums->many, sums->without);
	for (size_t i = 0; i < counts->n && !emit_cut(&e, counts->n - i); i++) {
		buf_reset(&text);
		name(v, &rows[i], &text);
		emit_row(&e);
		emit_string(&e, NULL, text.len ? text.data : "");
		emit_u64(&e, NULL, rows[i].n);
		emit_row_end(&e);
	}
	groups_free(counts);
	return emit_table_end(&e);
}

static int add(struct groups *counts, uint64_t key, uint64_t n)
{
	struct count *c = groups_row(counts, key);

	if (!c)
		return -ENOMEM;
	c->n += n;
	return 0;
}

/* --- what the model knows --------------------------------------------------------------------- */

static void add_state_name(const struct view *v, const struct count *c, struct buf *out)
{
	buf_adds(out, view_state_name((unsigned)c->key));
}

static void add_name(const struct view *v, const struct count *c, struct buf *out)
{
	buf_adds(out, view_key_name(v, (uint32_t)c->key));
}

/* Each goroutine once, by what one copy of it says. */
static int count_each(const struct view *v, const struct view_query *q, bool by_wait,
		      struct groups *counts, struct sums *sums)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	int err =
		model_pass_new(v->model, q->proc, &(struct model_which){.exited = !by_wait}, &pass);

	while (!err && (g = model_pass_next(pass))) {
		if (by_wait && !gstate_waits(view_state(g)))
			continue;
		sums->all++;
		sums->without += g->goid > VIEW_FOLDER_GOID_MAX;
		err = add(counts, by_wait ? g->reason_id : view_state(g), 1);
	}
	if (err)
		groups_free(counts);
	return err;
}

int view_count_states(const struct view *v, struct view_query *q, struct buf *out)
{
	struct groups counts = GROUPS_INIT(struct count);
	struct sums sums = {.unread = view_unread(v, q->proc)};
	int err = count_each(v, q, false, &counts, &sums);

	sums.unread |= view_unread(v, q->proc);
	return err ? err : show(v, q, &counts, "state", &sums, add_state_name, out);
}

int view_count_waits(const struct view *v, struct view_query *q, struct buf *out)
{
	struct groups counts = GROUPS_INIT(struct count);
	struct sums sums = {.unread = view_unread(v, q->proc)};
	int err = count_each(v, q, true, &counts, &sums);

	sums.unread |= view_unread(v, q->proc);
	return err ? err : show(v, q, &counts, "wait_reason", &sums, add_name, out);
}

/* Of those that live; looks at goroutines only where a number was ever as large. */
static int count_large(const struct view *v, unsigned proc, struct sums *sums)
{
	struct model_some large = {.after = VIEW_FOLDER_GOID_MAX, .limit = LARGE_MAX};
	cleanup_free_ struct goroutine *list = NULL;
	size_t n = 0;
	int err = model_goroutines_some(v->model, proc, &large, &list, &n, &sums->many);

	for (size_t i = 0; i < n && !err; i++)
		sums->without += !(list[i].flags & GOROUTINE_EXITED);
	return err;
}

int view_count_funcs(const struct view *v, struct view_query *q, struct buf *out)
{
	struct groups counts = GROUPS_INIT(struct count);
	cleanup_free_ struct model_function *list = NULL;
	struct sums sums = {.unread = view_unread(v, q->proc)};
	size_t n = 0;
	int err = model_functions(v->model, q->proc, &list, &n);

	if (!err)
		err = count_large(v, q->proc, &sums);
	for (size_t i = 0; i < n && !err; i++) {
		sums.all += list[i].live;
		/* One that all ended has a folder, too. */
		if (list[i].live || list[i].exited)
			err = add(&counts, list[i].func_id, list[i].live);
	}
	if (err) {
		groups_free(&counts);
		return err;
	}
	sums.unread |= view_unread(v, q->proc);
	return show(v, q, &counts, "function", &sums, add_name, out);
}

/* --- what memory tells ------------------------------------------------------------------------ */

static void add_address(const struct view *v, const struct count *c, struct buf *out)
{
	buf_addx(out, c->key);
}

/* One that waits on several is in several. */
int view_count_objects(const struct view *v, struct view_query *q, struct buf *out)
{
	struct groups counts = GROUPS_INIT(struct count);
	struct wait_graph *graph;
	struct proc_info info;
	struct sums sums = {0};
	int err = model_proc(v->model, q->proc, &info);

	if (!err)
		err = v->live->waits ? v->live->waits(v->live->ctx, q->proc, 0, &graph) : -ENOSYS;
	if (err)
		return err;
	for (size_t i = 0; i < graph->n_objects && !err; i++)
		err = add(&counts, graph->objects[i].address, graph->objects[i].n_waits);
	for (size_t i = 0; i < graph->n_goroutines; i++) {
		const struct wait_goroutine *g = &graph->goroutines[i];

		sums.all += g->n_waits > 0;
		sums.without += g->n_waits > 0 && g->goid > VIEW_FOLDER_GOID_MAX;
	}
	v->live->waits_put(v->live->ctx, graph);
	if (err) {
		groups_free(&counts);
		return err;
	}
	return show(v, q, &counts, "object", &sums, add_address, out);
}

/* Behind the entries that have the label of number i. */
static size_t next_label(const struct view_labels *labels, size_t i)
{
	const struct view_label *l = &labels->list[i++];

	while (i < labels->n && !strcmp(labels->list[i].key, l->key) &&
	       !strcmp(labels->list[i].value, l->value))
		i++;
	return i;
}

static size_t n_labels(const struct view_labels *labels, size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < labels->n; i = next_label(labels, i))
		n++;
	return n;
}

/* An empty one is known: it is called as its folder is. */
static void emit_label(struct emit *e, const char *text)
{
	if (*text)
		emit_string(e, NULL, text);
	else
		emit_as(e, NULL, "%empty", "\"\"");
}

/* By key and value, as the folders of by-label lie in each other. One with several labels is in
 * several. */
int view_count_labels(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const columns[] = {"label", "value", "goroutines"};
	struct view_labels labels;
	struct proc_info info;
	struct emit e;
	int err = model_proc(v->model, q->proc, &info);

	if (!err)
		err = view_labels(v, q->proc, &labels);
	if (err)
		return err;
	emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
	for (size_t i = 0, next; i < labels.n; i = next) {
		const struct view_label *l = &labels.list[i];

		if (emit_full(&e)) {
			emit_cut(&e, n_labels(&labels, i));
			break;
		}
		next = next_label(&labels, i);
		emit_row(&e);
		emit_label(&e, l->key);
		emit_label(&e, l->value);
		emit_u64(&e, NULL, next - i);
		emit_row_end(&e);
	}
	view_labels_done(&labels);
	return emit_table_end(&e);
}
