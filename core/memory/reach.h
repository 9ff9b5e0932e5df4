/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be reached from given roots through the heap of a live process, read without stopping
 * it: the marking of a garbage collector, from outside. Every word of an object that may have
 * pointers counts as one (a word that only looks like a pointer keeps an object: a miss, never a
 * false alarm), and a pointer to the inside of an object reaches it.
 *
 * The process runs meanwhile: what was moved behind the marking's back is missed. Who draws
 * conclusions from an object that was not reached asks again later. One thread uses it.
 */
#ifndef XGOTOPFS_MEMORY_REACH_H
#define XGOTOPFS_MEMORY_REACH_H

#include "core/memory/heap.h"

#define REACH_G_WORDS 3  /* stack.lo, stack.hi, stackguard0 */
#define REACH_G_STACK 16 /* bytes of the first field, the stack's bounds */

struct reach;

/* The heap must outlive it. -ENOMEM. Takes a quarter of a byte for each place of an object. */
int reach_new(const struct heap *h, pid_t pid, struct reach **ret);
void reach_free(struct reach *r); /* NULL is fine */

/* This object is never looked into (but can be reached): the runtime's own records of goroutines
 * and their waits lead from each to all. Before the first reach_run(). */
void reach_opaque(struct reach *r, uint64_t addr);

/* Roots: one value; or all words of a range of memory, of which a bit mask (as gcdatamask: one bit
 * for each word, lowest first) may say which are pointers. What cannot be read is counted. 0,
 * -ESRCH, -EPERM, -ENOMEM; -E2BIG: all ranges together are larger than any program's, so somebody
 * says what is not so. */
void reach_value(struct reach *r, uint64_t value);
int reach_range(struct reach *r, uint64_t lo, uint64_t hi, const uint8_t *mask);

/*
 * Marks on, for about so many bytes of the target's memory. 0: nothing is left to do; 1: there is
 * more; or -ESRCH, -EPERM, -ENOMEM. More roots may follow, and reach_run() again.
 */
int reach_run(struct reach *r, uint64_t bytes);

/* Was the object that holds this address reached? False also when none does. */
bool reach_is_reached(const struct reach *r, uint64_t addr);

const struct heap *reach_heap(const struct reach *r);

/* Do these words, an object's first ones, begin a runtime.g: a stack, and a place near its lower
 * end? Behind a stack, where its bound points, another object may begin: that is no pointer. */
bool reach_begins_with_stack(const struct heap *h, const uint64_t words[REACH_G_WORDS]);

struct reach_stats {
	uint64_t objects; /* reached */
	uint64_t bytes;   /* read */
	uint64_t unread;  /* bytes that could not be read */
};
struct reach_stats reach_stats(const struct reach *r);

static inline void reach_freep(struct reach **r)
{
	reach_free(*r);
}
#define cleanup_reach_ __attribute__((cleanup(reach_freep)))

#endif
