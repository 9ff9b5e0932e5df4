/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups of stacks are read with one system call each and walked in the copy. See stack_copy.h. */
#include "core/memory/stack_copy.h"

#include <errno.h>

#include "core/memory/memory.h"
#include "core/memory/stack_unwind.h"

#define GROUP_MAX   256
#define GROUP_BYTES (2u << 20)
#define WALK_NS     (NS_PER_SEC / 10) /* for the frames of one */

struct group {
	struct memory_piece pieces[GROUP_MAX];
	size_t n;
	uint8_t *bytes;
	struct stack_trace *trace;
	struct stack_steps *steps;
};

static void group_free(struct group *g)
{
	if (!g)
		return;
	free(g->bytes);
	free(g->trace);
	free(g->steps);
	free(g);
}

static struct group *group_new(void)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->bytes = malloc(GROUP_BYTES);
	g->trace = malloc(sizeof(*g->trace));
	g->steps = stack_steps_new();
	if (g->bytes && g->trace && g->steps)
		return g;
	group_free(g);
	return NULL;
}

/* Those from `which` on that fit. */
static void plan(struct group *group, const struct memory_goroutine *gs, const uint32_t *which,
		 size_t n, uint64_t max_bytes)
{
	size_t used = 0;

	for (group->n = 0; group->n < MIN(n, (size_t)GROUP_MAX); group->n++) {
		uint64_t sp = 0, size = stack_used(&gs[which[group->n]], &sp);

		size = MIN(size, MIN(max_bytes, (uint64_t)STACK_COPY_MAX));
		if (used + size > GROUP_BYTES)
			break;
		group->pieces[group->n] = (struct memory_piece){
			.addr = sp,
			.buf = group->bytes + used,
			.size = size,
		};
		used += size;
	}
}

int stack_copies(const struct target *t, pid_t pid, uint64_t bias,
		 const struct memory_goroutine *gs, const uint32_t *which, size_t n,
		 uint64_t max_bytes, size_t max_frames, stack_copy_fn *visit, void *ctx)
{
	struct group *group = group_new();
	int err = group ? 0 : -ENOMEM;

	for (size_t at = 0; at < n && !err; at += group->n) {
		plan(group, gs, which + at, n - at, max_bytes);
		err = memory_read_pieces(pid, group->pieces, group->n);
		for (size_t i = 0; i < group->n && !err; i++) {
			const struct memory_piece *p = &group->pieces[i];
			const struct memory_goroutine *g = &gs[which[at + i]];
			const struct stack_bounds bounds = {MIN(max_frames, (size_t)STACK_INNER),
							    monotonic_ns() + WALK_NS};
			struct stack_bytes bytes = {
				.sp = p->addr,
				.hi = p->addr + p->size,
				.copy = p->buf,
				.inner_only = true,
			};
			struct stack_copy copy = {group->trace, p->buf, p->addr, p->size, false};
			uint64_t sp;

			if (!p->ok || !p->size)
				continue;
			copy.whole = p->size == stack_used(g, &sp);
			group->trace->g = *g;
			stack_unwind(t, bias, g, group->steps, &bytes, &bounds, group->trace);
			err = visit(ctx, which[at + i], &copy);
		}
	}
	group_free(group);
	return err;
}
