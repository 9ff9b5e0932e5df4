/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/view/groups.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/util.h"

static char *row_at(const struct groups *g, size_t i)
{
	return g->rows + i * g->size;
}

static uint64_t key_at(const struct groups *g, size_t i)
{
	uint64_t key;

	memcpy(&key, row_at(g, i), sizeof(key));
	return key;
}

/* The slot of a key, or the free one where it belongs. */
static size_t find(const struct groups *g, uint64_t key)
{
	size_t at = hash_u64(key) & g->mask;

	while (g->slots[at] && key_at(g, g->slots[at] - 1) != key)
		at = (at + 1) & g->mask;
	return at;
}

static bool grow(struct groups *g)
{
	size_t cap = g->cap ? g->cap * 2 : 64;
	char *rows = realloc(g->rows, cap * g->size);
	uint32_t *slots = rows ? calloc(cap * 2, sizeof(*slots)) : NULL;

	if (rows)
		g->rows = rows;
	if (!slots)
		return false;
	free(g->slots);
	g->slots = slots;
	g->cap = cap;
	g->mask = cap * 2 - 1;
	for (size_t i = 0; i < g->n; i++)
		g->slots[find(g, key_at(g, i))] = (uint32_t)i + 1;
	return true;
}

void *groups_find(const struct groups *g, uint64_t key)
{
	size_t at = g->slots ? find(g, key) : 0;

	return g->slots && g->slots[at] ? row_at(g, g->slots[at] - 1) : NULL;
}

void *groups_row(struct groups *g, uint64_t key)
{
	char *row = groups_find(g, key);

	if (row)
		return row;
	if (g->n == UINT32_MAX || (g->n == g->cap && !grow(g)))
		return NULL;
	g->slots[find(g, key)] = (uint32_t)g->n + 1;
	row = row_at(g, g->n++);
	memset(row, 0, g->size);
	memcpy(row, &key, sizeof(key));
	return row;
}

void groups_sort(struct groups *g, int (*compare)(const void *a, const void *b))
{
	if (g->n)
		qsort(g->rows, g->n, g->size, compare);
	free(g->slots);
	g->slots = NULL;
}

void groups_free(struct groups *g)
{
	free(g->rows);
	free(g->slots);
	*g = (struct groups){.size = g->size};
}
