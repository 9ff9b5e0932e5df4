/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/view/waits/wait_stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/view/dump.h"
#include "core/view/problem_rules.h"

/* What the model knows of a goroutine whose stack is to come. */
struct known_wait {
	uint64_t goid, since_ns;
	uint16_t flags;
	uint32_t func_id, reason_id;
	uint8_t state;
};

struct wait_of {
	uint64_t goid;
	uint32_t row;
};

static int read_known(struct wait_stacks *w, unsigned proc)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	int err = model_pass_new(w->v->model, proc, &(struct model_which){.by_goid = true}, &pass);
	size_t cap = 0;

	while (!err && (g = model_pass_next(pass))) {
		if (w->n_known == cap) {
			cap = MAX((size_t)64, 2 * cap);
			struct known_wait *more = realloc(w->known, cap * sizeof(*more));

			if (!more)
				return -ENOMEM;
			w->known = more;
		}
		w->known[w->n_known++] = (struct known_wait){
			g->goid,          goroutine_began(g), g->flags,
			g->start_func_id, view_reason_id(g),  (uint8_t)view_state(g)};
	}
	return err;
}

/* --- rows ------------------------------------------------------------------------------------- */

static size_t add_text(struct wait_stacks *w, const char *text, size_t len)
{
	size_t at = w->texts.len;

	if (!len)
		return 0;
	buf_add(&w->texts, text, len);
	buf_addc(&w->texts, '\0');
	return at;
}

static void add_member(struct wait_stacks *w, struct wait_stack *row, uint64_t goid,
		       const struct known_wait *known)
{
	uint64_t ns = known ? view_since(w->now, known->since_ns) : 0;

	if (w->n == w->cap) {
		size_t cap = MAX((size_t)64, 2 * w->cap);
		struct wait_of *more = realloc(w->of, cap * sizeof(*more));

		if (!more) {
			w->err = -ENOMEM;
			return;
		}
		w->of = more;
		w->cap = cap;
	}
	w->of[w->n++] = (struct wait_of){goid, (uint32_t)((char *)row - w->rows.rows) /
						       (uint32_t)sizeof(*row)};
	if (!row->n++ || ns > row->oldest_ns) {
		memmove(row->sample + 1, row->sample, sizeof(row->sample) - sizeof(*row->sample));
		row->sample[0] = goid;
		row->oldest_ns = ns;
	} else if (row->n <= WAIT_SAMPLES) {
		row->sample[row->n - 1] = goid;
	}
	/* A stack is of another moment than the state: both have to say so. */
	row->n_calls += row->calls && known && known->state == GSTATE_SYSCALL && ns >= WAIT_CALL_NS;
	row->aged |= known != NULL;
	row->system |= known && known->flags & GOROUTINE_SYSTEM;
}

/* The row of a key, or none when there are too many. */
static struct wait_stack *row_of(struct wait_stacks *w, uint64_t key)
{
	struct wait_stack *row;

	if (w->rows.n >= WAIT_STACKS_MAX && !groups_find(&w->rows, key)) {
		w->left_out++;
		return NULL;
	}
	row = groups_row(&w->rows, key);
	if (!row)
		w->err = -ENOMEM;
	return row;
}

static bool text_is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(text, word, len);
}

static bool text_begins(const struct dump_frame *f, const char *with)
{
	return f->name_len >= strlen(with) && !memcmp(f->name, with, strlen(with));
}

static void name_frame(struct wait_stacks *w, const struct dump_frame *f, size_t *name, size_t *at)
{
	*name = f ? add_text(w, f->name, f->name_len) : 0;
	*at = f && f->at ? add_text(w, f->at, f->at_len) : 0;
}

static void name_frames(struct wait_stacks *w, struct wait_stack *row, const struct dump_stack *s)
{
	const struct dump_place place = dump_place(s);
	const struct dump_frame *end = s->frames + s->n;

	name_frame(w, place.frame, &row->frame, &row->frame_at);
	name_frame(w, place.own, &row->own, &row->own_at);
	row->own_is_start = place.own && place.own + 1 == end;
	for (const struct dump_frame *f = s->frames; f < end && f != place.own; f++) {
		row->roundtrip |= text_is(f->name, f->name_len, "net/http.(*Client).do");
		row->connects |= text_is(f->name, f->name_len, "net/http.(*Transport).getConn");
		row->child |= text_begins(f, "os.(*Process).");
	}
	/* A driver is below database/sql, who asked above; its own goroutines have nobody above. */
	for (const struct dump_frame *f = s->frames; f < end; f++) {
		row->pool |= text_is(f->name, f->name_len, "database/sql.(*DB).conn");
		row->queries |= text_begins(f, "database/sql.");
	}
	row->queries &= !row->pool && !text_begins(end - 1, "database/sql.");
}

/* "main.init.0", "example.com/x.init": what is called before main.main, by the runtime alone. */
static bool is_init(const struct dump_frame *f)
{
	size_t len = f->name_len;

	while (len && f->name[len - 1] >= '0' && f->name[len - 1] <= '9')
		len--;
	len -= len && len < f->name_len && f->name[len - 1] == '.';
	return len > 5 && !memcmp(f->name + len - 5, ".init", 5);
}

/* As other tables have it: main.main is called by runtime.main, which stacks do not show. */
static void name_start(struct wait_stacks *w, struct wait_stack *row, const struct dump_stack *s,
		       const struct known_wait *known)
{
	const struct dump_frame *outermost = &s->frames[s->n - 1];
	const char *name = known ? names_string(model_names(w->v->model), known->func_id) : "";

	row->func_id = known ? known->func_id : 0;
	row->start = *name ? add_text(w, name, strlen(name))
			   : add_text(w, outermost->name, outermost->name_len);
	row->init = !strcmp(name, "runtime.main") && is_init(outermost);
}

static void take_stack(void *ctx, const struct dump_stack *s)
{
	struct wait_stacks *w = ctx;
	const struct known_wait key = {.goid = s->goid}, *known = NULL;
	struct wait_stack *row;
	uint64_t hash;

	if (w->err)
		return;
	if (!s->n)
		return;
	if (w->n_known)
		known = bsearch(&key, w->known, w->n_known, sizeof(key), compare_u64);
	hash = hash_bytes(s->why, s->why_len, known && known->flags & GOROUTINE_SYSTEM);
	for (size_t i = 0; i < s->n; i++) {
		const struct dump_frame *f = &s->frames[i];

		hash = hash << 32 | hash_bytes(f->name, f->name_len, hash);
		if (f->at)
			hash ^= (uint64_t)hash_bytes(f->at, f->at_len, hash) << 16;
	}
	row = row_of(w, hash);
	if (!row)
		return;
	if (!row->n) {
		row->why = add_text(w, s->why, s->why_len);
		row->waits = !text_is(s->why, s->why_len, "runnable") &&
			     !text_is(s->why, s->why_len, "running") &&
			     !text_is(s->why, s->why_len, "syscall");
		row->calls = text_is(s->why, s->why_len, "syscall");
		name_frames(w, row, s);
		name_start(w, row, s, known);
	}
	add_member(w, row, s->goid, known);
}

static int take_dump(void *arg, const char *text, size_t len)
{
	struct wait_stacks *w = arg;

	dump_parse(text, len, take_stack, w);
	return w->err;
}

static int drop_rows(void *arg)
{
	struct wait_stacks *w = arg;

	groups_free(&w->rows);
	w->rows = (struct groups)GROUPS_INIT(struct wait_stack);
	w->texts.len = 1; /* add_text() */
	w->n = 0;
	return 0;
}

/* No stack is to be had: by what the model knows. */
static void take_known(struct wait_stacks *w)
{
	const struct names *names = model_names(w->v->model);

	for (size_t i = 0; i < w->n_known && !w->err; i++) {
		const struct known_wait *k = &w->known[i];
		const char *start = names_string(names, k->func_id),
			   *why = names_string(names, k->reason_id);
		struct wait_stack *row;

		if (!gstate_waits(k->state))
			continue;
		row = row_of(w, (uint64_t)k->func_id << 32 | k->reason_id);
		if (!row)
			continue;
		if (!row->n) {
			row->waits = true;
			row->why = add_text(w, why, strlen(why));
			row->start = add_text(w, start, strlen(start));
			row->func_id = k->func_id;
		}
		add_member(w, row, k->goid, k);
	}
}

/* --- what they wait on ------------------------------------------------------------------------ */

static struct wait_stack *row_at(const struct wait_stacks *w, uint32_t row)
{
	return (struct wait_stack *)(void *)w->rows.rows + row;
}

/* The object of a wait on one alone; 0, else its number plus 1. */
static uint64_t object_of(const struct wait_stacks *w, uint64_t goid)
{
	const struct wait_goroutine *g = wait_graph_goroutine(w->graph, goid);

	return g && g->n_waits == 1 ? w->graph->waits[g->waits].object + 1ull : 0;
}

/* One that more than half of them wait on remains; else any, and is counted as such. */
static void find_objects(struct wait_stacks *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct wait_stack *row = row_at(w, w->of[i].row);
		uint64_t object = object_of(w, w->of[i].goid);

		if (!object)
			continue;
		if (!row->n_on)
			row->object = object;
		row->n_on = row->object == object ? row->n_on + 1 : row->n_on - 1;
	}
	for (size_t i = 0; i < w->rows.n; i++)
		row_at(w, (uint32_t)i)->n_on = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct wait_stack *row = row_at(w, w->of[i].row);

		row->n_on += row->object && row->object == object_of(w, w->of[i].goid);
	}
}

const struct wait_object *wait_stack_object(const struct wait_stacks *w,
					    const struct wait_stack *row)
{
	return w->graph && row->n_on ? &w->graph->objects[row->object - 1] : NULL;
}

const struct wait_holder *wait_holder_of(const struct wait_graph *graph,
					 const struct wait_object *o)
{
	for (uint32_t i = 0; i < o->n_holders; i++) {
		const struct wait_holder *h = &graph->holders[o->holders + i];

		if (!h->waiter)
			return h;
	}
	return NULL;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int by_count(const void *a, const void *b, void *ctx)
{
	const struct wait_stacks *w = ctx;
	const struct wait_stack *x = row_at(w, *(const uint32_t *)a),
				*y = row_at(w, *(const uint32_t *)b);

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	if (x->oldest_ns != y->oldest_ns)
		return x->oldest_ns > y->oldest_ns ? -1 : 1;
	return x->sample[0] < y->sample[0] ? -1 : x->sample[0] > y->sample[0];
}

static int set_order(struct wait_stacks *w)
{
	w->order = calloc(w->rows.n + 1, sizeof(*w->order));
	if (!w->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->rows.n; i++)
		w->order[i] = i;
	qsort_r(w->order, w->rows.n, sizeof(*w->order), by_count, w);
	if (w->n)
		qsort(w->of, w->n, sizeof(*w->of), compare_u64);
	return 0;
}

int wait_stacks_read(const struct view *v, unsigned proc, bool graph, struct wait_stacks *w)
{
	const struct stack_taker taker = {w, take_dump, drop_rows};
	int err, stacks;

	*w = (struct wait_stacks){.v = v, .rows = GROUPS_INIT(struct wait_stack)};
	buf_addc(&w->texts, '\0');
	err = read_known(w, proc);
	w->now = view_now(v, proc);
	if (err)
		return err;
	stacks = view_each_stack(v, proc, LIVE_STACKS_LABELLED, &taker, &w->as_of_ns);
	w->stacks = stacks == 0 || w->n;
	if (!w->err && !w->stacks)
		take_known(w);
	if (graph && v->live->waits && v->live->waits(v->live->ctx, proc, 0, &w->graph))
		w->graph = NULL;
	if (w->graph)
		find_objects(w);
	err = w->err ? w->err : buf_error(&w->texts);
	return err ? err : set_order(w);
}

void wait_stacks_done(struct wait_stacks *w)
{
	if (w->graph)
		w->v->live->waits_put(w->v->live->ctx, w->graph);
	groups_free(&w->rows);
	buf_free(&w->texts);
	free(w->order);
	free(w->of);
	free(w->known);
}

const struct wait_stack *wait_stacks_row(const struct wait_stacks *w, size_t place)
{
	return row_at(w, w->order[place]);
}

const struct wait_stack *wait_stacks_of(const struct wait_stacks *w, uint64_t goid)
{
	const struct wait_of key = {.goid = goid},
			     *of = w->n ? bsearch(&key, w->of, w->n, sizeof(key), compare_u64)
					: NULL;

	return of ? row_at(w, of->row) : NULL;
}
