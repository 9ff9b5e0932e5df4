/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See start.h. */
#include "core/memory/start.h"

#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/stack_walk.h"

#define CALLS_MAX   16
#define FRAMES_MOST 256        /* then the walk goes on at the outer end */
#define TIME_NS     NS_PER_SEC /* then deep stacks are cut, and after as much again all ends */
#define HELD_DEPTH  3 /* a closure that holds a closure, as BPF follows them (will_call()) */

struct starts {
	const struct target *t;
	pid_t pid;
	uint64_t bias;
	memory_start_fn *fn;
	void *ctx;
	uint64_t until_ns;
};

/* The name of the outermost call at a frame that a wrapper is not; NULL when there is none. */
static const char *outermost(const struct target *t, uint64_t pc, uint64_t *ret_entry)
{
	struct target_frame calls[CALLS_MAX];
	int n = target_frames_by_pc(t, pc, calls, CALLS_MAX);

	*ret_entry = n > 0 ? calls[n - 1].entry : 0;
	while (n > 0 && calls[n - 1].wrapper)
		n--;
	return n > 0 ? calls[n - 1].function : NULL;
}

/* It has called what it holds: outside of that are the wrapper and goexit. */
static const char *by_stack(const struct starts *s, const struct stack_trace *trace)
{
	bool in_wrapper = false;

	if (trace->state != STACK_WHOLE)
		return NULL;
	for (size_t i = trace->n; i-- > 0;) {
		uint64_t entry;
		const char *name = outermost(s->t, trace->frames[i].lookup, &entry);

		if (in_wrapper && name)
			return name;
		in_wrapper |= entry == trace->g.start_pc;
	}
	return NULL;
}

static int read_word(const struct starts *s, uint64_t addr, uint64_t *ret)
{
	return memory_read(s->pid, addr, ret, sizeof(*ret));
}

/* It has not run: its closure waits in g.sched.ctxt. */
static const char *by_closure(const struct starts *s, const struct memory_goroutine *g)
{
	uint64_t closure, pc = g->start_pc;
	struct target_start start;

	/* gobuf: sp, pc, g, ctxt (runtime2.go) */
	if (g->sched_pc != pc + s->bias ||
	    read_word(s, g->address + target_layout(s->t)->g_sched + 24, &closure))
		return NULL;
	for (int i = 0; i < HELD_DEPTH; i++) {
		uint64_t holder, next;

		if (target_start(s->t, pc, &start))
			return NULL;
		if (!start.held)
			return start.func.name;
		if (read_word(s, closure + start.at, &holder) ||
		    read_word(s, holder + start.method, &next))
			return NULL;
		pc = next - s->bias;
		closure = start.method ? 0 : holder;
	}
	return NULL;
}

static int visit(const struct stack_trace *trace, void *data)
{
	const struct starts *s = data;
	const char *name = by_stack(s, trace);

	if (!name)
		name = by_closure(s, &trace->g);
	if (name)
		s->fn(s->ctx, trace->g.goid, name);
	return monotonic_ns() > s->until_ns ? -ETIME : 0;
}

int memory_starts(const struct target *t, pid_t pid, uint64_t bias,
		  const struct memory_goroutine *list, size_t n, memory_start_fn *fn, void *ctx)
{
	uint64_t deep_ns = monotonic_ns() + TIME_NS;
	const struct stack_bounds bounds = {FRAMES_MOST, deep_ns};
	struct starts s = {t, pid, bias, fn, ctx, deep_ns + TIME_NS};

	return n ? stack_traces(t, pid, bias, list, n, &bounds, visit, &s) : 0;
}
