/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading stacks: one (stack_walk.c), many (stack_batch.c). For this room. */
#ifndef XGOTOPFS_MEMORY_STACK_WALK_H
#define XGOTOPFS_MEMORY_STACK_WALK_H

#include "core/memory/stack.h"

/* What one stack may take: a target may make its stacks, and the tables they are read with, as
 * large as it likes. Past either, the walk goes on at the stack's outer end. */
struct stack_bounds {
	uint64_t frames;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
};
#define STACK_UNBOUNDED UINT64_MAX

struct stack_scratch; /* a good megabyte */

/* What the tables say of places in the code, for one walk after the other in one target: most
 * goroutines of a busy program stand in few places. */
struct stack_steps;
struct stack_steps *stack_steps_new(void); /* NULL: no memory; free() it */

struct stack_scratch *stack_scratch_new(void); /* NULL: no memory */
void stack_scratch_free(struct stack_scratch *scratch);

/* 0, or -ESRCH (dead, or its g is another's by now), -EAGAIN (as good as gone), -EPERM, -ENOMEM. */
int stack_trace_with(const struct target *t, pid_t pid, uint64_t bias,
		     const struct memory_goroutine *g, const struct stack_bounds *bounds,
		     struct stack_scratch *scratch, struct stack_trace *ret);

/*
 * Calls `visit` with the stack of each goroutine of a list that is still there, in order; far fewer
 * system calls than one by one. The trace is gone after the call. What `visit` returns, unless 0,
 * ends it and is returned; it may change the bounds. Errors as above, but -ESRCH only when the
 * whole process is gone.
 */
typedef int stack_visit_fn(const struct stack_trace *trace, void *data);
int stack_traces(const struct target *t, pid_t pid, uint64_t bias,
		 const struct memory_goroutine *list, size_t n, const struct stack_bounds *bounds,
		 stack_visit_fn *visit, void *data);

/* memory_stacks() within these times, from its beginning on. */
struct stack_times {
	uint64_t deep_ns; /* then deep stacks are cut */
	uint64_t all_ns;  /* then it ends */
};
int stacks_within(const struct target *t, pid_t pid, uint64_t bias, enum stack_style style,
		  const struct stack_times *times, memory_stack_text_fn *fn, void *ctx);

/* The parts of it, for stack_batch.c. How many bytes of stack are in use and where they begin; 0
 * when there are none to read. */
uint64_t stack_used(const struct memory_goroutine *g, uint64_t *ret_sp);
/* Walks a copy of all of those bytes; fills all of ret. */
void stack_walk_copy(const struct target *t, uint64_t bias, const struct memory_goroutine *g,
		     struct stack_steps *steps, const void *bytes, uint64_t size,
		     const struct stack_bounds *bounds, struct stack_trace *ret);
/* Has it not run between the two? */
bool stack_is_unmoved(const struct memory_goroutine *a, const struct memory_goroutine *b);

#endif
