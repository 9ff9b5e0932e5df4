/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads stacks in the text of Go's debug=2 dump (Go src/runtime/traceback.go, goroutineheader and
 * traceback), as view_stacks() and net/http/pprof write it.
 */
#ifndef XGOTOPFS_VIEW_DUMP_H
#define XGOTOPFS_VIEW_DUMP_H

#include <stddef.h>
#include <stdint.h>

#define DUMP_DEPTH_MAX 200 /* frames of a stack; the innermost are kept */

/* Pieces of the text, not copies; nothing is terminated. */
struct dump_frame {
	const char *name, *at; /* "main.(*T).run", "/src/main.go:12"; at: NULL when not known */
	size_t name_len, at_len;
};

struct dump_stack {
	uint64_t goid;
	const char *why; /* "chan receive": what stands in the brackets, without the time */
	size_t why_len;
	const struct dump_frame *frames; /* innermost first */
	size_t n;                        /* 0: it was running, and its stack could not be read */
};

/* Valid during the call. */
typedef void dump_stack_fn(void *ctx, const struct dump_stack *stack);
void dump_parse(const char *text, size_t len, dump_stack_fn *fn, void *ctx);

#endif
