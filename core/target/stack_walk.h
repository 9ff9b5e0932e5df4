/* Reading stacks: one (stack_walk.c), many (stack_batch.c); printing one (stack.c). For this room. */
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

/* The parts of it, for stack_batch.c. How many bytes of stack are in use and where they begin; 0
 * when there are none to read. */
uint64_t stack_used(const struct target_goroutine *g, uint64_t *ret_sp);
/* Walks a copy of those bytes; fills all of ret. */
void stack_walk_copy(const struct target *t, uint64_t bias, const struct target_goroutine *g,
		     const void *bytes, struct stack_trace *ret);
/* Has it not run between the two? */
bool stack_is_unmoved(const struct target_goroutine *a, const struct target_goroutine *b);

/* One goroutine as target_stack() has it. */
void stack_print(const struct target *t, const struct stack_trace *trace, struct buf *out);

#endif
