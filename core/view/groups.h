/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of a table that is summed up by a key, found by it. Not thread-safe. */
#ifndef XGOTOPFS_VIEW_GROUPS_H
#define XGOTOPFS_VIEW_GROUPS_H

#include <stddef.h>
#include <stdint.h>

struct groups {
	size_t size; /* of a row, which begins with its uint64_t key */
	char *rows;
	size_t n, cap;
	uint32_t *slots; /* number of the row plus 1; 0 free */
	size_t mask;
};

#define GROUPS_INIT(type)                                                                          \
	{                                                                                          \
		.size = sizeof(type)                                                               \
	}

/* The row of a key, all zero but for the key when it is new; until the next call. NULL: no memory.
 */
void *groups_row(struct groups *g, uint64_t key);
/* The same where it is there already; else NULL. */
void *groups_find(const struct groups *g, uint64_t key);
/* Orders the rows, as qsort(): nothing is found by its key any more. */
void groups_sort(struct groups *g, int (*compare)(const void *a, const void *b));
void groups_free(struct groups *g);

#endif
