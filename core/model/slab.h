/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Memory for very many goroutines, in large pages where the kernel has them: with small ones, most
 * of what an event costs among a million goroutines is finding out where they are, and much of
 * meeting them first is page faults. One thread at a time.
 */
#ifndef XGOTOPFS_MODEL_SLAB_H
#define XGOTOPFS_MODEL_SLAB_H

#include <stddef.h>

/* Zeroed memory that begins a large page; NULL without memory. */
void *pages_new(size_t size);
void pages_free(void *p, size_t size); /* NULL is fine */

/* Pieces of one size, SLAB_SIZE / 8 at most, cut from slabs of SLAB_SIZE bytes. */
#define SLAB_SIZE (2ul << 20)

struct slab;

struct slabs {
	struct slab *room; /* those with a free piece */
	size_t piece;      /* bytes, a multiple of 64: set by who makes it, else zero */
};

/* Zeroed; aligned to 64, or to the size of a piece where that is a power of two. NULL without
 * memory.
 */
void *slabs_get(struct slabs *s);
/* What is wholly free is given back, and so are the pages of what was put. */
void slabs_put(struct slabs *s, void *piece);

#endif
