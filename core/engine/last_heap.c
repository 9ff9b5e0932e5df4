/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One lock, held for copies and searches only. See last_heap.h. */
#include "core/engine/last_heap.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define REST 200 /* times as long as a reading took, until the next one */

struct in_use {
	uint64_t id, bytes;
};

struct point {
	uint64_t ns;
	struct in_use *list; /* by id; n of them */
	size_t n;
};

struct kept {
	bool used;
	unsigned proc;
	uint64_t cycles, due_ns, step_ns, read_ns;
	struct live_heap *last; /* NULL: it could not be read yet */
	struct point points[LAST_HEAP_POINTS];
	unsigned n;
};

struct last_heap {
	pthread_mutex_t lock;
	struct kept list[LAST_HEAPS]; /* protected by lock */
};

int last_heap_new(struct last_heap **ret)
{
	struct last_heap *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	*ret = l;
	return 0;
}

static void forget(struct kept *k)
{
	for (unsigned i = 0; i < k->n; i++)
		free(k->points[i].list);
	free(k->last);
	*k = (struct kept){.used = false};
}

void last_heap_free(struct last_heap *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < LAST_HEAPS; i++)
		forget(&l->list[i]);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* From here on under the lock. */
static struct kept *find(struct last_heap *l, unsigned proc)
{
	for (unsigned i = 0; i < LAST_HEAPS; i++) {
		if (l->list[i].used && l->list[i].proc == proc)
			return &l->list[i];
	}
	return NULL;
}

/* In the place of who was not read for longest. */
static struct kept *make(struct last_heap *l, unsigned proc)
{
	struct kept *k = &l->list[0];

	for (unsigned i = 0; i < LAST_HEAPS && k->used; i++) {
		if (!l->list[i].used || l->list[i].read_ns < k->read_ns)
			k = &l->list[i];
	}
	forget(k);
	*k = (struct kept){.used = true, .proc = proc, .step_ns = LAST_HEAP_NS};
	return k;
}

/* The first stays. */
static void forget_half(struct kept *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->n; i++) {
		if (i % 2)
			free(k->points[i].list);
		else
			k->points[n++] = k->points[i];
	}
	k->n = n;
	k->step_ns *= 2;
}

/* Without memory there is no point. */
static void add_point(struct kept *k, const struct live_heap *h)
{
	struct in_use *list;

	if (k->n && h->read_ns - k->points[k->n - 1].ns < k->step_ns)
		return;
	list = calloc(h->n + 1, sizeof(*list));
	if (!list)
		return;
	for (uint32_t i = 0; i < h->n; i++)
		list[i] = (struct in_use){h->places[i].id, h->places[i].in_use_bytes};
	qsort(list, h->n, sizeof(*list), compare_u64);
	if (k->n == LAST_HEAP_POINTS)
		forget_half(k);
	k->points[k->n++] = (struct point){h->read_ns, list, h->n};
}

static size_t bytes(const struct last_heap *l)
{
	size_t sum = 0;

	for (unsigned i = 0; i < LAST_HEAPS; i++) {
		const struct kept *k = &l->list[i];

		sum += k->last ? live_heap_size(k->last) : 0;
		for (unsigned p = 0; p < k->n; p++)
			sum += k->points[p].n * sizeof(struct in_use);
	}
	return sum;
}

/* What was not read for longest goes; of `k` itself there is never too much. */
static void keep_within(struct last_heap *l, const struct kept *k)
{
	while (bytes(l) > LAST_HEAP_BYTES) {
		struct kept *old = NULL;

		for (unsigned i = 0; i < LAST_HEAPS; i++) {
			struct kept *other = &l->list[i];

			if (other->used && other != k && (!old || other->read_ns < old->read_ns))
				old = other;
		}
		if (!old)
			return;
		forget(old);
	}
}

static void compare(const struct kept *k, uint64_t since_ns, struct live_heap *h)
{
	const struct point *then = &k->points[0];

	for (unsigned i = 1; i < k->n && k->points[i].ns <= since_ns; i++)
		then = &k->points[i];
	h->then_ns = k->n ? then->ns : 0;
	for (uint32_t i = 0; i < h->n && k->n; i++) {
		const struct in_use key = {.id = h->places[i].id}, *found;

		found = bsearch(&key, then->list, then->n, sizeof(key), compare_u64);
		h->places[i].then_bytes = found ? found->bytes : 0;
	}
}

/* --- any thread ------------------------------------------------------------------------------- */

bool last_heap_is_due(struct last_heap *l, unsigned proc, uint64_t cycles, uint64_t now_ns)
{
	const struct kept *k;
	bool due;

	pthread_mutex_lock(&l->lock);
	k = find(l, proc);
	due = cycles && (!k || (k->cycles != cycles && now_ns >= k->due_ns));
	pthread_mutex_unlock(&l->lock);
	return due;
}

void last_heap_take(struct last_heap *l, unsigned proc, uint64_t cycles, uint64_t took_ns,
		    struct live_heap *h)
{
	uint64_t now_ns = monotonic_ns();
	struct kept *k;

	pthread_mutex_lock(&l->lock);
	k = find(l, proc);
	if (!k)
		k = make(l, proc);
	k->cycles = cycles;
	k->read_ns = now_ns;
	k->due_ns = now_ns + MAX(LAST_HEAP_NS, REST * took_ns);
	if (h) {
		free(k->last);
		k->last = h;
		add_point(k, h);
		keep_within(l, k);
	}
	pthread_mutex_unlock(&l->lock);
}

void last_heap_compare(struct last_heap *l, unsigned proc, uint64_t since_ns, struct live_heap *h)
{
	const struct kept *k;

	pthread_mutex_lock(&l->lock);
	k = find(l, proc);
	if (k)
		compare(k, since_ns, h);
	pthread_mutex_unlock(&l->lock);
}

int last_heap_give(struct last_heap *l, unsigned proc, uint64_t since_ns, struct live_heap **ret)
{
	struct live_heap *h = NULL;
	const struct kept *k;
	int err = -ESRCH;

	pthread_mutex_lock(&l->lock);
	k = find(l, proc);
	if (k && k->last) {
		h = malloc(live_heap_size(k->last));
		err = h ? 0 : -ENOMEM;
	}
	if (h) {
		memcpy(h, k->last, live_heap_size(k->last));
		compare(k, since_ns, h);
	}
	pthread_mutex_unlock(&l->lock);
	if (!err)
		*ret = h;
	return err;
}
