/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a binary keeps how many numbers of goroutines it gave out. For core/memory and its test. */
#ifndef XGOTOPFS_TARGET_GOIDS_H
#define XGOTOPFS_TARGET_GOIDS_H

#include "core/target/target.h"

/*
 * Static addresses of runtime.sched.goidgen (uint64), the last number that was given to a P or to a
 * C thread, and of runtime.allp ([]*p). A P takes GOID_BATCH numbers at a time (runtime/proc.go,
 * newproc1) and keeps what it has not used: go_layout.p_goidcache.
 */
struct goids_address {
	uint64_t goidgen, allp;
};

#define GOID_BATCH 16

/* From the symbol table; in a stripped binary for amd64 by decoding. -ENOSYS when neither has them,
 * or this release's P is not known. */
int goids_find(const struct target *t, struct goids_address *ret);
/* By decoding, whether or not there are symbols. */
int goids_find_in_code(const struct target *t, struct goids_address *ret);

#endif
