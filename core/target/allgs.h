/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a binary keeps the list of its goroutines. For goroutines.c and its test. */
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

#endif
