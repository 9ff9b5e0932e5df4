/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where goroutines are, as a flame graph: by the stacks of those that do not run, read now from a
 * live target; or, where there are no stacks, by start function, go statement and state.
 */
#include <errno.h>
#include <string.h>

#include "core/view/flame.h"
#include "web/rest.h"

struct gather {
	struct flame flame;
	const struct goroutine *list; /* by goid */
	size_t n;
	bool all; /* no filter: also those the model has not heard of yet */
	uint64_t now, without_stack;
};

static void take_stack(void *ctx, uint64_t goid, const struct flame_step *path, size_t n)
{
	struct gather *a = ctx;
	const struct goroutine *g = model_listed(a->list, a->n, goid);
	if (!g && !a->all)
		return;
	if (!n)
		a->without_stack++;
	else
		flame_add(&a->flame, path, n, goid, 1,
			  g ? a->now - MIN(a->now, g->state_since_ns) : 0);
}

static int take_text(void *arg, const char *text, size_t len)
{
	struct gather *a = arg;

	flame_parse(text, len, take_stack, a);
	return a->flame.err;
}

/* Read after the list was copied: a goroutine of the dump is looked for in what was known before.
 */
static int by_stack(const struct source *s, unsigned proc, struct gather *a)
{
	a->now = rest_now(s);
	return view_each_stack(&s->view, proc, take_text, a);
}

static void add_origin(const struct source *s, struct gather *a, const struct goroutine *g)
{
	const struct names *names = model_names(s->view.model);
	cleanup_buf_ struct buf site = BUF_INIT;
	struct flame_step path[3] = {{.kind = FLAME_FUNCTION}, {.kind = FLAME_SITE}};
	bool exited = g->flags & GOROUTINE_EXITED;

	rest_site(names, g->created_site_id, &site);
	path[0].name = names_string(names, g->start_func_id);
	path[1].name = site.len ? site.data : "(go statement unknown)";
	if (!*path[0].name)
		path[0].name = "(function unknown)";
	for (unsigned i = 0; i < 2; i++)
		path[i].name_len = strlen(path[i].name);
	for (unsigned i = 0; i < GSTATES; i++) {
		bool in = !exited && i == g->state;
		uint64_t ns = g->state_ns[i] + (in ? a->now - MIN(a->now, g->state_since_ns) : 0);

		if (!ns && !in)
			continue;
		path[2] = (struct flame_step){.kind = FLAME_STATE, .name = gstate_name(i)};
		path[2].name_len = strlen(path[2].name);
		flame_add(&a->flame, path, 3, g->goid, in, ns);
	}
	if (exited) {
		path[2] = (struct flame_step){.kind = FLAME_STATE, .name = "exited", .name_len = 6};
		flame_add(&a->flame, path, 3, g->goid, 1, 0);
	}
}

static int by_origin(const struct source *s, struct gather *a)
{
	a->now = rest_now(s);
	for (size_t i = 0; i < a->n; i++)
		add_origin(s, a, &a->list[i]);
	return a->flame.err;
}

/* One of two words; the first unless given. -EINVAL: answered. */
static int choose(const struct request *rq, struct response *rs, const char *key, const char *first,
		  const char *second, bool *ret_second)
{
	const char *v = http_arg(rq, key);

	*ret_second = v && !strcmp(v, second);
	if (!v || !*v || *ret_second || !strcmp(v, first))
		return 0;
	http_error(rs, 400, "%s: %s or %s is expected", key, first, second);
	return -EINVAL;
}

static void answer(const struct gather *a, bool origin, struct buf *out)
{
	buf_addc(out, '{');
	json_ks(out, "by", origin ? "origin" : "stack");
	json_ku(out, "now_ns", a->now);
	json_ku(out, "goroutines", a->flame.n ? a->flame.v[0].goroutines : 0);
	json_ku(out, "without_stack", a->without_stack);
	json_kb(out, "truncated", a->flame.truncated);
	json_key(out, "root");
	flame_render(&a->flame, out);
	buf_adds(out, "}\n");
}

int rest_flame(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	const char *filter = http_arg(rq, "filter"), *goids = http_arg(rq, "goids");
	bool origin, folded, ns;
	struct gather a = {.all = !(filter && *filter) && !(goids && *goids)};
	struct source *s;
	unsigned proc;
	int err = 0;

	if (choose(rq, rs, "by", "stack", "origin", &origin) ||
	    choose(rq, rs, "format", "json", "folded", &folded) ||
	    choose(rq, rs, "weight", "goroutines", "ns", &ns))
		return 0;
	s = rest_chosen(rq, rs, &proc, &list, &a.n);
	if (!s)
		return 0;
	a.list = list;
	err = origin ? by_origin(s, &a) : by_stack(s, proc, &a);
	if (err == -ENOSYS || err == -ESRCH || err == -ENOENT) {
		err = http_errno(rs, err, "stacks");
	} else if (!err && folded) {
		rs->content_type = "text/plain; charset=utf-8";
		flame_render_folded(&a.flame, ns, &rs->body);
	} else if (!err) {
		answer(&a, origin, &rs->body);
	}
	flame_free(&a.flame);
	rest_done(rq, s);
	return err;
}
