/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One stack as text (stack_print.c), for stack.c and its tests. For this room. */
#ifndef XGOTOPFS_MEMORY_STACK_PRINT_H
#define XGOTOPFS_MEMORY_STACK_PRINT_H

#include "core/memory/about.h"
#include "core/memory/stack.h"

/* What was printed already: most goroutines of a busy program stand in few places. Belongs to one
 * thread and one target. */
struct stack_printer;

/* `labels`: those of `about` are shown. */
int stack_printer_new(const struct target *t, enum stack_style style, bool labels,
		      struct stack_printer **ret);
/* The process's CLOCK_MONOTONIC is so far ahead of ours (process_clock_ahead()). */
void stack_printer_set_clock(struct stack_printer *p, int64_t ahead_ns);
void stack_printer_free(struct stack_printer *p);

/* One goroutine as memory_stack() has it. `about` may be NULL. */
void stack_print(struct stack_printer *p, const struct stack_trace *trace,
		 const struct goroutine_about *about, struct buf *out);

#endif
