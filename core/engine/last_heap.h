/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The heap profiles that programs keep of themselves (live.h), as they were read from time to time:
 * the last one, for when the process has ended, and of earlier ones what each stack had in use, so
 * that what grows can be told. Bounded: LAST_HEAPS processes, LAST_HEAP_POINTS readings of each,
 * further and further apart, LAST_HEAP_BYTES together. Any thread.
 */
#ifndef XGOTOPFS_ENGINE_LAST_HEAP_H
#define XGOTOPFS_ENGINE_LAST_HEAP_H

#include "core/view/live.h"

#define LAST_HEAPS       64
#define LAST_HEAP_POINTS 16
#define LAST_HEAP_NS     (10 * NS_PER_SEC) /* between two, at first */
/* A program may say that it has as many stacks as are read of one at most, and so may many. */
#define LAST_HEAP_BYTES (256u << 20)

struct last_heap;

int last_heap_new(struct last_heap **ret);
void last_heap_free(struct last_heap *l); /* NULL is fine */

/* Is there something new to read: has the process collected its heap since, and was that some time
 * ago? `cycles`: how often it has. */
bool last_heap_is_due(struct last_heap *l, unsigned proc, uint64_t cycles, uint64_t now_ns);
/* It was read, after so many cycles, which took so long; h, which it takes, may be NULL: it could
 * not be. */
void last_heap_take(struct last_heap *l, unsigned proc, uint64_t cycles, uint64_t took_ns,
		    struct live_heap *h);
/* Says what each place had in use at the last reading that is as old as since_ns, or at the first.
 */
void last_heap_compare(struct last_heap *l, unsigned proc, uint64_t since_ns, struct live_heap *h);
/* The last one, compared; the caller frees it. -ESRCH: there is none. */
int last_heap_give(struct last_heap *l, unsigned proc, uint64_t since_ns, struct live_heap **ret);

#endif
