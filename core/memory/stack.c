/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One goroutine's stack as text, and all of them: read (stack_batch.c) and printed (stack_print.c)
 * within bounds of time and memory, whatever the target made of them. */
#include "core/memory/stack.h"

#include <errno.h>
#include <string.h>

#include "core/memory/stack_print.h"
#include "core/memory/stack_walk.h"
#include "core/target/process.h"

#define ONE_NS  (2 * NS_PER_SEC) /* for one goroutine */
#define DEEP_NS (5 * NS_PER_SEC)
#define ALL_NS  (20 * NS_PER_SEC)
#define FEW     100 /* frames of a stack's inner end when deep ones take too long */

int memory_stack(const struct target *t, pid_t pid, uint64_t bias, const struct memory_goroutine *g,
		 struct buf *out)
{
	const struct stack_bounds bounds = {STACK_UNBOUNDED, monotonic_ns() + ONE_NS};
	cleanup_free_ struct stack_trace *trace = malloc(sizeof(*trace));
	struct stack_scratch *scratch = stack_scratch_new();
	struct stack_printer *printer = NULL;
	struct goroutine_about about;
	int err = trace && scratch
			  ? stack_printer_new(t, STACK_AS_GO, memory_shows_labels(t, pid), &printer)
			  : -ENOMEM;

	if (!err)
		err = stack_trace_with(t, pid, bias, g, &bounds, scratch, trace);
	if (!err) {
		stack_printer_set_clock(printer, process_clock_ahead(pid));
		memory_about(t, pid, &trace->g, &about);
		stack_print(printer, trace, &about, out);
		err = buf_error(out);
	}
	stack_printer_free(printer);
	stack_scratch_free(scratch);
	return err == -EAGAIN ? -ESRCH : err;
}

struct dump {
	const struct target *t;
	pid_t pid;
	struct stack_printer *printer;
	struct goroutine_about about;
	struct stack_bounds bounds;
	uint64_t deep_until_ns, until_ns;
	memory_stack_text_fn *fn;
	void *ctx;
	struct buf text;
	size_t shown;
	bool cut;
};

static int hand_over(struct dump *d)
{
	int err = buf_error(&d->text);

	if (!err)
		err = d->fn(d->ctx, d->text.data, d->text.len);
	buf_reset(&d->text);
	return err;
}

/* Does the program's own code run on one of the runtime's own goroutines? One that runs just now
 * has no other reason that takes long. */
static bool is_in_user_code(const struct target *t, const struct stack_trace *trace)
{
	for (size_t i = 0; i < trace->n; i++) {
		struct go_func f;

		if (!target_func_by_pc(t, trace->frames[i].lookup, &f) &&
		    strncmp(f.name, "runtime.", 8) != 0)
			return true;
	}
	return trace->state == STACK_RUNNING;
}

/* By what is known before its stack is. */
static bool may_be_shown(const struct target *t, const struct memory_goroutine *g)
{
	if (!target_is_system_goroutine(t, g->start_pc))
		return true;
	switch (target_runs_user_code(t, g->start_pc)) {
	case TARGET_FINALIZERS:
		return true;
	case TARGET_CLEANUPS:
		return g->running_cleanups;
	default:
		return false;
	}
}

static bool is_shown(const struct target *t, const struct stack_trace *trace)
{
	return target_runs_user_code(t, trace->g.start_pc) != TARGET_FINALIZERS ||
	       is_in_user_code(t, trace);
}

static int print_next(const struct stack_trace *trace, void *data)
{
	struct dump *d = data;
	uint64_t now = monotonic_ns();

	if (now > d->until_ns) {
		d->cut = true;
		return 1;
	}
	if (now > d->deep_until_ns) {
		d->bounds.frames = FEW;
		d->bounds.until_ns = d->until_ns;
	}
	if (!is_shown(d->t, trace))
		return 0;
	memory_about(d->t, d->pid, &trace->g, &d->about);
	if (d->shown++)
		buf_addc(&d->text, '\n');
	stack_print(d->printer, trace, &d->about, &d->text);
	return hand_over(d);
}

/* Headers only: no stack is read. */
static int print_labels(struct dump *d, const struct memory_goroutine *list, size_t n)
{
	cleanup_free_ struct stack_trace *none = calloc(1, sizeof(*none));
	int err = none ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++) {
		if (!list[i].labels)
			continue;
		none->g = list[i];
		none->state = STACK_RUNNING;
		err = print_next(none, d);
	}
	return err;
}

static int note_cut(struct dump *d, size_t n, bool too_many)
{
	if (!d->cut && !too_many)
		return 0;
	buf_addf(&d->text, "\n... cut: %zu of %zu%s goroutines are shown, %s\n", d->shown, n,
		 too_many ? " and more" : "",
		 d->cut ? "the others would take too long" : "there are more than can be read");
	return hand_over(d);
}

int stacks_within(const struct target *t, pid_t pid, uint64_t bias, enum stack_style style,
		  const struct stack_times *times, memory_stack_text_fn *fn, void *ctx)
{
	cleanup_free_ struct memory_goroutine *list = NULL;
	uint64_t now = monotonic_ns();
	struct dump d = {
		.t = t,
		.pid = pid,
		.bounds = {STACK_UNBOUNDED, now + times->deep_ns},
		.deep_until_ns = now + times->deep_ns,
		.until_ns = now + times->all_ns,
		.fn = fn,
		.ctx = ctx,
	};
	bool too_many = false;
	size_t n, kept = 0;
	bool labels = style != STACK_AS_GO || memory_shows_labels(t, pid);
	int err = stack_printer_new(t, style, labels, &d.printer);

	if (!err)
		err = memory_goroutines(t, pid, bias, &list, &n, &too_many);
	if (err)
		goto out;
	stack_printer_set_clock(d.printer, process_clock_ahead(pid));
	for (size_t i = 0; i < n; i++) {
		if (may_be_shown(t, &list[i]))
			list[kept++] = list[i];
	}
	if (style == STACK_LABELS_ONLY)
		err = print_labels(&d, list, kept);
	else
		err = stack_traces(t, pid, bias, list, kept, &d.bounds, print_next, &d);
	if (!err || d.cut)
		err = note_cut(&d, kept, too_many);
out:
	buf_free(&d.text);
	stack_printer_free(d.printer);
	return err;
}

int memory_stacks(const struct target *t, pid_t pid, uint64_t bias, enum stack_style style,
		  memory_stack_text_fn *fn, void *ctx)
{
	static const struct stack_times times = {DEEP_NS, ALL_NS};

	return stacks_within(t, pid, bias, style, &times, fn, ctx);
}
