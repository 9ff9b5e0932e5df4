/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a binary keeps variables of its runtime: the list of its goroutines, the table of
 * semaphores. For core/memory and tests. */
#ifndef XGOTOPFS_TARGET_ALLGS_H
#define XGOTOPFS_TARGET_ALLGS_H

#include "core/target/target.h"

/* Static addresses of runtime.allglen (uintptr) and runtime.allgptr (**g), runtime/proc.go. */
struct allgs_address {
	uint64_t len, ptr;
};

/* From the symbol table; in a stripped binary by decoding. -ENOSYS when neither has them. */
int allgs_find(const struct target *t, struct allgs_address *ret);
/* By decoding, whether or not there are symbols. */
int allgs_find_in_code(const struct target *t, struct allgs_address *ret);

/* The same of runtime.semtable (sema.go): its static address. */
int semtable_find(const struct target *t, uint64_t *ret);
int semtable_find_in_code(const struct target *t, uint64_t *ret);

#endif
