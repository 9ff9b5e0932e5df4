/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where goroutines are, as a flame graph: by the stacks of those that do not run, read now from a
 * live target; or, where there are no stacks, by start function, go statement and state.
 */
#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/view/choose.h"
#include "core/view/profiles/flame.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

/* What is known of a goroutine whose stack is to come. */
struct known {
	uint64_t goid, since_ns;
};

struct gather {
	struct flame flame;
	struct known *known; /* by goid */
	size_t n;
	bool all; /* no filter: also those the model has not heard of yet */
	uint64_t now, without_stack, exited_dropped;
	uint64_t as_of_ns; /* of the stacks; 0: now */
};

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->goid < y->goid ? -1 : x->goid > y->goid;
}

static void take_stack(void *ctx, uint64_t goid, const struct flame_step *path, size_t n)
{
	struct gather *a = ctx;
	const struct known key = {.goid = goid}, *g = NULL;

	if (a->n)
		g = bsearch(&key, a->known, a->n, sizeof(key), compare_known);
	if (!g && !a->all)
		return;
	if (!n)
		a->without_stack++;
	else
		flame_add(&a->flame, path, n, goid, 1, g ? a->now - MIN(a->now, g->since_ns) : 0);
}

static int take_text(void *arg, const char *text, size_t len)
{
	struct gather *a = arg;

	flame_parse(text, len, take_stack, a);
	return a->flame.err;
}

static int read_known(struct view_pass *pass, struct gather *a)
{
	const struct goroutine *g;

	while ((g = view_pass_next(pass))) {
		/* Grown when the count reaches a power of two. */
		if ((a->n & (a->n - 1)) == 0) {
			struct known *known =
				realloc(a->known, MAX((size_t)64, 2 * a->n) * sizeof(*known));

			if (!known)
				return -ENOMEM;
			a->known = known;
		}
		a->known[a->n++] = (struct known){g->goid, g->state_since_ns};
	}
	return 0;
}

static int drop_text(void *arg)
{
	struct gather *a = arg;

	flame_free(&a->flame);
	a->flame = (struct flame){0};
	a->without_stack = 0;
	return 0;
}

/* The stacks are read after the goroutines: one of the dump is looked for in what was known before.
 */
static int by_stack(const struct view *v, unsigned proc, struct view_pass *pass, struct gather *a)
{
	int err = read_known(pass, a);

	a->now = view_now(v, proc);
	if (!err)
		err = view_each_stack(v, proc, LIVE_STACKS_LABELLED,
				      &(struct stack_taker){a, take_text, drop_text}, &a->as_of_ns);
	free(a->known);
	return err;
}

static void add_step(struct gather *a, struct flame_step path[3], const char *state,
		     const struct goroutine *g, bool in, uint64_t ns)
{
	path[2] =
		(struct flame_step){.kind = FLAME_STATE, .name = state, .name_len = strlen(state)};
	flame_add(&a->flame, path, 3, g->goid, in, ns);
}

static void add_origin(const struct view *v, struct gather *a, const struct goroutine *g)
{
	const struct names *names = model_names(v->model);
	cleanup_buf_ struct buf site = BUF_INIT;
	struct flame_step path[3] = {{.kind = FLAME_FUNCTION}, {.kind = FLAME_SITE}};
	unsigned state = view_state(g);

	view_site_file(names, g->created_site_id, &site);
	path[0].name = names_string(names, g->start_func_id);
	path[1].name = site.len ? site.data : "(go statement unknown)";
	if (!*path[0].name)
		path[0].name = "(function unknown)";
	for (unsigned i = 0; i < 2; i++)
		path[i].name_len = strlen(path[i].name);
	for (unsigned i = 0; i < GSTATES; i++) {
		bool in = i == state; /* dead, too */
		uint64_t ns = view_state_ns(g, i, a->now);

		if (ns || in)
			add_step(a, path, gstate_name(i), g, in, ns);
	}
	if (state == GSTATES)
		add_step(a, path, view_state_name(state), g, true, 0);
}

static int by_origin(const struct view *v, unsigned proc, struct view_pass *pass, struct gather *a)
{
	const struct goroutine *g;
	struct model_totals t;

	a->now = view_now(v, proc);
	while (!a->flame.err && (g = view_pass_next(pass)))
		add_origin(v, a, g);
	model_totals(v->model, (int)proc, &t);
	a->exited_dropped = t.exited_dropped;
	return a->flame.err;
}

static int as_json(const struct gather *a, bool origin, struct buf *out)
{
	buf_addc(out, '{');
	json_ks(out, "by", origin ? "origin" : "stack");
	json_ku(out, "now_ns", a->now);
	if (a->as_of_ns)
		json_ku(out, "as_of_ns", a->as_of_ns);
	json_ku(out, "goroutines", a->flame.n ? a->flame.v[0].goroutines : 0);
	json_ku(out, "without_stack", a->without_stack);
	if (origin)
		json_ku(out, "exited_dropped", a->exited_dropped);
	json_kb(out, "truncated", a->flame.truncated);
	json_key(out, "root");
	flame_render(&a->flame, out);
	buf_adds(out, "}\n");
	return buf_error(out);
}

static int as_text(const struct gather *a, bool ns, struct buf *out)
{
	flame_render_folded(&a->flame, ns, out);
	return buf_error(out);
}

enum by { BY_STACK, BY_ORIGIN };

static int show(const struct view *v, struct view_query *q, enum by by, struct buf *out)
{
	static const char *const formats[] = {"json", "folded", "text", NULL};
	static const char *const weights[] = {"goroutines", "ns", NULL};
	struct view_pass *pass cleanup_view_pass_ = NULL;
	struct gather a = {.all = !view_chosen(q)};
	unsigned format = 0, weight = 0;
	int err = view_arg_word(q, "format", formats, &format);

	if (!err && view_arg_text(q, "format"))
		q->form = format ? VIEW_TEXT : VIEW_JSON;
	if (!err)
		err = view_arg_word(q, "weight", weights, &weight);
	if (!err)
		err = view_pass_new(v, q, true, &pass); /* the tree grows in their order */
	if (err)
		return err;
	err = by == BY_ORIGIN ? by_origin(v, q->proc, pass, &a) : by_stack(v, q->proc, pass, &a);
	if (!err)
		err = q->form == VIEW_JSON ? as_json(&a, by == BY_ORIGIN, out)
					   : as_text(&a, weight, out);
	else if (err == -ENOSYS)
		view_refuse(q, err, "stacks: not available here (a replay, or not supported)");
	flame_free(&a.flame);
	return err;
}

int view_flame_stacks(const struct view *v, struct view_query *q, struct buf *out)
{
	return show(v, q, BY_STACK, out);
}

int view_flame_origin(const struct view *v, struct view_query *q, struct buf *out)
{
	return show(v, q, BY_ORIGIN, out);
}

int view_flame(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const bys[] = {"stack", "origin", "cpu", "alloc", NULL};
	static view_fn *const fns[] = {view_flame_stacks, view_flame_origin, view_flame_cpu,
				       view_flame_alloc};
	unsigned by = BY_STACK;
	int err = view_arg_word(q, "by", bys, &by);

	return err ? err : fns[by](v, q, out);
}
