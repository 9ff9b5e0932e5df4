/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/memory/roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/stack_walk.h"
#include "core/target/variables.h"

#define MODULES_MAX      1024
#define VARIABLES_MAX    (4ULL << 30) /* bytes of data or bss */
#define PROCS_MAX        (1u << 16)
#define SPECIALS_MAX     (1u << 22) /* of all spans */
#define SPECIAL_BYTES    64         /* of the largest: specialfinalizer has 56 */
#define QUEUE_BLOCKS_MAX (1u << 16)
#define STACK_ROOT_MAX   (1ULL << 30) /* runtime/proc.go maxstacksize */
#define TIMERS_BYTES     64           /* of p.timers; the slice is among the first fields */

/* --- variables ------------------------------------------------------------------------------ */

/* [lo, hi) by the bitvector at `mask` in the process. */
static int add_masked(struct reach *r, pid_t pid, uint64_t lo, uint64_t hi, uint64_t mask)
{
	cleanup_free_ uint8_t *bits = NULL;
	uint64_t at;
	int32_t n;
	int err;

	if (lo >= hi)
		return 0;
	if (hi - lo > VARIABLES_MAX)
		return -ENOSYS;
	err = memory_read(pid, mask, &n, sizeof(n));
	if (!err)
		err = memory_read(pid, mask + 8, &at, sizeof(at));
	if (err)
		return err;
	if (n < 0 || (uint64_t)n > (hi - lo + 7) / 8)
		return -ENOSYS;
	bits = calloc((hi - lo) / 64 + 1, 1);
	if (!bits)
		return -ENOMEM;
	err = memory_read(pid, at, bits, (size_t)(n + 7) / 8);
	return err ? err : reach_range(r, lo, hi, bits);
}

int roots_variables(struct reach *r, const struct target *t, pid_t pid, uint64_t bias,
		    unsigned *ret_modules)
{
	const struct target_modules m = target_modules(t);
	uint64_t module = m.first + bias;

	*ret_modules = 0;
	if (!m.first || !m.gcdatamask || !m.next)
		return -ENOSYS;
	while (module && *ret_modules < MODULES_MAX) {
		uint64_t range[4]; /* data, edata, bss, ebss are neighbours */
		int err = memory_read(pid, module + m.data, range, sizeof(range));

		if (!err)
			err = add_masked(r, pid, range[0], range[1], module + m.gcdatamask);
		if (!err)
			err = add_masked(r, pid, range[2], range[3], module + m.gcbssmask);
		if (!err)
			err = memory_read(pid, module + m.next, &module, sizeof(module));
		if (err)
			return err;
		++*ret_modules;
	}
	return module ? -ENOSYS : 0;
}

/* --- Ps ------------------------------------------------------------------------------------- */

static int add_proc(struct reach *r, uint64_t p, uint32_t timers)
{
	reach_opaque(r, p);
	return timers ? reach_range(r, p + timers, p + timers + TIMERS_BYTES, NULL) : 0;
}

/* Is what is at addr the slice of all Ps? Each knows its place in it. */
static int read_procs(const struct target *t, pid_t pid, uint64_t addr, uint64_t **ret,
		      size_t *ret_n)
{
	cleanup_free_ uint64_t *list = NULL;
	uint64_t slice[3];

	if (memory_read(pid, addr, slice, sizeof(slice)) || !slice[0] || slice[0] % 8 ||
	    !slice[1] || slice[1] > slice[2] || slice[1] > PROCS_MAX)
		return -ENOENT;
	list = calloc(slice[1], sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (memory_read(pid, slice[0], list, slice[1] * sizeof(*list)))
		return -ENOENT;
	for (uint64_t i = 0; i < slice[1]; i++) {
		int32_t id;

		if (!list[i] || list[i] % 8 ||
		    memory_read(pid, list[i] + target_layout(t)->heap.p_id, &id, sizeof(id)) ||
		    id != (int32_t)i)
			return -ENOENT;
	}
	*ret = list;
	list = NULL;
	*ret_n = slice[1];
	return 0;
}

int roots_list_procs(const struct target *t, pid_t pid, uint64_t bias, uint64_t **ret,
		     size_t *ret_n)
{
	cleanup_free_ uint64_t *candidates = NULL;
	size_t n = 0;
	int err = variable_allp_candidates(t, &candidates, &n);

	*ret = NULL;
	*ret_n = 0;
	if (err)
		return err == -ENOSYS ? 0 : err;
	err = -ENOENT;
	for (size_t i = 0; i < n && err == -ENOENT; i++)
		err = read_procs(t, pid, candidates[i] + bias, ret, ret_n);
	return err == -ENOENT ? 0 : err;
}

int roots_procs(struct reach *r, const struct target *t, pid_t pid, uint64_t bias)
{
	cleanup_free_ uint64_t *procs = NULL;
	size_t n = 0;
	int err = roots_list_procs(t, pid, bias, &procs, &n);

	for (size_t i = 0; i < n && !err; i++)
		err = add_proc(r, procs[i], target_layout(t)->heap.p_timers);
	return err ? err : (int)n;
}

/* --- specials ------------------------------------------------------------------------------- */

/* runtime/mheap.go type special, _KindSpecialFinalizer, _KindSpecialCleanup and
 * _KindSpecialWeakHandle. */
struct special_layout {
	uint32_t kind; /* offset; next is at 0, offset (2 or 8 bytes) at 8 */
	uint32_t size;
	uint8_t finalizer, cleanup, weak; /* 0: this release has none */
};

static struct special_layout special_layout(unsigned minor)
{
	return (struct special_layout){
		.kind = minor >= 24 ? 16 : 10,
		.size = minor >= 24 ? 24 : 16,
		.finalizer = minor >= 25 ? 2 : 1,
		.cleanup = minor >= 25   ? 7
			   : minor >= 24 ? 6
					 : 0,
		.weak = minor >= 25   ? 3
			: minor >= 23 ? 2
				      : 0,
	};
}

static int add_weak(struct weak_pointers *weak, uint64_t handle, uint64_t object)
{
	if (weak->n == weak->room) {
		size_t room = weak->room ? 2 * weak->room : 64;
		struct weak_pointer *list = reallocarray(weak->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		weak->list = list;
		weak->room = room;
	}
	weak->list[weak->n++] = (struct weak_pointer){handle, object};
	return 0;
}

bool roots_weak(struct reach *r, const struct weak_pointers *weak)
{
	bool found = false;

	for (size_t i = 0; i < weak->n; i++) {
		const struct weak_pointer *w = &weak->list[i];

		if (!reach_is_reached(r, w->handle) || reach_is_reached(r, w->object))
			continue;
		reach_value(r, w->object);
		found |= reach_is_reached(r, w->object);
	}
	return found;
}

void roots_weak_done(struct weak_pointers *weak)
{
	free(weak->list);
	*weak = (struct weak_pointers){.list = NULL};
}

static int add_specials(struct reach *r, pid_t pid, const struct special_layout *l,
			const struct heap_span *s, struct weak_pointers *weak, unsigned *left)
{
	uint64_t at = s->specials;

	while (at) {
		uint64_t head[3], offset, handle;
		uint8_t kind;
		int err;

		if (!(*left)--) /* more than there can be, or a ring: there may be roots that we
				   miss */
			return -E2BIG;
		err = memory_read(pid, at, head, sizeof(head));
		if (err) /* it went away while we looked: the next pass sees what came */
			return err == -EFAULT ? 0 : err;
		offset = l->kind == 10 ? head[1] & 0xffff : head[1];
		kind = ((const uint8_t *)head)[l->kind];
		if (kind == l->finalizer)
			reach_value(r, s->base + offset);
		if (kind == l->finalizer || (l->cleanup && kind == l->cleanup)) {
			err = reach_range(r, at + l->size, at + SPECIAL_BYTES, NULL);
			if (err)
				return err;
		}
		if (l->weak && kind == l->weak) {
			err = memory_read(pid, at + l->size, &handle, sizeof(handle));
			if (!err)
				err = add_weak(weak, handle, s->base + offset);
			if (err && err != -EFAULT)
				return err;
		}
		at = head[0];
	}
	return 0;
}

int roots_specials(struct reach *r, const struct target *t, pid_t pid, struct weak_pointers *weak)
{
	const struct special_layout l = special_layout(target_go_minor(t));
	const struct heap *h = reach_heap(r);
	unsigned left = SPECIALS_MAX;
	int err = 0;

	for (size_t i = 0; !err && i < h->n; i++)
		if (h->spans[i].specials)
			err = add_specials(r, pid, &l, &h->spans[i], weak, &left);
	return err;
}

/* --- queues of finalizers and cleanups -------------------------------------------------------- */

/* mfinal.go type finBlock (finblock before 1.25), mcleanup.go type cleanupBlock: outside the heap,
 * linked with each other, never given back. */
struct queue_layout {
	uint32_t list; /* offset of the pointer to the first in the variable */
	uint32_t link; /* in a block, as the rest: the next one */
	uint32_t count, entries, size;
	uint32_t entry_size; /* the largest of all releases */
	bool clears;         /* the first two words of an entry that was called */
};

#define BLOCK_BYTES 4096

static const struct queue_layout finalizer_queue = {
	.count = 16, .entries = 24, .size = BLOCK_BYTES, .entry_size = 40, .clears = true};

/* Is it such a block? Returns where its entries end; 0: it is none. A finalizer that is not due has
 * cleared words; the one behind those that are is being called. Cleanups leave copies behind. */
static uint32_t block_end(const struct queue_layout *l, const uint64_t *words)
{
	uint32_t n = (uint32_t)words[l->count / 8], end;

	if (words[l->count / 8] >> 32 || n > (l->size - l->entries) / 8)
		return 0;
	end = MIN(l->entries + (n + l->clears) * l->entry_size, l->size);
	for (uint32_t at = end; l->clears && at + 8 <= l->size; at += 8)
		if (words[at / 8] && (at - l->entries) % l->entry_size < 16) /* fn, arg */
			return 0;
	return end;
}

/* What the word at addr points to, when that is such a block, and those that are linked with it. */
static int add_queue(struct reach *r, pid_t pid, const struct queue_layout *l, uint64_t addr)
{
	uint64_t block, words[BLOCK_BYTES / 8];

	if (memory_read(pid, addr + l->list, &block, sizeof(block)))
		return 0;
	for (unsigned i = 0; block && block % 8 == 0 && i < QUEUE_BLOCKS_MAX; i++) {
		int err = memory_read(pid, block, words, l->size);
		uint32_t end;

		if (err)
			return err == -EFAULT ? 0 : err;
		end = block_end(l, words);
		if (!end || heap_span_at(reach_heap(r), block))
			break;
		for (uint32_t at = l->entries; at + 8 <= end; at += 8)
			reach_value(r, words[at / 8]);
		block = words[l->link / 8];
	}
	return 0;
}

static int add_queues(struct reach *r, pid_t pid, uint64_t bias, const struct queue_layout *l,
		      const uint64_t *list, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = add_queue(r, pid, l, list[i] + bias);
	return err;
}

int roots_queues(struct reach *r, const struct target *t, pid_t pid, uint64_t bias)
{
	cleanup_free_ uint64_t *finalizers = NULL, *cleanups = NULL;
	/* cleanupQueue.all begins the third cache line. */
	const struct queue_layout cleanup_queue = {
		.list = !strcmp(target_arch(t), "arm64") ? 2 * 128 : 2 * 64,
		.link = 16,
		.count = 24,
		.entries = 32,
		.size = 512,
		.entry_size = 24};
	size_t n;
	int err = variable_finalizer_candidates(t, &finalizers, &n);

	if (!err)
		err = add_queues(r, pid, bias, &finalizer_queue, finalizers, n);
	if (err && err != -ENOSYS)
		return err;
	err = variable_cleanup_candidates(t, &cleanups, &n);
	if (!err)
		err = add_queues(r, pid, bias, &cleanup_queue, cleanups, n);
	return err == -ENOSYS ? 0 : err;
}

/* --- goroutines ----------------------------------------------------------------------------- */

static void add_live(void *ctx, uint64_t value)
{
	reach_value(ctx, value);
}

int roots_goroutine(struct reach *r, const struct target *t, const struct memory_goroutine *g,
		    struct stack_live *live, uint64_t *by_words)
{
	uint64_t sp = 0, used = stack_used(g, &sp);
	uint64_t lo = used ? sp : g->stack_lo;
	/* Not its first field, the stack's bounds: behind a stack an object may begin. */
	int err = reach_range(r, g->address + REACH_G_STACK, g->address + target_layout(t)->g_size,
			      NULL);
	int told = -ENODATA;

	if (!err && live && stack_live_can_tell(g))
		told = stack_live_words(live, g, add_live, r);
	if (err || !told)
		return err;
	if (told == -EAGAIN) /* it has run since */
		lo = g->stack_lo;
	/* Of one that has ended since, what it had: below that its stack is anybody's by now. */
	else if (told != -ENODATA && told != -ESRCH)
		return told;
	*by_words += stack_live_can_tell(g);
	if (lo < g->stack_hi && g->stack_hi - lo <= STACK_ROOT_MAX)
		err = reach_range(r, lo, g->stack_hi, NULL);
	return err;
}
