/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Plugins of a program; see parts.h. Added under the target's lock, and published by their number:
 * who asks takes no lock. */
#include "core/target/parts.h"

#include <errno.h>
#include <stdatomic.h>

#include "core/target/target_internal.h"

/* The file's bytes that are loaded, from the first to the last: static addresses. */
static void extent(const struct target *t, uint64_t *ret_lo, uint64_t *ret_hi)
{
	struct image_segment seg;

	*ret_lo = UINT64_MAX;
	*ret_hi = 0;
	for (size_t i = 0; image_segment_at(t->img, i, &seg); i++) {
		*ret_lo = MIN(*ret_lo, seg.vaddr);
		*ret_hi = MAX(*ret_hi, seg.vaddr + seg.size);
	}
}

int target_add_part(struct target *t, struct target *part)
{
	struct parts *p = &t->parts;
	unsigned n;

	pthread_mutex_lock(&t->lock);
	if (!p->hi)
		extent(t, &p->lo, &p->hi);
	n = atomic_load(&p->n);
	part->parts.n_excluded = target_exclude(part, EXCLUDE_MAPS, part->parts.excluded);
	part->parts.n_excluded +=
		target_exclude(part, EXCLUDE_MALLOC, part->parts.excluded + part->parts.n_excluded);
	if (n < TARGET_PARTS_MAX) {
		p->part[n] = part;
		atomic_store(&p->n, n + 1);
		atomic_fetch_add(&p->generation, 1);
	}
	pthread_mutex_unlock(&t->lock);
	return n < TARGET_PARTS_MAX ? (int)n + 1 : -ENOSPC;
}

/* Under the lock. 0: it may be added; 1: it is there; -errno. */
static int check_window(const struct parts *p, const struct part_window *new)
{
	unsigned n = atomic_load(&p->n_windows);

	for (unsigned i = 0; i < n; i++) {
		const struct part_window *w = &p->windows[i];

		if (w->k == new->k && w->lo == new->lo)
			return 1;
		/* Unsigned: a window may begin below the program. */
		if (new->lo - w->lo < w->size || w->lo - new->lo < new->size)
			return -EEXIST;
	}
	return n < TARGET_WINDOWS ? 0 : -ENOSPC;
}

int target_add_window(struct target *t, unsigned k, uint64_t bias, uint64_t part_bias)
{
	struct parts *p = &t->parts;
	struct part_window w = {.k = k, .base = part_bias - bias};
	uint64_t lo, hi;
	unsigned n;
	int err;

	extent(p->part[k - 1], &lo, &hi);
	w.lo = lo + w.base;
	w.size = hi - lo;
	pthread_mutex_lock(&t->lock);
	err = check_window(p, &w);
	if (!err) {
		n = atomic_load(&p->n_windows);
		p->windows[n] = w;
		atomic_store(&p->n_windows, n + 1);
		atomic_fetch_add(&p->generation, 1);
	}
	pthread_mutex_unlock(&t->lock);
	return MIN(err, 0);
}

unsigned target_parts_generation(const struct target *t)
{
	return atomic_load(&t->parts.generation);
}

const struct target *target_at(const struct target *t, uint64_t addr, uint64_t *ret_base)
{
	const struct parts *p = &t->parts;
	unsigned n = atomic_load_explicit(&p->n, memory_order_acquire), k;

	*ret_base = 0;
	if (!n || (addr >= p->lo && addr < p->hi))
		return t;
	k = target_part_of(addr);
	if (k && k <= n) {
		*ret_base = (uint64_t)k << TARGET_PART_SHIFT;
		return p->part[k - 1];
	}
	n = atomic_load_explicit(&p->n_windows, memory_order_acquire);
	for (unsigned i = 0; i < n; i++) {
		const struct part_window *w = &p->windows[i];

		if (addr - w->lo >= w->size)
			continue;
		*ret_base = w->base;
		return p->part[w->k - 1];
	}
	return t;
}

bool target_part_has(const struct target *t, uint64_t addr)
{
	unsigned k = target_part_of(addr);
	uint64_t lo, hi;

	if (!k || k > atomic_load_explicit(&t->parts.n, memory_order_acquire))
		return false;
	addr -= (uint64_t)k << TARGET_PART_SHIFT;
	extent(t->parts.part[k - 1], &lo, &hi);
	return addr >= lo && addr < hi;
}

bool target_excludes(const struct target *t, uint64_t return_pc)
{
	uint64_t base;
	const struct target *at = target_at(t, return_pc, &base);

	return_pc -= base;
	for (size_t i = 0; base && i < at->parts.n_excluded; i++)
		if (return_pc - at->parts.excluded[i].lo <
		    at->parts.excluded[i].hi - at->parts.excluded[i].lo)
			return true;
	return false;
}
