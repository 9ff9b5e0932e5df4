/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Goroutines, many of them: the table, chosen and sorted, and the rows the UI follows. Any thread.
 */
#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/top.h"
#include "core/view/choose.h"
#include "core/view/columns.h"
#include "core/view/goroutines/goroutine.h"
#include "core/view/query.h"
#include "core/view/waits/wait_stacks.h"

#define LIMIT_MAX     10000 /* in one answer in JSON */
#define STACKS_READ   2000  /* goroutines; of more the own frames are not shown */
#define LIMIT_USUALLY 1000
#define ROWS_MAX      200000 /* compact rows of one answer; `more` tells of the others */

/* --- the table -------------------------------------------------------------------------------- */

static uint64_t by_id(const struct goroutine *g, uint64_t now)
{
	return g->goid;
}

static uint64_t by_since(const struct goroutine *g, uint64_t now)
{
	return view_since(now, goroutine_began(g));
}

static uint64_t by_waiting(const struct goroutine *g, uint64_t now)
{
	return view_state_ns(g, GSTATE_WAITING, now);
}

static uint64_t by_runnable(const struct goroutine *g, uint64_t now)
{
	return view_state_ns(g, GSTATE_RUNNABLE, now);
}

static uint64_t by_alloc(const struct goroutine *g, uint64_t now)
{
	return g->alloc_bytes;
}

static uint64_t by_events(const struct goroutine *g, uint64_t now)
{
	return view_events_of(g);
}

static uint64_t by_last(const struct goroutine *g, uint64_t now)
{
	return g->last_event_ns;
}

typedef uint64_t sort_fn(const struct goroutine *g, uint64_t now);

#define SORT_ROW(name, value)  {#name, value},
#define SORT_NAME(name, value) #name ", "

static const struct {
	const char *name;
	sort_fn *value;
} sort_keys[] = {SORT_KEYS(SORT_ROW)};
static const char sort_names[] = SORT_KEYS(SORT_NAME);

/* One under way. */
struct listing {
	const struct view *v;
	uint64_t now, limit, offset, total, cut;
	sort_fn *sort;
	bool descending;
	struct proc_info info; /* `full` */
	bool full;
	const struct wait_stacks *stacks; /* NULL: too many to read */
	struct emit e;
	struct top top; /* struct sorted; empty when they are emitted as they come */
};

struct sorted {
	uint64_t value; /* the smallest first */
	struct goroutine g;
};

static int compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return x->g.goid < y->g.goid ? -1 : x->g.goid > y->g.goid;
}

static int read_sorting(struct view_query *q, struct listing *ret)
{
	const char *name = view_arg_text(q, "sort");

	ret->descending = view_arg_yes(q, "desc");
	ret->sort = by_id;
	for (size_t i = 0; name && *name; i++) {
		if (i == ARRAY_SIZE(sort_keys))
			return view_refuse(q, -EINVAL, "sort: one of %.*s",
					   (int)sizeof(sort_names) - 3, sort_names);
		if (strcmp(sort_keys[i].name, name))
			continue;
		ret->sort = sort_keys[i].value;
		break;
	}
	return 0;
}

/* Text is a whole table unless told otherwise, and so is a file. */
static int read_listing(struct view_query *q, struct listing *ret)
{
	bool part = q->arg && q->form == VIEW_JSON;

	ret->full = view_arg_yes(q, "full");
	if (ret->full && q->form != VIEW_JSON)
		return view_refuse(q, -EINVAL, "full: goes with JSON only");
	if (view_arg_u64(q, "limit", 1, part ? LIMIT_MAX : UINT64_MAX,
			 part ? LIMIT_USUALLY : UINT64_MAX, &ret->limit) ||
	    view_arg_u64(q, "offset", 0, UINT32_MAX, 0, &ret->offset))
		return -EINVAL;
	return read_sorting(q, ret);
}

static void emit_one(struct listing *l, const struct goroutine *g)
{
	struct buf *out = l->e.out;

	if (l->cut || emit_full(&l->e)) {
		l->cut++;
	} else if (l->full) {
		emit_row_separator(&l->e);
		view_emit_goroutine(l->v, &l->info, g, l->now, out);
		out->len -= !buf_error(out); /* its line end */
	} else {
		view_emit_row(&l->e, l->v, g, l->now, l->stacks);
	}
}

static int emit_next(void *ctx, const struct goroutine *g)
{
	struct listing *l = ctx;

	if (l->total++ >= l->offset && l->total - l->offset <= l->limit)
		emit_one(l, g);
	return buf_error(l->e.out);
}

static int keep_first(void *ctx, const struct goroutine *g)
{
	struct listing *l = ctx;
	uint64_t value = l->sort(g, l->now);
	struct sorted item = {.value = l->descending ? ~value : value, .g.goid = g->goid};

	l->total++;
	/* Most are none of the first, and need not be copied. */
	if (l->top.n == l->top.limit && compare(&item, l->top.v) > 0)
		return 0;
	item.g = *g;
	return top_add(&l->top, &item);
}

static void begin(struct listing *l, const struct view_query *q, struct buf *out)
{
	emit_table_begin(&l->e, q->form, view_goroutine_columns, view_n_goroutine_columns, out);
}

static int end(struct listing *l)
{
	if (l->cut)
		emit_cut(&l->e, l->cut);
	return emit_table_end(&l->e);
}

/* By number, all of them: as they come. */
static int list_all(struct listing *l, struct view_query *q, struct buf *out)
{
	int err;

	begin(l, q, out);
	err = view_each_chosen(l->v, q, true, emit_next, l);
	return err ? err : end(l);
}

/* Holds no more of them than are shown, and those before. */
static int list_some(struct listing *l, struct view_query *q, struct buf *out)
{
	bool wrapped = q->arg && q->form == VIEW_JSON;
	const struct sorted *list;
	int err;

	l->top = (struct top)TOP_INIT(struct sorted, sum_u64(l->offset, l->limit), compare);
	err = view_each_chosen(l->v, q, false, keep_first, l);
	if (err) {
		top_free(&l->top);
		return err;
	}
	top_sort(&l->top);
	list = l->top.v;
	if (wrapped) {
		buf_addc(out, '{');
		json_ku(out, "now_ns", l->now);
		json_ku(out, "total", l->total);
		json_key(out, "goroutines");
	}
	begin(l, q, out);
	for (size_t i = l->offset; i < l->top.n; i++)
		emit_one(l, &list[i].g);
	err = end(l);
	if (wrapped)
		buf_adds(out, "}\n");
	top_free(&l->top);
	return err ? err : buf_error(out);
}

/* Stacks of more would take longer than a table may. */
static bool has_few(const struct view *v, unsigned proc)
{
	struct model_totals totals;

	model_totals(v->model, (int)proc, &totals);
	return totals.live_total <= STACKS_READ;
}

int view_goroutines(const struct view *v, struct view_query *q, struct buf *out)
{
	struct listing l = {.v = v, .now = view_now(v, q->proc)};
	struct wait_stacks stacks = {.graph = NULL};
	size_t was = out->len;
	int err = read_listing(q, &l);

	if (!err)
		err = model_proc(v->model, q->proc, &l.info);
	if (err)
		return err;
	if (!l.full && has_few(v, q->proc) && !wait_stacks_read(v, q->proc, false, &stacks))
		l.stacks = &stacks;
	if (l.sort == by_id && !l.descending && l.limit == UINT64_MAX)
		err = list_all(&l, q, out);
	else
		err = list_some(&l, q, out);
	if (err && !out->err)
		out->len = was; /* nothing half-written */
	wait_stacks_done(&stacks);
	return err;
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
			view_site_file(t->names, id, &text);
		json_str(&t->json,
			 site ? (text.data ? text.data : "") : names_string(t->names, id));
		(*table)[id] = ++t->n;
		buf_free(&text);
	}
	return (*table)[id] - 1;
}

static uint32_t string_number(struct texts *t, uint32_t id)
{
	return text_number(t, &t->of_string, &t->strings_cap, id, false);
}

static uint32_t site_number(struct texts *t, uint32_t id)
{
	return text_number(t, &t->of_site, &t->sites_cap, id, true);
}

static void add_row(struct texts *t, const struct goroutine *g, struct buf *out)
{
	PACK(ROW_COLUMNS);
}

struct rows {
	const struct goroutine *list;
	size_t n;
	uint64_t now, kept; /* goroutines there are, live or exited */
	bool all, more;
};

static int render_rows(const struct names *names, const struct rows *rows, struct buf *out)
{
	struct texts texts = {.names = names};

	buf_addc(out, '{');
	json_ku(out, "now", rows->now);
	json_ku(out, "kept", rows->kept);
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
	return buf_error(out);
}

/* Of goroutines that are named, or chosen, those that changed; by number. */
static int choose_changed(const struct view *v, struct view_query *q, const struct model_some *some,
			  struct goroutine **ret, size_t *ret_n, bool *ret_more)
{
	struct view_pass *pass cleanup_view_pass_ = NULL;
	const struct goroutine *g;
	int err = view_pass_new(v, q, true, &pass);

	*ret_n = 0;
	while (!err && !*ret_more && (g = view_pass_next(pass))) {
		uint64_t last = MAX(MAX(g->last_event_ns, g->state_since_ns), g->exited_ns);

		if (g->goid <= some->after || last < some->since_ns)
			continue;
		*ret_more = *ret_n == some->limit;
		/* Grown when the count reaches a power of two. */
		if (!*ret_more && (*ret_n & (*ret_n - 1)) == 0) {
			struct goroutine *more =
				realloc(*ret, MAX((size_t)16, 2 * *ret_n) * sizeof(*more));

			if (!more)
				return -ENOMEM;
			*ret = more;
		}
		if (!*ret_more)
			(*ret)[(*ret_n)++] = *g;
	}
	return err;
}

/* All that are kept, as `goids` takes them: "1-3,7". */
static int render_numbers(const struct view *v, unsigned proc, struct buf *out)
{
	cleanup_free_ uint64_t *goids = NULL;
	uint64_t now = view_now(v, proc);
	size_t n = 0;
	int err = model_goids(v->model, proc, MODEL_BY_NOTHING, 0, &goids, &n);

	if (err)
		return err;
	buf_addc(out, '{');
	json_ku(out, "now", now);
	json_ku(out, "kept", n);
	json_key(out, "goids");
	buf_addc(out, '"');
	for (size_t i = 0, next; i < n; i = next) {
		next = i + 1;
		while (next < n && goids[next] == goids[next - 1] + 1)
			next++;
		if (i)
			buf_addc(out, ',');
		buf_addu(out, goids[i]);
		if (next > i + 1) {
			buf_addc(out, '-');
			buf_addu(out, goids[next - 1]);
		}
	}
	buf_adds(out, "\"}\n");
	return buf_error(out);
}

int view_rows(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_free_ struct goroutine *list = NULL;
	struct model_some some;
	bool chosen = view_chosen(q);
	struct rows rows = {.now = view_now(v, q->proc)};
	struct model_totals totals;
	uint64_t limit;
	int err = 0;

	if (view_arg_yes(q, "numbers"))
		return render_numbers(v, q->proc, out);
	if (view_arg_u64(q, "since", 0, UINT64_MAX, 0, &some.since_ns) ||
	    view_arg_u64(q, "after", 0, UINT64_MAX, 0, &some.after) ||
	    view_arg_u64(q, "limit", 1, UINT64_MAX, UINT64_MAX, &limit))
		return -EINVAL;
	some.limit = MIN(limit, (uint64_t)ROWS_MAX);
	if (chosen)
		err = choose_changed(v, q, &some, &list, &rows.n, &rows.more);
	else
		err = model_goroutines_some(v->model, q->proc, &some, &list, &rows.n, &rows.more);
	if (err)
		return err;
	model_totals(v->model, (int)q->proc, &totals);
	rows.kept = totals.live_total + totals.exited_retained;
	rows.all = !some.since_ns && !chosen;
	rows.list = list;
	return render_rows(model_names(v->model), &rows, out);
}
