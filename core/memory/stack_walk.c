/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A stack of one moment. Nothing holds the goroutine still: its stack is walked twice, with another
 * look at the g in between: only when registers, status, goid and both walks agree is it the stack
 * of one moment.
 */
#include "core/memory/stack_walk.h"

#include <errno.h>
#include <string.h>

#include "core/memory/stack_unwind.h"

#define GRUNNING   2 /* runtime2.go */
#define GCOPYSTACK 8

#define TRIES 5

static uint64_t first_sp(const struct memory_goroutine *g)
{
	return stack_starts_in_syscall(g) ? g->syscall_sp : g->sched_sp;
}

static bool is_sane(const struct memory_goroutine *g)
{
	uint64_t sp = first_sp(g);

	return g->stack_lo < g->stack_hi && sp >= g->stack_lo && sp < g->stack_hi && sp % 8 == 0;
}

bool stack_is_unmoved(const struct memory_goroutine *a, const struct memory_goroutine *b)
{
	return a->goid == b->goid && a->status == b->status && a->sched_pc == b->sched_pc &&
	       a->sched_sp == b->sched_sp && a->sched_bp == b->sched_bp &&
	       a->syscall_pc == b->syscall_pc && a->syscall_sp == b->syscall_sp &&
	       a->stack_lo == b->stack_lo && a->stack_hi == b->stack_hi;
}

uint64_t stack_used(const struct memory_goroutine *g, uint64_t *ret_sp)
{
	if (g->status == GRUNNING || g->status == GCOPYSTACK || !is_sane(g))
		return 0;
	*ret_sp = first_sp(g);
	return g->stack_hi - *ret_sp;
}

void stack_walk_copy(const struct target *t, uint64_t bias, const struct memory_goroutine *g,
		     struct stack_steps *steps, const void *bytes, uint64_t size,
		     const struct stack_bounds *bounds, struct stack_trace *ret)
{
	uint64_t sp = first_sp(g);
	struct stack_bytes copy = {.sp = sp, .hi = sp + size, .copy = bytes};

	ret->g = *g;
	stack_unwind(t, bias, g, steps, &copy, bounds, ret);
}

struct stack_scratch {
	struct stack_trace other;
	struct stack_steps *steps;
	uint8_t window[STACK_WINDOW];
};

static int read_and_walk(const struct target *t, pid_t pid, uint64_t bias,
			 const struct memory_goroutine *g, const struct stack_bounds *bounds,
			 struct stack_scratch *scratch, struct stack_trace *ret)
{
	struct stack_bytes bytes = {
		.window = scratch->window,
		.pid = pid,
		.hi = g->stack_hi,
		.until_ns = bounds->until_ns,
	};

	if (stack_used(g, &bytes.sp) == 0)
		return -EAGAIN;
	ret->g = *g;
	stack_unwind(t, bias, g, scratch->steps, &bytes, bounds, ret);
	return bytes.err;
}

static bool is_same_walk(const struct stack_trace *a, const struct stack_trace *b)
{
	return a->state == b->state && a->n == b->n && a->inner == b->inner &&
	       a->left_out == b->left_out && a->hash == b->hash;
}

static bool has_same_args(const struct stack_trace *a, const struct stack_trace *b)
{
	return !memcmp(a->frames, b->frames, a->n * sizeof(*a->frames));
}

static void forget_args(struct stack_trace *trace)
{
	for (size_t i = 0; i < trace->n; i++)
		trace->frames[i].n_args = -1;
}

struct stack_scratch *stack_scratch_new(void)
{
	struct stack_scratch *scratch = malloc(sizeof(*scratch));

	if (!scratch)
		return NULL;
	scratch->steps = stack_steps_new();
	if (scratch->steps)
		return scratch;
	free(scratch);
	return NULL;
}

void stack_scratch_free(struct stack_scratch *scratch)
{
	if (scratch)
		free(scratch->steps);
	free(scratch);
}

/* One try: 0, -EAGAIN when it raced, or another error. `last`: where only the arguments changed,
 * it is a stack without. */
static int try_once(const struct target *t, pid_t pid, uint64_t bias,
		    const struct memory_goroutine *g, const struct stack_bounds *bounds, bool last,
		    struct stack_scratch *scratch, struct stack_trace *ret)
{
	struct stack_bounds again = *bounds;
	struct memory_goroutine now;
	int err;

	err = read_and_walk(t, pid, bias, g, bounds, scratch, &scratch->other);
	if (!err)
		err = memory_goroutine_again(t, pid, bias, g, &now);
	if (!err)
		err = stack_is_unmoved(g, &now) ? 0 : -EAGAIN;
	/* As far as the first time, whatever time it is. */
	if (scratch->other.state == STACK_CUT)
		again = (struct stack_bounds){scratch->other.walked, UINT64_MAX};
	if (!err)
		err = read_and_walk(t, pid, bias, &now, &again, scratch, ret);
	if (err)
		return err == -EFAULT ? -EAGAIN : err;
	if (!is_same_walk(&scratch->other, ret))
		return -EAGAIN;
	if (has_same_args(&scratch->other, ret))
		return 0;
	if (!last)
		return -EAGAIN;
	forget_args(ret);
	return 0;
}

int stack_trace_with(const struct target *t, pid_t pid, uint64_t bias,
		     const struct memory_goroutine *g, const struct stack_bounds *bounds,
		     struct stack_scratch *scratch, struct stack_trace *ret)
{
	struct memory_goroutine now = *g;

	for (int i = 1; i <= TRIES; i++) {
		int err = -EAGAIN;

		if (now.status != GRUNNING)
			err = try_once(t, pid, bias, &now, bounds, i == TRIES, scratch, ret);
		if (err != -EAGAIN)
			return err;
		err = memory_goroutine_again(t, pid, bias, g, &now);
		if (err < 0 && err != -EAGAIN)
			return err;
		if (now.status == GRUNNING)
			break;
	}
	ret->g = now;
	ret->n = ret->inner = 0;
	ret->left_out = 0;
	ret->state = now.status == GRUNNING ? STACK_RUNNING : STACK_UNSETTLED;
	return 0;
}
