/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * allspans is a slice of pointers to mspans, which lie outside the heap, are never given back to
 * the system and are used again. A span's fields are read while the runtime may be setting it up:
 * what does not fit together is skipped and counted.
 *
 * An address is looked up in two steps: its arena of 64 MiB by hash, the page in it by index.
 */
#include "core/memory/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/memory/memory.h"
#include "core/target/variables.h"

#define SPAN_IN_USE   1 /* mheap.go mSpanInUse */
#define ADDRESS_BITS  48
#define ARENA_SHIFT   26
#define ARENA_PAGES   (1u << (ARENA_SHIFT - HEAP_PAGE_SHIFT))
#define SPANS_AT_ONCE 4096
#define SORTED_FROM   (1u << 20) /* spans; of more each is kept once from the beginning */
#define ELEM_SIZE_MIN 8
#define TRIES         8

struct arena {
	uint64_t number; /* address >> ARENA_SHIFT; pages == NULL: a free slot */
	uint32_t *pages; /* index of the span + 1; 0: none */
};

struct heap_index {
	struct arena *arenas; /* hashed, 1 << bits of them */
	unsigned bits;
	size_t n;
	uint64_t lo, hi; /* of all spans */
};

static size_t arena_slot(const struct heap_index *x, uint64_t number)
{
	size_t mask = ((size_t)1 << x->bits) - 1;
	size_t i = hash_u64(number) & mask;

	while (x->arenas[i].pages && x->arenas[i].number != number)
		i = (i + 1) & mask;
	return i;
}

const struct heap_span *heap_span_at(const struct heap *h, uint64_t addr)
{
	const struct heap_index *x = h->index;
	const struct heap_span *s;
	const struct arena *a;
	uint32_t i;

	if (addr < x->lo || addr >= x->hi)
		return NULL;
	a = &x->arenas[arena_slot(x, addr >> ARENA_SHIFT)];
	if (!a->pages)
		return NULL;
	i = a->pages[addr >> HEAP_PAGE_SHIFT & (ARENA_PAGES - 1)];
	if (!i)
		return NULL;
	s = &h->spans[i - 1];
	return addr >= s->base && addr < s->limit ? s : NULL;
}

/* --- making the index ----------------------------------------------------------------------- */

static int by_base(const void *a, const void *b)
{
	const struct heap_span *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

static int index_grow(struct heap_index *x)
{
	struct heap_index bigger = {.bits = x->bits ? x->bits + 1 : 6};

	bigger.arenas = calloc((size_t)1 << bigger.bits, sizeof(*bigger.arenas));
	if (!bigger.arenas)
		return -ENOMEM;
	for (size_t i = 0; x->bits && i < (size_t)1 << x->bits; i++)
		if (x->arenas[i].pages)
			bigger.arenas[arena_slot(&bigger, x->arenas[i].number)] = x->arenas[i];
	free(x->arenas);
	x->arenas = bigger.arenas;
	x->bits = bigger.bits;
	return 0;
}

static int index_page(struct heap_index *x, uint64_t addr, uint32_t span)
{
	struct arena *a;

	if (!x->bits || x->n * 2 >= (size_t)1 << x->bits) {
		int err = index_grow(x);

		if (err)
			return err;
	}
	a = &x->arenas[arena_slot(x, addr >> ARENA_SHIFT)];
	if (!a->pages) {
		a->pages = calloc(ARENA_PAGES, sizeof(*a->pages));
		if (!a->pages)
			return -ENOMEM;
		a->number = addr >> ARENA_SHIFT;
		x->n++;
	}
	a->pages[addr >> HEAP_PAGE_SHIFT & (ARENA_PAGES - 1)] = span;
	return 0;
}

/* Sorts, drops what lies over another: read at two moments, a page went from one to the other. */
static void sort_spans(struct heap *h)
{
	size_t n = 0;

	if (h->n)
		qsort(h->spans, h->n, sizeof(*h->spans), by_base);
	for (size_t i = 0; i < h->n; i++) {
		if (n && h->spans[i].base < h->spans[n - 1].limit)
			h->skipped++;
		else
			h->spans[n++] = h->spans[i];
	}
	h->n = n;
}

/* Sorts, counts. */
static int make_index(struct heap *h)
{
	size_t n;

	sort_spans(h);
	n = h->n;
	for (size_t i = 0; i < n; i++) {
		struct heap_span *s = &h->spans[i];

		s->first = h->objects;
		s->objects = (s->limit - s->base) / s->elem_size;
		h->objects += s->objects;
		h->bytes += s->limit - s->base;
	}
	/* Who leaves spans out calls what only they lead to unreachable. */
	if (h->bytes > HEAP_BYTES_MAX)
		return -E2BIG;
	h->index = calloc(1, sizeof(*h->index));
	if (!h->index)
		return -ENOMEM;
	if (!n)
		return index_grow(h->index);
	h->index->lo = h->spans[0].base;
	h->index->hi = h->spans[n - 1].limit;
	for (size_t i = 0; i < n; i++) {
		const struct heap_span *s = &h->spans[i];

		for (uint64_t at = s->base; at < s->limit; at += 1u << HEAP_PAGE_SHIFT) {
			int err = index_page(h->index, at, (uint32_t)i + 1);

			if (err)
				return err;
		}
	}
	return 0;
}

/* --- reading -------------------------------------------------------------------------------- */

static uint64_t word(const uint8_t *span, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, span + offset, sizeof(value));
	return value;
}

/* False: not in use (no fault), or it cannot be a span (counted). */
static bool take_span(const struct go_heap_layout *l, const uint8_t *bytes, struct heap *h,
		      struct heap_span *ret)
{
	uint64_t pages = word(bytes, l->span_pages), room;

	if (bytes[l->span_state] != SPAN_IN_USE)
		return false;
	*ret = (struct heap_span){
		.base = word(bytes, l->span_base),
		.limit = word(bytes, l->span_limit),
		.elem_size = word(bytes, l->span_elem_size),
		.specials = word(bytes, l->span_specials),
		.noscan = bytes[l->span_class] & 1, /* mheap.go spanClass */
	};
	room = pages << HEAP_PAGE_SHIFT;
	if (!ret->base || ret->base % (1u << HEAP_PAGE_SHIFT) || ret->base >> ADDRESS_BITS ||
	    !pages || pages >= 1ULL << (ADDRESS_BITS - HEAP_PAGE_SHIFT) ||
	    ret->limit <= ret->base || ret->limit - ret->base > room ||
	    ret->elem_size < ELEM_SIZE_MIN || ret->elem_size > room) {
		h->skipped++;
		return false;
	}
	/* Whole objects only. */
	ret->limit = ret->base + (ret->limit - ret->base) / ret->elem_size * ret->elem_size;
	if (ret->limit == ret->base)
		ret->limit = ret->base + ret->elem_size;
	return true;
}

struct span_reader {
	pid_t pid;
	const struct go_heap_layout *layout;
	size_t size; /* bytes of an mspan that are read */
	uint64_t *pointers;
	uint8_t *bytes;
	struct memory_piece *pieces;
};

static void reader_done(struct span_reader *r)
{
	free(r->pointers);
	free(r->bytes);
	free(r->pieces);
}

static int reader_init(struct span_reader *r, pid_t pid, const struct go_heap_layout *l)
{
	uint32_t size = 0;
	const uint32_t offsets[] = {l->span_base,      l->span_pages, l->span_limit,
				    l->span_elem_size, l->span_class, l->span_state,
				    l->span_specials};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
		size = MAX(size, offsets[i] + 8);
	*r = (struct span_reader){.pid = pid, .layout = l, .size = size};
	r->pointers = malloc(SPANS_AT_ONCE * sizeof(*r->pointers));
	r->bytes = malloc((size_t)SPANS_AT_ONCE * size);
	r->pieces = malloc(SPANS_AT_ONCE * sizeof(*r->pieces));
	return r->pointers && r->bytes && r->pieces ? 0 : -ENOMEM;
}

/* The spans that `n` pointers at addr lead to. */
static int read_some(struct span_reader *r, uint64_t addr, size_t n, struct heap *h)
{
	int err = memory_read(r->pid, addr, r->pointers, n * sizeof(*r->pointers));

	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		r->pieces[i] = (struct memory_piece){
			.addr = r->pointers[i], .buf = r->bytes + i * r->size, .size = r->size};
	err = memory_read_pieces(r->pid, r->pieces, n);
	for (size_t i = 0; !err && i < n; i++) {
		if (!r->pieces[i].ok)
			h->skipped++;
		else if (take_span(r->layout, r->pieces[i].buf, h, &h->spans[h->n]))
			h->n++;
	}
	return err;
}

static int read_slice(const struct target *t, pid_t pid, uint64_t mheap, uint64_t slice[3])
{
	const struct go_heap_layout *l = &target_layout(t)->heap;
	int err = l->allspans ? memory_read(pid, mheap + l->allspans, slice, 3 * sizeof(*slice))
			      : -ENOSYS;

	if (err)
		return err;
	/* Is it the slice? A heap has some spans, all in reach. */
	if (!slice[0] || slice[0] % 8 || !slice[1] || slice[1] > HEAP_SPANS_MAX)
		return -ENOSYS;
	return slice[1] > slice[2] ? -EAGAIN : 0; /* half of it is written */
}

/* Memory for what is there, each span once, not for what the list says is its length: one span may
 * be listed as often as it likes. */
static int make_room(struct heap *h, size_t n, size_t *room)
{
	size_t more = MAX(2 * *room, n);
	struct heap_span *spans;

	if (h->n + n <= *room)
		return 0;
	if (*room >= SORTED_FROM) {
		sort_spans(h);
		if (h->n <= *room / 2)
			return 0;
	}
	spans = reallocarray(h->spans, more, sizeof(*spans));
	if (!spans)
		return -ENOMEM;
	h->spans = spans;
	*room = more;
	return 0;
}

static int read_spans(const struct target *t, pid_t pid, const uint64_t slice[3], struct heap *h)
{
	struct span_reader r;
	size_t room = 0, n;
	int err;

	err = reader_init(&r, pid, &target_layout(t)->heap);
	for (uint64_t i = 0; !err && i < slice[1]; i += n) {
		n = MIN(slice[1] - i, (uint64_t)SPANS_AT_ONCE);
		err = make_room(h, n, &room);
		if (!err)
			err = read_some(&r, slice[0] + 8 * i, n, h);
	}
	reader_done(&r);
	return err ? err : h->n ? 0 : -ENOSYS;
}

/* All spans, unless their list was replaced meanwhile, which gives the old one back
 * (runtime/mheap.go recordspan()): -EAGAIN. Where it was there is nothing then, or anything; and a
 * later list, which has more room, may come to lie there. */
static int try_to_read(const struct target *t, pid_t pid, uint64_t mheap, struct heap *h)
{
	uint64_t slice[3], now[3]; /* array, length, capacity */
	int err = read_slice(t, pid, mheap, slice), again;

	if (err)
		return err;
	err = read_spans(t, pid, slice, h);
	if (err == -ENOMEM)
		return err;
	again = read_slice(t, pid, mheap, now);
	return again ? again : now[0] != slice[0] || now[2] != slice[2] ? -EAGAIN : err;
}

int heap_read(const struct target *t, pid_t pid, uint64_t bias, struct heap **ret)
{
	struct heap *h = NULL;
	uint64_t mheap;
	int err = variable_mheap(t, &mheap);

	if (err)
		return err;
	err = -EAGAIN;
	for (int i = 0; i < TRIES && err == -EAGAIN; i++) {
		heap_free(h);
		h = calloc(1, sizeof(*h));
		err = h ? try_to_read(t, pid, mheap + bias, h) : -ENOMEM;
	}
	if (!err)
		err = make_index(h);
	if (err) {
		heap_free(h);
		return err == -EAGAIN ? -EFAULT : err;
	}
	*ret = h;
	return 0;
}

int heap_from_spans(const struct heap_span *spans, size_t n, struct heap **ret)
{
	struct heap *h = calloc(1, sizeof(*h));
	int err = -ENOMEM;

	if (h && (h->spans = calloc(n ? n : 1, sizeof(*h->spans)))) {
		if (n)
			memcpy(h->spans, spans, n * sizeof(*spans));
		h->n = n;
		err = make_index(h);
	}
	if (!err && h->skipped)
		err = -EINVAL;
	if (err) {
		heap_free(h);
		return err;
	}
	*ret = h;
	return 0;
}

void heap_free(struct heap *h)
{
	if (!h)
		return;
	for (size_t i = 0; h->index && h->index->bits && i < (size_t)1 << h->index->bits; i++)
		free(h->index->arenas[i].pages);
	if (h->index)
		free(h->index->arenas);
	free(h->index);
	free(h->spans);
	free(h);
}
