/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a goroutine's saved registers to its frames. For this room. One thread at a time. */
#ifndef XGOTOPFS_MEMORY_STACK_UNWIND_H
#define XGOTOPFS_MEMORY_STACK_UNWIND_H

#include "core/memory/stack_walk.h"
#include "core/target/pclntab.h"

/* Where the stack's bytes come from: a copy of all of it, or a window that moves over it. */
struct stack_bytes {
	uint64_t sp, hi;     /* the part in use: [sp, hi) */
	const uint8_t *copy; /* of all of it; NULL: read as needed, into the window */
	uint8_t *window;     /* STACK_WINDOW bytes */
	uint64_t at, size;   /* what is in the window */
	pid_t pid;
	uint64_t until_ns; /* nothing is read after that */
	bool inner_only;   /* a walk that is cut does not go on at the outer end */
	int err;           /* out: why a read failed; 0: not in bounds, or too late */
};
#define STACK_WINDOW (1u << 20)

/* Fills all of ret but g. */
void stack_unwind(const struct target *t, uint64_t bias, const struct memory_goroutine *g,
		  struct stack_steps *steps, struct stack_bytes *bytes,
		  const struct stack_bounds *bounds, struct stack_trace *ret);

/* As unwinder.initAt() decides. */
static inline bool stack_starts_in_syscall(const struct memory_goroutine *g)
{
	return g->syscall_sp != 0;
}

#endif
