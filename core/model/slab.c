/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Large pages: slab.h. A slab's address is a multiple of its size, so that a piece finds it. */
#include "core/model/slab.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLAB_HEADER 64u

struct slab {
	struct slab *previous, *next; /* in the list of those with room */
	uint64_t free;                /* bit set of the pieces */
	uint64_t touched;             /* of those that are not zero any more */
};

_Static_assert(sizeof(struct slab) <= SLAB_HEADER, "the header's line");

static size_t whole(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

void *pages_new(size_t size)
{
	size_t length = whole(size, SLAB_SIZE);
	char *p, *begin;

	if (length < size || length > SIZE_MAX - SLAB_SIZE)
		return NULL;
	p = mmap(NULL, length + SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (p == MAP_FAILED)
		return NULL;
	begin = p + (SLAB_SIZE - (uintptr_t)p % SLAB_SIZE) % SLAB_SIZE;
	if (begin > p)
		munmap(p, (size_t)(begin - p));
	if (begin < p + SLAB_SIZE)
		munmap(begin + length, (size_t)(p + SLAB_SIZE - begin));
	(void)madvise(begin, length, MADV_HUGEPAGE); /* a hint */
	return begin;
}

void pages_free(void *p, size_t size)
{
	if (p)
		munmap(p, whole(size, SLAB_SIZE));
}

/* The first piece is behind the header, and aligned to its size where that is a power of two. */
static size_t first_piece(const struct slabs *s)
{
	return s->piece & (s->piece - 1) ? SLAB_HEADER : s->piece;
}

static unsigned pieces(const struct slabs *s)
{
	size_t n = (SLAB_SIZE - first_piece(s)) / s->piece;

	return n < 63 ? (unsigned)n : 63;
}

static void unlink_slab(struct slabs *s, struct slab *slab)
{
	if (slab->previous)
		slab->previous->next = slab->next;
	else
		s->room = slab->next;
	if (slab->next)
		slab->next->previous = slab->previous;
	slab->previous = slab->next = NULL;
}

static void link_slab(struct slabs *s, struct slab *slab)
{
	slab->next = s->room;
	if (s->room)
		s->room->previous = slab;
	s->room = slab;
}

void *slabs_get(struct slabs *s)
{
	struct slab *slab = s->room;
	unsigned at;
	char *p;

	if (!slab) {
		slab = pages_new(SLAB_SIZE);
		if (!slab)
			return NULL;
		slab->free = (1ull << pieces(s)) - 1;
		link_slab(s, slab);
	}
	at = (unsigned)__builtin_ctzll(slab->free);
	slab->free &= ~(1ull << at);
	if (!slab->free)
		unlink_slab(s, slab);
	p = (char *)slab + first_piece(s) + at * s->piece;
	if (slab->touched >> at & 1)
		memset(p, 0, s->piece);
	slab->touched |= 1ull << at;
	return p;
}

void slabs_put(struct slabs *s, void *piece)
{
	struct slab *slab = (struct slab *)((uintptr_t)piece / SLAB_SIZE * SLAB_SIZE);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = whole((uintptr_t)piece, page);
	size_t end = ((uintptr_t)piece + s->piece) / page * page;
	uint64_t bit = 1ull << ((size_t)((char *)piece - (char *)slab) - first_piece(s)) / s->piece;

	if (!slab->free)
		link_slab(s, slab);
	slab->free |= bit;
	if (slab->free == (1ull << pieces(s)) - 1) {
		unlink_slab(s, slab);
		pages_free(slab, SLAB_SIZE);
		return;
	}
	if (end > begin)
		(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}
