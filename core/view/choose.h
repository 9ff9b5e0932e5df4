/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which goroutines a question is about: the arguments filter (filter.h) and goids, in one place.
 */
#ifndef XGOTOPFS_VIEW_CHOOSE_H
#define XGOTOPFS_VIEW_CHOOSE_H

#include "core/view/view.h"

#define VIEW_GOIDS_MAX 1024

/* The goroutines that filter and goids name, live or exited, by goid; all without them. The caller
 * frees *ret. 0, -EINVAL (`why`), -ENOMEM or -ENOENT (no such process). */
int view_choose(const struct view *v, struct view_query *q, struct goroutine **ret, size_t *ret_n);
/* The same one after the other, without a list of them; in no order unless by_goid, or goids name
 * them. Anything but 0 from fn ends it, and is returned. */
typedef int view_goroutine_fn(void *ctx, const struct goroutine *g);
int view_each_chosen(const struct view *v, struct view_query *q, bool by_goid,
		     view_goroutine_fn *fn, void *ctx);
/* Is there a filter or a list of goids? */
bool view_chosen(const struct view_query *q);
/* goids=1,5,9-12 in the order given, at most VIEW_GOIDS_MAX. 0 or -EINVAL. */
int view_arg_goids(struct view_query *q, uint64_t ret[VIEW_GOIDS_MAX], size_t *ret_n);
/* Their numbers only; the caller frees *ret. 0 or -ENOMEM. */
int view_goids(const struct goroutine *list, size_t n, uint64_t **ret);

#endif
