/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marking by spans rather than by objects: a span that has reached objects nobody looked into waits
 * on a stack; when its turn comes it is read once, and all of them are looked into. Small objects
 * would cost a system call's entry each, and a stack of objects has no bound; of spans each waits
 * once on each of two stacks. Those that have collected many objects go first: the others collect
 * more meanwhile. Last in, first out, as what was allocated together lies together: most of what is
 * read is in the processor's caches still (half the time of first in, first out, measured on a heap
 * of trees).
 */
#include "core/memory/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory/memory.h"

#define READ_BYTES      (256u << 10)  /* at a time: some spans, or a part of a large object */
#define ROOTS_MAX       (32ULL << 30) /* bytes of all ranges: a pass asks for all of them twice */
#define SPANS_AT_A_TIME 32
#define THIN_AT_A_TIME  8
#define FULL_PART       4 /* a span goes first when one in so many of its objects waits */

/* runtime/stack.go: of stacks of threads and goroutines, and of their guards. */
#define STACK_MIN (1u << 11)
#define STACK_MAX (1u << 30)
#define GUARD_MAX (1u << 14)
#define G_MIN     256 /* bytes of a runtime.g at least */

enum { THIN, FULL, STACKS };

struct stack {
	uint32_t *spans; /* each at most once */
	uint64_t *in;    /* a bit a span */
	size_t n;
};

struct reach {
	const struct heap *heap;
	pid_t pid;
	uint64_t *reached; /* a bit an object */
	uint64_t *seen;    /* looked into, or never to be */
	uint32_t *pending; /* of a span: reached, not looked into */
	struct stack stacks[STACKS];
	const struct heap_span *large; /* read in parts, up to `offset` so far; NULL: none */
	uint64_t offset;
	uint64_t roots; /* bytes of ranges that were asked for */
	uint8_t *buf;   /* READ_BYTES */
	struct reach_stats stats;
};

static bool bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= 1ULL << (i % 64);
}

static uint64_t *bits_new(uint64_t n)
{
	return calloc((size_t)(n / 64 + 1), sizeof(uint64_t));
}

int reach_new(const struct heap *h, pid_t pid, struct reach **ret)
{
	struct reach *r = calloc(1, sizeof(*r));
	bool ok;

	if (!r)
		return -ENOMEM;
	r->heap = h;
	r->pid = pid;
	r->reached = bits_new(h->objects);
	r->seen = bits_new(h->objects);
	r->pending = calloc(h->n + 1, sizeof(*r->pending));
	r->buf = malloc(READ_BYTES);
	ok = r->reached && r->seen && r->pending && r->buf;
	for (int i = 0; i < STACKS; i++) {
		r->stacks[i].spans = calloc(h->n + 1, sizeof(*r->stacks[i].spans));
		r->stacks[i].in = bits_new(h->n);
		ok = ok && r->stacks[i].spans && r->stacks[i].in;
	}
	if (!ok) {
		reach_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void reach_free(struct reach *r)
{
	if (!r)
		return;
	for (int i = 0; i < STACKS; i++) {
		free(r->stacks[i].spans);
		free(r->stacks[i].in);
	}
	free(r->reached);
	free(r->seen);
	free(r->pending);
	free(r->buf);
	free(r);
}

void reach_opaque(struct reach *r, uint64_t addr)
{
	const struct heap_span *s = heap_span_at(r->heap, addr);

	if (s)
		set_bit(r->seen, s->first + heap_object_in_span(s, addr));
}

static void push(struct reach *r, int which, size_t span)
{
	struct stack *k = &r->stacks[which];

	if (bit(k->in, span))
		return;
	set_bit(k->in, span);
	k->spans[k->n++] = (uint32_t)span;
}

/* The next whose objects wait; NULL when there is none. One that waited on both is done when
 * its second turn comes. */
static const struct heap_span *pop(struct reach *r, int which)
{
	struct stack *k = &r->stacks[which];

	while (k->n) {
		size_t span = k->spans[--k->n];

		k->in[span / 64] &= ~(1ULL << span % 64);
		if (r->pending[span])
			return &r->heap->spans[span];
	}
	return NULL;
}

void reach_value(struct reach *r, uint64_t value)
{
	const struct heap_span *s = heap_span_at(r->heap, value);
	size_t span;
	uint64_t i;

	if (!s)
		return;
	i = s->first + heap_object_in_span(s, value);
	if (bit(r->reached, i))
		return;
	set_bit(r->reached, i);
	r->stats.objects++;
	if (s->noscan || bit(r->seen, i))
		return;
	span = (size_t)(s - r->heap->spans);
	r->pending[span]++;
	push(r, r->pending[span] * (uint64_t)FULL_PART >= s->objects ? FULL : THIN, span);
}

bool reach_is_reached(const struct reach *r, uint64_t addr)
{
	const struct heap_span *s = heap_span_at(r->heap, addr);

	return s && bit(r->reached, s->first + heap_object_in_span(s, addr));
}

const struct heap *reach_heap(const struct reach *r)
{
	return r->heap;
}

struct reach_stats reach_stats(const struct reach *r)
{
	return r->stats;
}

/* False: it could not be read, which is counted; *ret is an error that ends everything. */
static bool read_words(struct reach *r, uint64_t addr, uint64_t size, int *ret)
{
	int err = memory_read(r->pid, addr, r->buf, size);

	*ret = err == -EFAULT ? 0 : err;
	r->stats.bytes += size;
	if (err == -EFAULT)
		r->stats.unread += size;
	return !err;
}

static void reach_words(struct reach *r, const uint8_t *bytes, uint64_t size)
{
	for (uint64_t at = 0; at + 8 <= size; at += 8) {
		uint64_t value;

		memcpy(&value, bytes + at, sizeof(value));
		reach_value(r, value);
	}
}

int reach_range(struct reach *r, uint64_t lo, uint64_t hi, const uint8_t *mask)
{
	const uint64_t skipped = -lo % 8,
		       size = hi > lo && hi - lo > skipped ? hi - lo - skipped : 0;
	int err = 0;

	lo += skipped;
	r->roots = sum_u64(r->roots, size);
	if (r->roots > ROOTS_MAX)
		return -E2BIG;
	for (uint64_t at = 0, part; !err && size - at >= 8; at += part) {
		part = MIN((uint64_t)READ_BYTES, (size - at) & ~7ULL);
		if (!read_words(r, lo + at, part, &err))
			continue;
		for (uint64_t i = 0; i < part / 8; i++) {
			uint64_t n = at / 8 + i;

			if (!mask || mask[n / 8] >> (n % 8) & 1)
				reach_words(r, r->buf + 8 * i, 8);
		}
	}
	return err;
}

/* The first object from `i` on, before `end`, that was reached and not looked into; end: none. */
static uint64_t next_pending(const struct reach *r, uint64_t i, uint64_t end)
{
	while (i < end) {
		uint64_t word = r->reached[i / 64] & ~r->seen[i / 64] & ~0ULL << i % 64;

		if (word)
			return MIN(i / 64 * 64 + (uint64_t)__builtin_ctzll(word), end);
		i = (i / 64 + 1) * 64;
	}
	return end;
}

bool reach_begins_with_stack(const struct heap *h, const uint64_t words[REACH_G_WORDS])
{
	const uint64_t size = words[1] - words[0], guard = words[2] - words[0];

	return size >= STACK_MIN && size <= STACK_MAX && !(size & (size - 1)) && guard &&
	       guard <= GUARD_MAX && !heap_span_at(h, words[0]);
}

/* Of threads' own stacks (m.g0, m.gsignal) the records are no goroutines', and are not known. */
static void look_into_one(struct reach *r, const uint8_t *bytes, uint64_t size)
{
	uint64_t words[REACH_G_WORDS] = {0}, skipped = 0;

	if (size > G_MIN) {
		memcpy(words, bytes, sizeof(words));
		skipped = reach_begins_with_stack(r->heap, words) ? REACH_G_STACK : 0;
	}
	reach_words(r, bytes + skipped, size - skipped);
}

/* All of a span's objects that wait, also those that it finds in it: of a list that was built from
 * its end each leads to the one below, and the span is not read for each anew. `bytes` NULL: they
 * cannot be read. */
static void look_into(struct reach *r, const struct heap_span *s, const uint8_t *bytes)
{
	uint64_t end = s->first + s->objects;
	uint32_t *pending = &r->pending[s - r->heap->spans];

	for (bool found = true; found && *pending;) {
		found = false;
		for (uint64_t i = next_pending(r, s->first, end); i < end;
		     i = next_pending(r, i, end)) {
			set_bit(r->seen, i);
			--*pending;
			found = true;
			if (bytes)
				look_into_one(r, bytes + (i - s->first) * s->elem_size,
					      s->elem_size);
		}
	}
}

/* A part of a span that is larger than the buffer, which is of one object. */
static int step_large(struct reach *r)
{
	const struct heap_span *s = r->large;
	uint64_t size = MIN(s->limit - s->base - r->offset, (uint64_t)READ_BYTES);
	int err;

	if (read_words(r, s->base + r->offset, size, &err))
		reach_words(r, r->buf, size);
	r->offset += size;
	if (r->offset == s->limit - s->base) {
		look_into(r, s, NULL);
		r->large = NULL;
	}
	return err;
}

/* Some spans, read at once. */
static int step(struct reach *r)
{
	const struct heap_span *spans[SPANS_AT_A_TIME], *s = NULL;
	struct memory_piece pieces[SPANS_AT_A_TIME];
	uint64_t used = 0;
	size_t n = 0;
	int err;

	if (r->large)
		return step_large(r);
	while (n < SPANS_AT_A_TIME &&
	       ((s = pop(r, FULL)) || (n < THIN_AT_A_TIME && (s = pop(r, THIN))))) {
		uint64_t size = s->limit - s->base;

		if (size > READ_BYTES - used)
			break;
		spans[n] = s;
		pieces[n++] = (struct memory_piece){s->base, r->buf + used, size, false};
		used += size;
		s = NULL;
	}
	if (s && s->limit - s->base > READ_BYTES) {
		r->large = s;
		r->offset = 0;
	} else if (s) {
		push(r, FULL, (size_t)(s - r->heap->spans));
	}
	err = memory_read_pieces(r->pid, pieces, n);
	for (size_t i = 0; !err && i < n; i++) {
		r->stats.bytes += pieces[i].size;
		r->stats.unread += pieces[i].ok ? 0 : pieces[i].size;
		look_into(r, spans[i], pieces[i].ok ? pieces[i].buf : NULL);
	}
	return err;
}

static bool waiting(const struct reach *r)
{
	return r->large || r->stacks[FULL].n || r->stacks[THIN].n;
}

int reach_run(struct reach *r, uint64_t bytes)
{
	uint64_t until = r->stats.bytes + bytes;
	int err = 0;

	while (!err && waiting(r) && r->stats.bytes < until)
		err = step(r);
	return err ? err : waiting(r);
}
