/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads stacks in the text of Go's debug=2 dump (Go src/runtime/traceback.go, goroutineheader and
 * traceback), as view_stacks() and net/http/pprof write it.
 */
#ifndef XGOTOPFS_VIEW_DUMP_H
#define XGOTOPFS_VIEW_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

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
	const char *labels; /* what stands in the braces behind them: dump_labels(); NULL: none */
	size_t labels_len;
	const struct dump_frame *frames; /* innermost first */
	size_t n;                        /* 0: it was running, and its stack could not be read */
};

/* Valid during the call. */
typedef void dump_stack_fn(void *ctx, const struct dump_stack *stack);
void dump_parse(const char *text, size_t len, dump_stack_fn *fn, void *ctx);

/* Where a goroutine is, for a reader: the innermost frame that is the program's own (own.h), and
 * the innermost that is not the runtime's. NULL: there is none. */
struct dump_place {
	const struct dump_frame *own, *frame;
};
struct dump_place dump_place(const struct dump_stack *stack);

/* A label's key and value with the quotes undone, and then escaped as all text is
 * (core/base/text.h, TEXT_LINE). Returns how many, at most max; the texts are in *out, which the
 * caller frees. */
struct dump_label {
	size_t key, key_len, value, value_len; /* offsets in out->data */
};
size_t dump_labels(const char *labels, size_t len, struct dump_label *ret, size_t max,
		   struct buf *out);

#endif
