/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables of rows: row_pool.h. An arena's address is a multiple of its size, so that a table finds
 * it.
 */
#include "core/model/row_pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE   (32u << 10)
#define ARENAS_SMALL 16 /* those behind are in large pages, which a small program need not have */

struct arena {
	struct arena *previous, *next; /* in the pool's list of those with room */
	void *free;                    /* used before; each begins with the next */
	unsigned used, fresh;          /* tables from `fresh` on were never used */
	uint8_t bits;
	bool large; /* it is in a slab */
};

_Static_assert(sizeof(struct arena) <= sizeof(struct row) << ROWS_BITS_MIN,
	       "the first table's place");
_Static_assert(SLAB_SIZE % ARENA_SIZE == 0, "arenas are aligned");

static size_t table_size(unsigned bits)
{
	return sizeof(struct row) << bits;
}

static unsigned tables(const struct arena *a)
{
	return (unsigned)(ARENA_SIZE / table_size(a->bits));
}

static void link_arena(struct row_pool *p, struct arena *a)
{
	a->previous = NULL;
	a->next = p->room[a->bits];
	if (a->next)
		a->next->previous = a;
	p->room[a->bits] = a;
}

static void unlink_arena(struct row_pool *p, struct arena *a)
{
	if (a->previous)
		a->previous->next = a->next;
	else
		p->room[a->bits] = a->next;
	if (a->next)
		a->next->previous = a->previous;
}

static struct arena *arena_new(struct row_pool *p, unsigned bits)
{
	bool large = p->n_arenas >= ARENAS_SMALL;
	struct arena *a;

	p->slabs.piece = ARENA_SIZE;
	a = large ? slabs_get(&p->slabs) : aligned_alloc(ARENA_SIZE, ARENA_SIZE);
	if (!a)
		return NULL;
	*a = (struct arena){.fresh = 1, .bits = (uint8_t)bits, .large = large};
	p->n_arenas++;
	link_arena(p, a);
	return a;
}

static void arena_free(struct row_pool *p, struct arena *a)
{
	unlink_arena(p, a);
	p->n_arenas--;
	if (a->large)
		slabs_put(&p->slabs, a);
	else
		free(a);
}

struct row *row_pool_get(struct row_pool *p, unsigned bits, size_t *memory)
{
	struct arena *a = p->room[bits];
	struct row *rows;

	if (!a) {
		a = arena_new(p, bits);
		if (!a)
			return NULL;
		*memory += ARENA_SIZE;
	}
	rows = a->free;
	if (rows)
		memcpy(&a->free, rows, sizeof(a->free));
	else
		rows = (struct row *)((char *)a + a->fresh++ * table_size(bits));
	if (++a->used == tables(a) - 1)
		unlink_arena(p, a);
	memset(rows, 0, table_size(bits));
	return rows;
}

void row_pool_put(struct row_pool *p, struct row *rows, size_t *memory)
{
	struct arena *a = (struct arena *)((uintptr_t)rows / ARENA_SIZE * ARENA_SIZE);

	memcpy(rows, &a->free, sizeof(a->free));
	a->free = rows;
	if (a->used-- == tables(a) - 1)
		link_arena(p, a);
	/* One is kept for what comes. */
	if (a->used || (p->room[a->bits] == a && !a->next))
		return;
	*memory -= ARENA_SIZE;
	arena_free(p, a);
}

void row_pool_free(struct row_pool *p)
{
	for (unsigned bits = ROWS_BITS_MIN; bits <= ROWS_BITS_MAX; bits++) {
		while (p->room[bits])
			arena_free(p, p->room[bits]);
	}
}
