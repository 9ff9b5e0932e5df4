/* Walking many stacks with the same working memory. For stack_walk.c and stack.c. */
#ifndef XGOTOPFS_TARGET_STACK_WALK_H
#define XGOTOPFS_TARGET_STACK_WALK_H

#include "core/target/stack.h"

struct stack_scratch; /* about a megabyte */

struct stack_scratch *stack_scratch_new(void); /* NULL: no memory */
void stack_scratch_free(struct stack_scratch *scratch);

/* target_stack_trace() with the caller's working memory. */
int stack_trace_with(const struct target *t, pid_t pid, uint64_t bias,
		     const struct target_goroutine *g, struct stack_scratch *scratch,
		     struct stack_trace *ret);

#endif
