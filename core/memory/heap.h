/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map of a live process's heap: which addresses lie in which object. Read from mheap_.allspans
 * (runtime/mheap.go) without stopping the process; spans that come or go meanwhile may be missing
 * or stand for what was there before. A map belongs to one thread.
 *
 * No address is typical of the heap (from 1.26 on it begins anywhere): a word is a pointer into it
 * when a span holds it.
 */
#ifndef XGOTOPFS_MEMORY_HEAP_H
#define XGOTOPFS_MEMORY_HEAP_H

#include "core/memory/goroutines.h"

#define HEAP_PAGE_SHIFT 13 /* runtime/malloc.go: 8 KiB everywhere */

struct heap_span {
	uint64_t base;      /* of its first object */
	uint64_t limit;     /* behind its last */
	uint64_t elem_size; /* of each object */
	uint64_t objects;   /* places for them */
	uint64_t first;     /* how many objects all spans before it have */
	uint64_t specials;  /* address of the first runtime.special; 0 none */
	bool noscan;        /* its objects have no pointers */
};

struct heap {
	struct heap_span *spans; /* in use, by base, none over another; n of them */
	size_t n;
	uint64_t objects; /* places for them: free ones count, too */
	uint64_t bytes;   /* of all spans in use */
	uint64_t skipped; /* entries of allspans that made no sense: torn, or not a span */
	struct heap_index *index;
};

#define HEAP_SPANS_MAX (1u << 26)   /* 512 GiB in spans of a page */
#define HEAP_BYTES_MAX (1ULL << 40) /* of all spans; the map takes 4 bytes for each 8 KiB */

/*
 * *ret is freed with heap_free(). -ENOSYS (mheap_ cannot be found in this binary, or what is there
 * is no list of spans), -E2BIG (more than HEAP_BYTES_MAX, or so it says), -ESRCH, -EPERM, -EFAULT,
 * -ENOMEM.
 */
int heap_read(const struct target *t, pid_t pid, uint64_t bias, struct heap **ret);
void heap_free(struct heap *h); /* NULL is fine */

/* The span that holds this address in one of its objects; NULL when none does. */
const struct heap_span *heap_span_at(const struct heap *h, uint64_t addr);

/* Which object of its span; addr is inside. */
static inline uint64_t heap_object_in_span(const struct heap_span *s, uint64_t addr)
{
	return (addr - s->base) / s->elem_size;
}

static inline void heap_freep(struct heap **h)
{
	heap_free(*h);
}
#define cleanup_heap_ __attribute__((cleanup(heap_freep)))

/* From spans that are there already, for tests: they are copied and sorted. -EINVAL when two
 * overlap. */
int heap_from_spans(const struct heap_span *spans, size_t n, struct heap **ret);

#endif
