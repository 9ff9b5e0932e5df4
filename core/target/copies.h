/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the compiler copied a function of the runtime into others. A build with a profile (-pgo)
 * does that to whatever is hot; who probes the function alone sees the calls that are left. The
 * tables of inlined calls name every copy, in a stripped binary too. Any thread.
 */
#ifndef XGOTOPFS_TARGET_COPIES_H
#define XGOTOPFS_TARGET_COPIES_H

#include "core/target/target.h"

/* A stretch of `func` that came from functions[which], directly or through others. */
struct copy {
	struct go_func func;
	uint64_t lo, hi; /* [lo, hi) */
	unsigned which;
	int32_t call; /* which of the calls that were replaced so: a number within func */
};

/* Anything but 0 ends it. */
typedef int copy_fn(void *arg, const struct copy *copy);

#define COPIES_NAMES_MAX 12

/*
 * Every stretch of the runtime's own functions that was copied from one of the n named ones, in
 * address order; one that came through several of them is told for each. Others than the runtime's
 * have none: what is called from outside of it is not seen whole by the compiler (go:linkname), or
 * calls through a table or on another stack. Returns what fn did, or -ENOMEM.
 */
int copies_each(const struct target *t, const char *const *functions, unsigned n, copy_fn *fn,
		void *arg);
/* Those in one function, of the program's as well. */
int copies_in(const struct target *t, const struct go_func *func, const char *const *functions,
	      unsigned n, copy_fn *fn, void *arg);

#endif
