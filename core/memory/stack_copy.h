/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The innermost part of many stacks, with its frames and its words. For this room. */
#ifndef XGOTOPFS_MEMORY_STACK_COPY_H
#define XGOTOPFS_MEMORY_STACK_COPY_H

#include <string.h>

#include "core/memory/stack_walk.h"

struct stack_copy {
	const struct stack_trace *trace; /* cut where the copy ends */
	const uint8_t *bytes;
	uint64_t sp, size; /* the address of bytes[0], and how many */
	bool whole;        /* all of the stack that is in use */
};

/*
 * Calls `visit` for goroutine gs[which[i]], i < n, in order, where its stack can be read; the copy
 * is gone after the call. Nothing says that the goroutine did not move while its stack was copied:
 * who needs to know looks at its g again. What `visit` returns, unless 0, ends it and is returned.
 * 0, -ESRCH, -EPERM, -ENOMEM.
 */
typedef int stack_copy_fn(void *ctx, uint32_t i, const struct stack_copy *copy);
int stack_copies(const struct target *t, pid_t pid, uint64_t bias,
		 const struct memory_goroutine *gs, const uint32_t *which, size_t n,
		 uint64_t max_bytes, size_t max_frames, stack_copy_fn *visit, void *ctx);

#define STACK_COPY_MAX (256u << 10) /* for max_bytes */

/* The word at an address of the copy; 0 outside. */
static inline uint64_t stack_copy_word(const struct stack_copy *c, uint64_t addr)
{
	uint64_t value;

	if (addr < c->sp || c->size < 8 || addr - c->sp > c->size - 8)
		return 0;
	memcpy(&value, c->bytes + (addr - c->sp), sizeof(value));
	return value;
}

/* Where a frame's part of the copy ends. */
static inline uint64_t stack_copy_end(const struct stack_copy *c, size_t frame)
{
	uint64_t end = c->sp + c->size;

	return frame + 1 < c->trace->n ? MIN(c->trace->frames[frame + 1].sp, end) : end;
}

#endif
