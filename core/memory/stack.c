/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One goroutine's stack as text, and all of them: read (stack_batch.c) and printed (stack_print.c)
 * within bounds of time and memory, whatever the target made of them. */
#include "core/memory/stack.h"

#include <errno.h>

#include "core/memory/stack_print.h"
#include "core/memory/stack_walk.h"

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
	int err = trace && scratch ? stack_printer_new(t, &printer) : -ENOMEM;

	if (!err)
		err = stack_trace_with(t, pid, bias, g, &bounds, scratch, trace);
	if (!err) {
		stack_print(printer, trace, out);
		err = buf_error(out);
	}
	stack_printer_free(printer);
	stack_scratch_free(scratch);
	return err == -EAGAIN ? -ESRCH : err;
}

struct dump {
	struct stack_printer *printer;
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
	if (d->shown++)
		buf_addc(&d->text, '\n');
	stack_print(d->printer, trace, &d->text);
	return hand_over(d);
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

int stacks_within(const struct target *t, pid_t pid, uint64_t bias, const struct stack_times *times,
		  memory_stack_text_fn *fn, void *ctx)
{
	cleanup_free_ struct memory_goroutine *list = NULL;
	uint64_t now = monotonic_ns();
	struct dump d = {
		.bounds = {STACK_UNBOUNDED, now + times->deep_ns},
		.deep_until_ns = now + times->deep_ns,
		.until_ns = now + times->all_ns,
		.fn = fn,
		.ctx = ctx,
	};
	bool too_many = false;
	size_t n, kept = 0;
	int err = stack_printer_new(t, &d.printer);

	if (!err)
		err = memory_goroutines(t, pid, bias, &list, &n, &too_many);
	if (err)
		goto out;
	for (size_t i = 0; i < n; i++) {
		if (!target_is_system_goroutine(t, list[i].start_pc))
			list[kept++] = list[i];
	}
	err = stack_traces(t, pid, bias, list, kept, &d.bounds, print_next, &d);
	if (!err || d.cut)
		err = note_cut(&d, kept, too_many);
out:
	buf_free(&d.text);
	stack_printer_free(d.printer);
	return err;
}

int memory_stacks(const struct target *t, pid_t pid, uint64_t bias, memory_stack_text_fn *fn,
		  void *ctx)
{
	static const struct stack_times times = {DEEP_NS, ALL_NS};

	return stacks_within(t, pid, bias, &times, fn, ctx);
}
