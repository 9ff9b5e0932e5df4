/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the runtime keeps variables of its own, in binaries with symbols and without. Any thread.
 */
#ifndef XGOTOPFS_TARGET_VARIABLES_H
#define XGOTOPFS_TARGET_VARIABLES_H

#include "core/target/target.h"

/* Static address of runtime.mheap_ (runtime/mheap.go). -ENOSYS when neither symbols nor code tell,
 * -ENOMEM. */
int variable_mheap(const struct target *t, uint64_t *ret);
/* The same by decoding, whether or not there are symbols. */
int variable_mheap_in_code(const struct target *t, uint64_t *ret);

/*
 * Static addresses of which one is runtime.allp's (runtime/runtime2.go), if any: those that
 * runtime.procresize() uses. Who asks tries them in a live process. The caller frees *ret.
 */
int variable_allp_candidates(const struct target *t, uint64_t **ret, size_t *ret_n);

/* In the same way: runtime.allfin or finq (mfinal.go), by runtime.queuefinalizer(). */
int variable_finalizer_candidates(const struct target *t, uint64_t **ret, size_t *ret_n);
/* runtime.gcCleanups (mcleanup.go, 1.25 on), by runtime.runCleanups(). */
int variable_cleanup_candidates(const struct target *t, uint64_t **ret, size_t *ret_n);
/* runtime.mbuckets (mprof.go), by runtime.mProf_FlushLocked(). */
int variable_buckets_candidates(const struct target *t, uint64_t **ret, size_t *ret_n);
/* runtime.MemProfileRate, by what runtime.profilealloc() reads, which has nextSample() in it
 * (malloc.go). */
int variable_profile_rate_candidates(const struct target *t, uint64_t **ret, size_t *ret_n);

#endif
