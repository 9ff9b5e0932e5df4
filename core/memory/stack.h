/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stacks of goroutines, read from a live process without stopping it. Only a goroutine that
 * does not run has one that can be read; what raced is read again, and said to be unavailable when
 * it keeps changing. Any thread.
 */
#ifndef XGOTOPFS_MEMORY_STACK_H
#define XGOTOPFS_MEMORY_STACK_H

#include "core/base/buf.h"
#include "core/memory/goroutines.h"

/* Of a deep stack the frames at both ends are kept; what is between is counted. */
#define STACK_INNER      512
#define STACK_OUTER      512
#define STACK_FRAMES_MAX (STACK_INNER + STACK_OUTER)
#define STACK_ARGS_MAX   10 /* words of arguments that a dump shows of a call */

enum stack_state {
	STACK_WHOLE,     /* down to the goroutine's first function */
	STACK_CUT,       /* no more time, or a frame that makes no sense: some are not known */
	STACK_RUNNING,   /* the goroutine runs: nothing to read */
	STACK_UNSETTLED, /* it changed each time it was read */
};

/* A physical frame. */
struct stack_frame {
	uint64_t pc;     /* static address where it goes on; 0x… of `+0x` in a dump */
	uint64_t lookup; /* the address to name: pc, or pc - 1 when pc is a return address */
	uint64_t sp;     /* where its part of the stack begins: up to its caller's */
	/* The words of its arguments (target_args_by_pc(), TARGET_ARG_VALUE), in order; n_args is
	 * -1 when they could not be read. */
	uint64_t args[STACK_ARGS_MAX];
	int32_t n_args;
	uint32_t shown; /* of those behind STACK_INNER: how many calls a dump shows of it */
};

/* Frames, innermost first. frames[inner] is the first of the outer part where some were left out in
 * between, `inner` == `n` where none were. */
struct stack_trace {
	enum stack_state state;
	struct memory_goroutine g; /* as of when the frames were read */
	size_t n, inner;
	uint64_t left_out; /* calls that a dump would show in between; STACK_SOME: nobody knows */
	uint64_t walked;   /* frames from the innermost on, until it was cut */
	uint64_t hash;     /* of all frames, those left out included */
	struct stack_frame frames[STACK_FRAMES_MAX];
};
#define STACK_SOME UINT64_MAX

/*
 * Appends one goroutine as a dump of Go with debug=2 has it (runtime/traceback.go): header, frames,
 * "created by", with arguments. The runtime's own frames are shown only when
 * there are no others; of a deep stack the 50 innermost and outermost, as Go does. Names are
 * text_name()'s (core/base/text.h), so a goroutine's text has a bound of some 400 KB. Then nothing
 * is appended: -ESRCH (dead, or its g is another's by now), -EPERM, -ENOMEM.
 */
int memory_stack(const struct target *t, pid_t pid, uint64_t bias, const struct memory_goroutine *g,
		 struct buf *out);

enum stack_style {
	STACK_AS_GO, /* as the process would print it */
	/* For a profile: labels in every release, in the form of 1.27, and no arguments. */
	STACK_LABELLED,
	STACK_LABELS_ONLY, /* the headers of those that have labels, in that form */
};

/*
 * All goroutines but the runtime's own (isSystemGoroutine: one that runs finalizers or cleanups of
 * the program is none of them), each with the blank line before it, handed out one at a
 * time: the text is gone after the call. What `fn` returns, unless 0, ends it and is returned. When
 * there is more than can be shown (of goroutines, or of time: deep stacks are cut after some
 * seconds, and the rest of the goroutines after some more) a last piece says so: "... cut: …".
 * Errors as of memory_goroutines().
 */
typedef int memory_stack_text_fn(void *ctx, const char *text, size_t len);
int memory_stacks(const struct target *t, pid_t pid, uint64_t bias, enum stack_style style,
		  memory_stack_text_fn *fn, void *ctx);

#endif
