/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The first `limit` of many things, by an order: a heap that never holds more. Memory is the
 * limit's, not the number's. Not thread-safe.
 */
#ifndef XGOTOPFS_BASE_TOP_H
#define XGOTOPFS_BASE_TOP_H

#include <stdbool.h>
#include <stddef.h>

struct top {
	size_t limit, size; /* size: of one thing */
	/* As qsort()'s; a total order gives the same answer whatever the order of adding. */
	int (*compare)(const void *a, const void *b);
	void *v; /* the heap, last of them first; in order after top_sort() */
	size_t n, cap;
	bool more; /* some were left out */
};

#define TOP_INIT(type, max, order)                                                                 \
	{                                                                                          \
		.limit = (max), .size = sizeof(type), .compare = (order)                           \
	}

/* Copies *item in, unless `limit` others come before it. 0 or -ENOMEM. */
int top_add(struct top *t, const void *item);
/* First to last. Nothing may be added after it. */
void top_sort(struct top *t);
void top_free(struct top *t);

#endif
