/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marking by spans rather than by objects: a span that has reached objects nobody looked into waits
 * in a queue, first in first out; when its turn comes it is read once, and all of them are looked
 * into. Small objects would cost a system call's entry each, and a queue of objects has no bound;
 * of spans each waits once at most.
 */
#include "core/memory/reach.h"

#include <errno.h>
#include <stdlib.h>

#include "core/memory/memory.h"

#define READ_BYTES (256u << 10) /* of a large object at a time */

struct reach {
	const struct heap *heap;
	pid_t pid;
	uint64_t *reached; /* a bit an object */
	uint64_t *seen;    /* looked into, or never to be */
	uint32_t *queue;   /* of spans, a ring */
	uint64_t *queued;  /* a bit a span */
	size_t head, waiting;
	uint64_t offset; /* how far into the span at the head one has come */
	uint64_t *buf;   /* READ_BYTES */
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

	if (!r)
		return -ENOMEM;
	*r = (struct reach){
		.heap = h,
		.pid = pid,
		.reached = bits_new(h->objects),
		.seen = bits_new(h->objects),
		.queue = calloc(h->n + 1, sizeof(*r->queue)) /* ring() */,
		.queued = bits_new(h->n),
		.buf = malloc(READ_BYTES),
	};
	if (!r->reached || !r->seen || !r->queue || !r->queued || !r->buf) {
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
	free(r->reached);
	free(r->seen);
	free(r->queue);
	free(r->queued);
	free(r->buf);
	free(r);
}

void reach_opaque(struct reach *r, uint64_t addr)
{
	const struct heap_span *s = heap_span_at(r->heap, addr);

	if (s)
		set_bit(r->seen, s->first + heap_object_in_span(s, addr));
}

/* The span at the head may wait again already. */
static size_t ring(const struct reach *r)
{
	return r->heap->n + 1;
}

static void enqueue(struct reach *r, const struct heap_span *s)
{
	size_t i = (size_t)(s - r->heap->spans);

	if (bit(r->queued, i))
		return;
	set_bit(r->queued, i);
	r->queue[(r->head + r->waiting++) % ring(r)] = (uint32_t)i;
}

void reach_value(struct reach *r, uint64_t value)
{
	const struct heap_span *s = heap_span_at(r->heap, value);
	uint64_t i;

	if (!s)
		return;
	i = s->first + heap_object_in_span(s, value);
	if (bit(r->reached, i))
		return;
	set_bit(r->reached, i);
	r->stats.objects++;
	if (!s->noscan && !bit(r->seen, i))
		enqueue(r, s);
}

bool reach_is_reached(const struct reach *r, uint64_t addr)
{
	const struct heap_span *s = heap_span_at(r->heap, addr);

	return s && bit(r->reached, s->first + heap_object_in_span(s, addr));
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

int reach_range(struct reach *r, uint64_t lo, uint64_t hi, const uint8_t *mask)
{
	int err = 0;

	lo = (lo + 7) & ~7ULL;
	for (uint64_t at = lo; !err && at + 8 <= hi; at += READ_BYTES) {
		uint64_t size = MIN((uint64_t)READ_BYTES, (hi - at) & ~7ULL);

		if (!read_words(r, at, size, &err))
			continue;
		for (uint64_t i = 0; i < size / 8; i++) {
			uint64_t n = (at - lo) / 8 + i;

			if (!mask || mask[n / 8] >> (n % 8) & 1)
				reach_value(r, r->buf[i]);
		}
	}
	return err;
}

/* The objects of a span from `from` on, of which [from, from + size) has been read. */
static void look_into(struct reach *r, const struct heap_span *s, uint64_t from, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		uint64_t i = s->first + (from + at) / s->elem_size;
		uint64_t end = MIN(size, ((from + at) / s->elem_size + 1) * s->elem_size - from);

		if (bit(r->reached, i) && !bit(r->seen, i)) {
			for (uint64_t w = at / 8; w < end / 8; w++)
				reach_value(r, r->buf[w]);
			if (from + end == (i - s->first + 1) * s->elem_size)
				set_bit(r->seen, i);
		}
		at = end;
	}
}

static bool has_more(const struct reach *r, const struct heap_span *s, uint64_t from, uint64_t to)
{
	for (uint64_t i = s->first + from / s->elem_size;
	     i < s->first + (to - 1) / s->elem_size + 1; i++)
		if (bit(r->reached, i) && !bit(r->seen, i))
			return true;
	return false;
}

/* One piece of the span at the head of the queue. */
static int step(struct reach *r)
{
	const struct heap_span *s = &r->heap->spans[r->queue[r->head]];
	uint64_t left = s->limit - s->base - r->offset;
	uint64_t size = MIN(left, (uint64_t)READ_BYTES);
	/* A large object is looked into piece by piece, many small ones as whole objects. */
	int err = 0;

	if (s->elem_size <= READ_BYTES && left > size)
		size -= size % s->elem_size;
	if (r->offset == 0)
		r->queued[r->queue[r->head] / 64] &= ~(1ULL << r->queue[r->head] % 64);
	if (has_more(r, s, r->offset, r->offset + size)) {
		if (read_words(r, s->base + r->offset, size, &err))
			look_into(r, s, r->offset, size);
		else
			for (uint64_t i = r->offset / s->elem_size;
			     i * s->elem_size < r->offset + size; i++)
				set_bit(r->seen, s->first + i);
	}
	r->offset += size;
	if (r->offset == s->limit - s->base) {
		r->offset = 0;
		r->head = (r->head + 1) % ring(r);
		r->waiting--;
	}
	return err;
}

int reach_run(struct reach *r, uint64_t bytes)
{
	uint64_t until = r->stats.bytes + bytes;
	int err = 0;

	while (!err && r->waiting && r->stats.bytes < until)
		err = step(r);
	return err ? err : r->waiting > 0;
}
