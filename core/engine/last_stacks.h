/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The last stacks that were read of each process, for when it has ended and nobody can read any
 * more. Bounded: of one process and style LAST_STACKS_BYTES, of all together LAST_STACKS_ALL; the
 * oldest go first. Any thread.
 */
#ifndef XGOTOPFS_ENGINE_LAST_STACKS_H
#define XGOTOPFS_ENGINE_LAST_STACKS_H

#include "core/base/util.h"
#include "core/view/live.h"

#define LAST_STACKS_BYTES    (8u << 20)
#define LAST_STACKS_ALL      (64u << 20)
#define LAST_STACKS_WHOLE_NS (60 * NS_PER_SEC)

struct last_stacks;
struct last_taking;

int last_stacks_new(struct last_stacks **ret);
void last_stacks_free(struct last_stacks *l); /* NULL is fine */

/* A reading, from when it begins (CLOCK_MONOTONIC); NULL: no memory, and the others take that. */
struct last_taking *last_stacks_begin(struct last_stacks *l, unsigned proc, enum live_stacks what,
				      uint64_t now_ns);
void last_stacks_add(struct last_taking *t, const char *text, size_t len);
/* It counts from now on, or, when it failed (`ok` false), it does not; nor does a part where there
 * is a `whole` one that is not LAST_STACKS_WHOLE_NS older. Frees it. */
void last_stacks_end(struct last_taking *t, bool ok, bool whole);

/* All of the last one, of one goroutine when goid is not 0; *ret_as_of_ns is set before. Where
 * there are none in that style, those as Go prints them. -ESRCH when there is none. */
int last_stacks_give(struct last_stacks *l, unsigned proc, enum live_stacks what, uint64_t goid,
		     live_text_fn *fn, void *arg, uint64_t *ret_as_of_ns);

#endif
