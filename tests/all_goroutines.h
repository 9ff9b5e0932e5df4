/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Copies of all goroutines of a process at once, for tests that hold them against something. The
 * program never makes such a list: it takes a pass, or some.
 */
#ifndef XGOTOPFS_TESTS_ALL_GOROUTINES_H
#define XGOTOPFS_TESTS_ALL_GOROUTINES_H

#include <errno.h>
#include <stdlib.h>

#include "core/model/model.h"

/* By ascending goid, each once; the caller frees. 0, -ENOMEM or -ENOENT. */
static inline int all_goroutines(struct model *m, unsigned proc, bool exited,
				 struct goroutine **ret, size_t *ret_n)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	struct model_which which = {.exited = exited, .by_goid = true};
	int err = model_pass_new(m, proc, &which, &pass);
	const struct goroutine *g;
	struct goroutine *all;
	size_t n = 0;

	*ret = NULL;
	*ret_n = 0;
	if (err)
		return err;
	all = calloc(model_pass_left(pass) + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	while ((g = model_pass_next(pass))) {
		/* One that ended and whose number came again may come twice. */
		if (n && all[n - 1].goid == g->goid)
			n--;
		all[n++] = *g;
	}
	*ret = all;
	*ret_n = n;
	return 0;
}

#endif
