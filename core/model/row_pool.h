/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Memory for the tables of what a goroutine allocated, most of which live as briefly as it does: by
 * size, from arenas that go back when nothing of them is in use. One thread at a time.
 */
#ifndef XGOTOPFS_MODEL_ROW_POOL_H
#define XGOTOPFS_MODEL_ROW_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/slab.h"

/* What it allocated of one type by one kind. */
struct row {
	uint32_t key;   /* row_key() of model_internal.h; 0: free */
	uint32_t count; /* ROW_FULL: another row with the key goes on */
	uint64_t bytes;
};

#define ROW_FULL UINT32_MAX

#define ROWS_BITS_MIN 3 /* a table has 1 << 3 rows or more: each row is in one cache line */
#define ROWS_BITS_MAX 7

struct arena;

struct row_pool {
	struct arena *room[ROWS_BITS_MAX + 1]; /* by bits: those with a free table */
	struct slabs slabs;                    /* where the later ones are */
	unsigned n_arenas;
};

/* 1 << bits rows, all zero, 64-aligned; NULL without memory. What the pool takes changes in
 * *memory. */
struct row *row_pool_get(struct row_pool *p, unsigned bits, size_t *memory);
void row_pool_put(struct row_pool *p, struct row *rows, size_t *memory);
/* All must have been put. */
void row_pool_free(struct row_pool *p);

#endif
