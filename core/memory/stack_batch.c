/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Many stacks with few system calls: a group of goroutines' stacks, then their gs, then the stacks
 * again, three calls in all. A stack whose g has not moved and whose two copies are the same is one
 * of a single moment. The others, few, are read one by one (stack_walk.c), which tries repeatedly.
 */
#include <errno.h>
#include <string.h>

#include "core/memory/goroutines_read.h"
#include "core/memory/memory.h"
#include "core/memory/stack_walk.h"

#define GROUP_MAX   256
#define GROUP_BYTES (1u << 20)
#define LARGE       (64u << 10) /* used bytes of a stack that is read by itself */

struct batch {
	const struct target *t;
	pid_t pid;
	uint64_t bias;
	size_t g_bytes;
	uint8_t *first, *second, *gs; /* GROUP_BYTES, GROUP_BYTES, GROUP_MAX * g_bytes */
	struct stack_scratch *scratch;
	struct stack_steps *steps;
	struct stack_trace *trace;
	struct memory_piece a[GROUP_MAX], b[GROUP_MAX], g[GROUP_MAX];
};

static void batch_free(struct batch *batch)
{
	free(batch->first);
	free(batch->second);
	free(batch->gs);
	free(batch->trace);
	stack_scratch_free(batch->scratch);
	free(batch->steps);
	free(batch);
}

static struct batch *batch_new(const struct target *t, pid_t pid, uint64_t bias)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->t = t;
	batch->pid = pid;
	batch->bias = bias;
	batch->g_bytes = goroutine_bytes(t);
	batch->first = malloc(GROUP_BYTES);
	batch->second = malloc(GROUP_BYTES);
	batch->gs = malloc(GROUP_MAX * batch->g_bytes);
	batch->trace = malloc(sizeof(*batch->trace));
	batch->scratch = stack_scratch_new();
	batch->steps = stack_steps_new();
	if (batch->first && batch->second && batch->gs && batch->trace && batch->scratch &&
	    batch->steps)
		return batch;
	batch_free(batch);
	return NULL;
}

/* Plans the next group; a goroutine that cannot be read this way has empty pieces. Returns how many
 * of the list it takes. */
static size_t plan(struct batch *batch, const struct memory_goroutine *list, size_t n)
{
	size_t used = 0, i;

	for (i = 0; i < n && i < GROUP_MAX; i++) {
		uint64_t sp = 0, size = stack_used(&list[i], &sp);

		if (size > LARGE)
			size = 0;
		if (used + size > GROUP_BYTES)
			break;
		batch->a[i] = (struct memory_piece){sp, batch->first + used, size, false};
		batch->b[i] = (struct memory_piece){sp, batch->second + used, size, false};
		batch->g[i] = (struct memory_piece){
			.addr = list[i].address,
			.buf = batch->gs + i * batch->g_bytes,
			.size = batch->g_bytes,
		};
		used += size;
	}
	return i;
}

static bool settled(const struct batch *batch, const struct memory_goroutine *g, size_t i,
		    struct memory_goroutine *now)
{
	return batch->a[i].size && batch->a[i].ok && batch->b[i].ok && batch->g[i].ok &&
	       goroutine_from_bytes(batch->t, batch->g[i].buf, g->address, batch->bias, now) &&
	       stack_is_unmoved(g, now) &&
	       !memcmp(batch->a[i].buf, batch->b[i].buf, batch->a[i].size);
}

static int visit_group(struct batch *batch, const struct memory_goroutine *list, size_t n,
		       const struct stack_bounds *bounds, stack_visit_fn *visit, void *data)
{
	struct memory_goroutine now;
	int err;

	err = memory_read_pieces(batch->pid, batch->a, n);
	if (!err)
		err = memory_read_pieces(batch->pid, batch->g, n);
	if (!err)
		err = memory_read_pieces(batch->pid, batch->b, n);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (settled(batch, &list[i], i, &now)) {
			stack_walk_copy(batch->t, batch->bias, &now, batch->steps, batch->a[i].buf,
					batch->a[i].size, bounds, batch->trace);
		} else {
			err = stack_trace_with(batch->t, batch->pid, batch->bias, &list[i], bounds,
					       batch->scratch, batch->trace);
			if (err == -ESRCH || err == -EAGAIN)
				continue; /* gone since */
			if (err < 0)
				return err;
		}
		err = visit(batch->trace, data);
		if (err)
			return err;
	}
	return 0;
}

int stack_traces(const struct target *t, pid_t pid, uint64_t bias,
		 const struct memory_goroutine *list, size_t n, const struct stack_bounds *bounds,
		 stack_visit_fn *visit, void *data)
{
	struct batch *batch = batch_new(t, pid, bias);
	int err = 0;

	if (!batch)
		return -ENOMEM;
	while (n > 0 && !err) {
		size_t group = plan(batch, list, n);

		err = target_reading_ends(t) ? -ECANCELED
					     : visit_group(batch, list, group, bounds, visit, data);
		list += group;
		n -= group;
	}
	batch_free(batch);
	return err;
}
