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
static int keep_named(struct view_query *q, const struct names *names, struct goroutine *list,
		      size_t *n)
{
	static const char *const bys[] = {"func", "site", NULL};
	const char *by = view_arg_text(q, "by"), *key = view_arg_text(q, "key");
	unsigned site = 0;
	size_t kept = 0;

	if (!by)
		return 0;
	if (!key || !*by || view_arg_word(q, "by", bys, &site))
		return view_refuse(q, -EINVAL, "by: func or site, with a key");
	for (size_t i = 0; i < *n; i++) {
		cleanup_buf_ struct buf text = BUF_INIT;

		if (site)
			view_site_file(names, list[i].created_site_id, &text);
		else
			buf_adds(&text, names_string(names, list[i].start_func_id));
		if (!strcmp(text.data ? text.data : "", key))
			list[kept++] = list[i];
	}
	*n = kept;
	return 0;
}

int view_group_tile(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_free_ struct goroutine *list = NULL;
	cleanup_free_ uint64_t *goids = NULL;
	uint64_t level, index;
	size_t n = 0;
	int err = read_place(q, &level, &index);

	if (!err)
		err = view_choose(v, q, &list, &n);
	if (!err)
		err = keep_named(q, model_names(v->model), list, &n);
	if (!err)
		err = view_goids(list, n, &goids);
	if (err)
		return err;
	if (!v->pyramid)
		return -ENOSYS;
	return pyramid_group_tile(v->pyramid, q->proc, (unsigned)level, index, goids, n, out);
}
