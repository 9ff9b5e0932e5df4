/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The heap profile that a Go program keeps of itself (runtime/mprof.go), read from its memory
 * without stopping it: what each stack allocated that is still there, as of the end of the last
 * collection. A program keeps one when something in it can ask for it (net/http/pprof,
 * runtime/pprof, testing): the linker turns it off in any other. Any thread.
 */
#ifndef XGOTOPFS_MEMORY_HEAP_PROFILE_H
#define XGOTOPFS_MEMORY_HEAP_PROFILE_H

#include "core/target/target.h"

#define HEAP_PROFILE_CANDIDATES 32

/* Static addresses that may be runtime.mbuckets' and runtime.MemProfileRate's. */
struct heap_profile_at {
	uint64_t buckets[HEAP_PROFILE_CANDIDATES], rates[HEAP_PROFILE_CANDIDATES];
	size_t n_buckets, n_rates;
};
/* Decodes two functions: keep it. 0, -ENOSYS (nothing is found in this binary), -ENOMEM. */
int heap_profile_find(const struct target *t, struct heap_profile_at *ret);

/* What a stack allocated. Estimates, as Go's own profile has them: a sample stands for what is
 * likely to have been allocated beside it. */
struct heap_place {
	uint64_t id; /* that of the same stack in each reading */
	uint64_t in_use_objects, in_use_bytes;
	uint64_t alloc_objects, alloc_bytes;
	uint32_t first, n; /* of pcs: return addresses, static, innermost first */
};

struct heap_profile {
	uint64_t rate; /* bytes from one sample to the next; 0: the program keeps no profile */
	bool cut;      /* there are more than could be read */
	struct heap_place *places;
	size_t n, cap;
	uint64_t *pcs;
	size_t n_pcs, cap_pcs;
};

#define HEAP_PLACES_MAX (1u << 17)

/* `bias` as from target_load_bias(). The caller frees *ret with heap_profile_free(). -ESRCH,
 * -EPERM, -ENOMEM, -ENOSYS (what was found is none of them). */
int memory_heap_profile(const struct target *t, const struct heap_profile_at *at, pid_t pid,
			uint64_t bias, struct heap_profile **ret);
void heap_profile_free(struct heap_profile *p); /* NULL is fine */

static inline void heap_profile_freep(struct heap_profile **p)
{
	heap_profile_free(*p);
}
#define cleanup_heap_profile_ __attribute__((cleanup(heap_profile_freep)))

#endif
