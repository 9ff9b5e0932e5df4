/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tiles of the time pyramid: of goroutines, and of a group as one row. Any thread. */
#include <errno.h>
#include <string.h>

#include "core/pyramid/pyramid.h"
#include "core/view/choose.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

static int read_place(struct view_query *q, uint64_t *level, uint64_t *index)
{
	int err = view_arg_u64(q, "level", 0, UINT64_MAX, 0, level);

	if (!err)
		err = view_arg_u64(q, "index", 0, UINT64_MAX, 0, index);
	if (err)
		return err;
	if (*level > PYRAMID_LEVEL_MAX)
		return view_refuse(q, -EINVAL, "levels are 0 to %d", PYRAMID_LEVEL_MAX);
	if (*index < (UINT64_MAX >> *level) / PYRAMID_TILE_BUCKETS)
		return 0;
	return view_refuse(q, -EINVAL, "tile %llu of level %u is past the end of time",
			   (unsigned long long)*index, (unsigned)*level);
}

int view_tile(const struct view *v, struct view_query *q, struct buf *out)
{
	uint64_t goids[VIEW_GOIDS_MAX], level, index;
	size_t n;
	int err = read_place(q, &level, &index);

	if (!err)
		err = view_arg_goids(q, goids, &n);
	if (err)
		return err;
	if (!v->pyramid)
		return -ENOSYS;
	return pyramid_tile(v->pyramid, v->model, q->proc, (unsigned)level, index, goids, n, out);
}

/* ?by=func&key=NAME or by=site: exactly these, whatever characters the name has. */
struct named {
	const struct names *names;
	const char *key; /* NULL: all */
	unsigned site;
};

static int read_named(struct view_query *q, struct named *ret)
{
	static const char *const bys[] = {"func", "site", NULL};
	const char *by = view_arg_text(q, "by");

	if (!by)
		return 0;
	ret->key = view_arg_text(q, "key");
	if (!ret->key || !*by || view_arg_word(q, "by", bys, &ret->site))
		return view_refuse(q, -EINVAL, "by: func or site, with a key");
	return 0;
}

static bool is_named(void *ctx, const struct goroutine *g)
{
	const struct named *x = ctx;
	cleanup_buf_ struct buf text = BUF_INIT;

	if (!x->key)
		return true;
	if (x->site)
		view_site_file(x->names, g->created_site_id, &text);
	else
		buf_adds(&text, names_string(x->names, g->start_func_id));
	return !strcmp(text.data ? text.data : "", x->key);
}

int view_group_tile(const struct view *v, struct view_query *q, struct buf *out)
{
	struct named named = {.names = model_names(v->model)};
	cleanup_free_ uint64_t *goids = NULL;
	uint64_t level, index;
	size_t n = 0;
	int err = read_place(q, &level, &index);

	if (!err)
		err = read_named(q, &named);
	if (!err)
		err = view_chosen_goids(v, q, is_named, &named, &goids, &n);
	if (err)
		return err;
	if (!v->pyramid)
		return -ENOSYS;
	return pyramid_group_tile(v->pyramid, q->proc, (unsigned)level, index, goids, n, out);
}
