/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which goroutines a question is about: the arguments filter (filter.h) and goids, in one place.
 */
#ifndef XGOTOPFS_VIEW_CHOOSE_H
#define XGOTOPFS_VIEW_CHOOSE_H

#include "core/view/view.h"

#define VIEW_GOIDS_MAX 1024

/*
 * The goroutines that filter and goids name, live or exited; all without them. By goid and each
 * once, or as model_pass_new() has it, which is cheaper. 0, -EINVAL (`why`), -ENOMEM or -ENOENT (no
 * such process).
 */
struct view_pass;
struct window;

int view_pass_new(const struct view *v, struct view_query *q, bool by_goid, struct view_pass **ret);
/* The same where a time is asked about (stays.h; placed, and outlives the pass): `was:` in a filter
 * is of that time. Without one it is refused. */
int view_pass_new_in(const struct view *v, struct view_query *q, bool by_goid,
		     const struct window *w, struct view_pass **ret);
/* The next, until the next call; NULL at the end. */
const struct goroutine *view_pass_next(struct view_pass *p);
/* After the end, of one with a time: 0, or -ENOMEM: it was none. */
int view_pass_error(const struct view_pass *p);
void view_pass_free(struct view_pass *p); /* NULL is fine */

static inline void view_pass_freep(struct view_pass **p)
{
	view_pass_free(*p);
}
#define cleanup_view_pass_ __attribute__((cleanup(view_pass_freep)))

/* The same for each; anything but 0 from fn ends it, and is returned. */
typedef int view_goroutine_fn(void *ctx, const struct goroutine *g);
int view_each_chosen(const struct view *v, struct view_query *q, bool by_goid,
		     view_goroutine_fn *fn, void *ctx);
/* Only the numbers, ascending, of those that keep() has, too (NULL: all); the caller frees *ret. */
int view_chosen_goids(const struct view *v, struct view_query *q,
		      bool (*keep)(void *ctx, const struct goroutine *g), void *ctx, uint64_t **ret,
		      size_t *ret_n);
/* Is there a filter or a list of goids? */
bool view_chosen(const struct view_query *q);
/* goids=1,5,9-12 in the order given, at most VIEW_GOIDS_MAX. 0 or -EINVAL. */
int view_arg_goids(struct view_query *q, uint64_t ret[VIEW_GOIDS_MAX], size_t *ret_n);

#endif
