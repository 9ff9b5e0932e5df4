/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime.mbuckets is a list of runtime.bucket, newest first, which are never freed, moved or
 * changed but for their counts; the runtime takes them from chunks, one behind the other, so that a
 * call reads many. Of the counts those that are published are read (memRecord.active): what the
 * last collection that ended left. See heap_profile.h.
 */
#include "core/memory/heap_profile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/target/variables.h"

#define PAGE         4096u
#define WINDOW_PAGES 16u        /* newer ones lie above */
#define DEPTH_MAX    1024u      /* GODEBUG=profstackdepth, at most */
#define MEM_PROFILE  1          /* runtime.memProfile */
#define PCS_MAX      (4u << 20) /* of all places */
#define RATE_MAX     (1ull << 40)
#define MOST         1e18

struct bucket { /* runtime.bucket */
	uint64_t next, allnext, type, hash, size, depth;
};

/* The begin of runtime.memRecordCycle. Up to 1.26 bytes follow, which are as many times the size
 * that is the bucket's, as objects of another size have another bucket. */
struct record {
	uint64_t allocs, frees;
};

struct reading {
	pid_t pid;
	const struct target *target;
	uint64_t bias, window; /* where it begins; 0: there is none */
	uint8_t bytes[WINDOW_PAGES * PAGE];
};

static int take_candidates(int (*find)(const struct target *, uint64_t **, size_t *),
			   const struct target *t, uint64_t *ret, size_t *ret_n)
{
	cleanup_free_ uint64_t *list = NULL;
	size_t n;
	int err = find(t, &list, &n);

	if (err)
		return err;
	*ret_n = MIN(n, (size_t)HEAP_PROFILE_CANDIDATES);
	memcpy(ret, list, *ret_n * sizeof(*ret));
	return *ret_n ? 0 : -ENOSYS;
}

int heap_profile_find(const struct target *t, struct heap_profile_at *ret)
{
	int err = take_candidates(variable_buckets_candidates, t, ret->buckets, &ret->n_buckets);

	return err ? err
		   : take_candidates(variable_profile_rate_candidates, t, ret->rates,
				     &ret->n_rates);
}

void heap_profile_free(struct heap_profile *p)
{
	if (!p)
		return;
	free(p->places);
	free(p->pcs);
	free(p);
}

static bool in_window(const struct reading *r, uint64_t addr, size_t n)
{
	return r->window && addr >= r->window && addr - r->window <= sizeof(r->bytes) &&
	       n <= sizeof(r->bytes) - (addr - r->window);
}

/* Older ones lie below, mostly: a window ends with the page behind this one. */
static int read_at(struct reading *r, uint64_t addr, void *ret, size_t n)
{
	uint64_t end = (addr & ~(uint64_t)(PAGE - 1)) + 2 * PAGE;

	if (!in_window(r, addr, n)) {
		r->window = end > sizeof(r->bytes) ? end - sizeof(r->bytes) : 0;
		if (r->window && memory_read(r->pid, r->window, r->bytes, sizeof(r->bytes)))
			r->window = 0;
	}
	if (!in_window(r, addr, n))
		return memory_read(r->pid, addr, ret, n);
	memcpy(ret, r->bytes + (addr - r->window), n);
	return 0;
}

/* One sample in `rate` bytes: what a stack's samples stand for (runtime/pprof scaleHeapSample()).
 */
static void scale(uint64_t rate, uint64_t *objects, uint64_t *bytes)
{
	double factor;

	if (!*objects || !*bytes || rate <= 1)
		return;
	factor = 1 / (1 - exp(-((double)*bytes / (double)*objects) / (double)rate));
	*objects = (uint64_t)MIN((double)*objects * factor, MOST);
	*bytes = (uint64_t)MIN((double)*bytes * factor, MOST);
}

static int make_room(struct heap_profile *p, size_t depth)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 1024;
		struct heap_place *places = reallocarray(p->places, cap, sizeof(*places));

		if (!places)
			return -ENOMEM;
		p->places = places;
		p->cap = cap;
	}
	if (p->cap_pcs - p->n_pcs < depth) {
		size_t cap = 2 * p->cap_pcs + 16 * DEPTH_MAX;
		uint64_t *pcs = reallocarray(p->pcs, cap, sizeof(*pcs));

		if (!pcs)
			return -ENOMEM;
		p->pcs = pcs;
		p->cap_pcs = cap;
	}
	return 0;
}

/* One bucket; -EINVAL: that is none. */
static int take(struct reading *r, struct heap_profile *p, uint64_t addr, uint64_t *ret_next)
{
	struct heap_place *place;
	struct record counts;
	struct go_func func;
	struct bucket b;
	uint64_t *pcs;
	int err = addr % 8 ? -EINVAL : read_at(r, addr, &b, sizeof(b));

	if (!err && (b.type != MEM_PROFILE || !b.depth || b.depth > DEPTH_MAX || !b.size))
		err = -EINVAL;
	if (!err)
		err = make_room(p, b.depth);
	if (err)
		return err;
	pcs = p->pcs + p->n_pcs;
	err = read_at(r, addr + sizeof(b), pcs, b.depth * sizeof(*pcs));
	if (!err)
		err = read_at(r, addr + sizeof(b) + b.depth * sizeof(*pcs), &counts,
			      sizeof(counts));
	if (err)
		return err;
	for (uint64_t i = 0; i < b.depth; i++)
		pcs[i] -= r->bias;
	if (!p->n && target_func_by_pc(r->target, pcs[0] - 1, &func))
		return -EINVAL;
	place = &p->places[p->n++];
	*place = (struct heap_place){
		.id = addr,
		.in_use_objects = sub_u64(counts.allocs, counts.frees),
		.in_use_bytes = sub_u64(counts.allocs, counts.frees) * b.size,
		.alloc_objects = counts.allocs,
		.alloc_bytes = counts.allocs * b.size,
		.first = (uint32_t)p->n_pcs,
		.n = (uint32_t)b.depth,
	};
	scale(p->rate, &place->in_use_objects, &place->in_use_bytes);
	scale(p->rate, &place->alloc_objects, &place->alloc_bytes);
	p->n_pcs += b.depth;
	*ret_next = b.allnext;
	return 0;
}

static int read_list(struct reading *r, struct heap_profile *p, uint64_t addr)
{
	int err = 0;

	while (addr && p->n < HEAP_PLACES_MAX && p->n_pcs < PCS_MAX && !err) {
		err = take(r, p, addr, &addr);
		if ((err == -EINVAL || err == -EFAULT) && p->n) { /* it was a list so far */
			p->cut = true;
			return 0;
		}
	}
	p->cut |= addr && !err;
	return err;
}

/* What else the function reads is a pointer, or (mcache0, once the program has begun) nil. */
static int read_rate(struct reading *r, const struct heap_profile_at *at, uint64_t *ret)
{
	bool found = false;

	*ret = 0;
	for (size_t i = 0; i < at->n_rates && !*ret; i++) {
		uint64_t rate;
		int err = memory_read(r->pid, at->rates[i] + r->bias, &rate, sizeof(rate));

		if (err && err != -EFAULT)
			return err;
		if (err || rate >= RATE_MAX)
			continue;
		found = true;
		*ret = rate;
	}
	return found ? 0 : -ENOSYS;
}

int memory_heap_profile(const struct target *t, const struct heap_profile_at *at, pid_t pid,
			uint64_t bias, struct heap_profile **ret)
{
	cleanup_heap_profile_ struct heap_profile *p = calloc(1, sizeof(*p));
	cleanup_free_ struct reading *r = calloc(1, sizeof(*r));
	int err;

	if (!p || !r)
		return -ENOMEM;
	r->pid = pid;
	r->target = t;
	r->bias = bias;
	err = read_rate(r, at, &p->rate);
	for (size_t i = 0; i < at->n_buckets && !err && p->rate && !p->n; i++) {
		uint64_t first = 0;

		err = memory_read(pid, at->buckets[i] + bias, &first, sizeof(first));
		if (!err && first)
			err = read_list(r, p, first);
		if (err == -EINVAL || err == -EFAULT)
			err = 0;
	}
	if (err)
		return err;
	*ret = move_ptr(p);
	return 0;
}
