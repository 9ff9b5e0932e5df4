/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which words of a waiting goroutine's stack are live: those that Go's garbage collector would scan
 * (runtime/mgcmark.go scanstack()), by the stack maps that are in every binary. What is left out is
 * dead: the goroutine never reads it again. Where it is not known how a frame is to be read, all of
 * its words count; where that is not enough, nothing is told. For this room; one thread.
 */
#ifndef XGOTOPFS_MEMORY_STACK_LIVE_H
#define XGOTOPFS_MEMORY_STACK_LIVE_H

#include "core/memory/goroutines.h"

struct stack_live;

/* Parked, or in a system call: it may stay there, and the collector looks at its stack the same
 * way. */
static inline bool stack_live_can_tell(const struct memory_goroutine *g)
{
	return goroutine_is_parked(g) || g->status == 3; /* runtime2.go _Gsyscall */
}

/* For many goroutines of one process, one after the other; a few megabytes. -ENOMEM. */
int stack_live_new(const struct target *t, pid_t pid, uint64_t bias, struct stack_live **ret);
void stack_live_free(struct stack_live *s); /* NULL is fine */

enum word_life {
	WORD_DEAD,
	WORD_LIVE,    /* by the frame's map, or in a variable that such a word points to */
	WORD_UNKNOWN, /* no map tells */
};

/* A call that is due when its frame ends. */
struct stack_defer {
	uint64_t closure; /* address */
	uint64_t lookup;  /* static address in the frame's code, as stack_frame.lookup; 0: not known
			   */
};

/* A stack at one moment. Valid until the next call. */
struct stack_words {
	const struct stack_trace *trace; /* whole */
	uint64_t sp, hi;                 /* addresses */
	const uint8_t *bytes, *life;     /* of [sp, hi); an enum word_life each word */
	/* Of each word that is not dead: which of the trace's frames has it. Arguments lie in the
	 * caller's part of the stack. */
	const uint16_t *frame;
	const struct stack_defer *defers;
	size_t n_defers;
	/* Values of the deferred calls' records, where these are not on the stack. */
	const uint64_t *others;
	size_t n_others;
};

static inline enum word_life stack_word_life(const struct stack_words *w, uint64_t addr)
{
	return addr >= w->sp && addr < w->hi ? (enum word_life)w->life[(addr - w->sp) / 8]
					     : WORD_DEAD;
}

/*
 * -ENODATA: maps do not tell (a stack that is long, or that is not walked to its end),
 * -EAGAIN: it no longer waits as `g` says; nothing is told then, and all words of the stack may be
 * live. -ESRCH, -EPERM, -ENOMEM.
 */
int stack_live_read(struct stack_live *s, const struct memory_goroutine *g,
		    struct stack_words *ret);

/* Calls `fn` with the value of each live word of the stack, and of the deferred calls that hang on
 * g; not with the words of g itself. Errors as above: nothing was called then. */
typedef void stack_live_fn(void *ctx, uint64_t value);
int stack_live_words(struct stack_live *s, const struct memory_goroutine *g, stack_live_fn *fn,
		     void *ctx);

#endif
