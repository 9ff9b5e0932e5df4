/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where user space stops scaling with CPUs: rings as the BPF program of so many CPUs fills them, in
 * plain memory, each with its share of changes of state; CPU time a record of the one thread that
 * empties them, with merging alone and with the model. What a million of those a second would take
 * of a core is beside it.
 *
 *	rings [RECORDS]		default 4,000,000; each figure is the best of three
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/capture/merge.h"
#include "core/model/model.h"

#define SLOTS      4096
#define A_ROUND    16384 /* records: what five milliseconds bring at three million a second */
#define BATCH      512   /* as the pump hands them on */
#define GOROUTINES 10000

struct cpu_ring {
	struct wire_ring control;
	struct wire_slot slots[WIRE_NEAR + SLOTS];
};

struct bench {
	struct cpu_ring *memory;
	struct ring *rings;
	unsigned n;
	struct merge *merge;
	struct model *model; /* NULL: merging alone */
	uint64_t now, seed;
	uint8_t states[GOROUTINES + 1];
	struct event batch[BATCH];
};

static uint64_t next_random(struct bench *b)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return b->seed;
}

/* The next change of some goroutine, on some CPU. */
static void write_one(struct bench *b)
{
	static const uint8_t after[GSTATES] = {[GSTATE_RUNNABLE] = GSTATE_RUNNING,
					       [GSTATE_RUNNING] = GSTATE_WAITING,
					       [GSTATE_WAITING] = GSTATE_RUNNABLE};
	uint64_t r = next_random(b);
	struct cpu_ring *ring = &b->memory[r % b->n];
	uint64_t goid = 1 + (r >> 20) % GOROUTINES, number = ring->control.head;
	struct wire_slot *slot = &ring->slots[wire_slot_index(number, ring->control.tail, SLOTS)];

	if (wire_ring_full(&ring->control, SLOTS))
		return;
	ring->control.head = number + 1;
	slot->record.state = (struct wire_state){.h = {.type = WIRE_CASGSTATUS,
						       .flags = WIRE_EMIT_STATE,
						       .from = b->states[goid],
						       .to = after[b->states[goid]],
						       .pid_cpu = 1,
						       .time_ns = b->now += 300,
						       .goid = goid},
						 .target = goid};
	b->states[goid] = after[b->states[goid]];
	slot->seq = number + 1;
}

static size_t empty(struct bench *b)
{
	const union wire_record *record;
	size_t n = 0, all = 0;

	(void)merge_drain(b->merge, b->now + NS_PER_SEC);
	while ((record = merge_next(b->merge))) {
		all++;
		if (!b->model)
			continue;
		b->batch[n++] = (struct event){.time_ns = record->h.time_ns,
					       .goid = record->h.goid,
					       .target = record->state.target,
					       .from = record->h.from,
					       .to = record->h.to,
					       .type = EVENT_CASGSTATUS};
		if (n == BATCH) {
			model_apply(b->model, b->batch, n);
			n = 0;
		}
	}
	if (n)
		model_apply(b->model, b->batch, n);
	return all;
}

static int prepare(struct bench *b, unsigned n, struct model *model)
{
	b->n = n;
	b->model = model;
	b->seed = 88172645463325252ull;
	b->memory = calloc(n, sizeof(*b->memory));
	b->rings = calloc(n, sizeof(*b->rings));
	if (!b->memory || !b->rings)
		return -ENOMEM;
	memset(b->states, GSTATE_WAITING, sizeof(b->states));
	for (unsigned i = 0; i < n; i++)
		b->rings[i] = (struct ring){.control = &b->memory[i].control,
					    .slots = b->memory[i].slots,
					    .n_slots = SLOTS};
	return merge_new(b->rings, n, &b->merge);
}

static int run_once(unsigned n, size_t records, struct model *model, double *ret_ns)
{
	struct bench *b = calloc(1, sizeof(*b));
	uint64_t cpu = 0;
	size_t all = 0;
	int err = b ? prepare(b, n, model) : -ENOMEM;

	while (!err && all < records) {
		uint64_t before;

		for (unsigned i = 0; i < A_ROUND; i++)
			write_one(b);
		before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		all += empty(b);
		cpu += clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
	}
	*ret_ns = (double)cpu / (double)MAX(all, (size_t)1);
	if (b) {
		merge_free(b->merge);
		free(b->rings);
		free(b->memory);
	}
	free(b);
	return err;
}

/* The best of three: a machine that does other things only ever makes it slower. */
static int run(unsigned n, size_t records, bool with_model, double *ret_ns)
{
	struct names *names = NULL;
	int err = 0;

	*ret_ns = 1e9;
	for (int i = 0; i < 3 && !err; i++) {
		struct model *model = NULL;
		struct proc_info info = {.pid = 1};
		double ns = 0;

		err = names_new(1000, &names);
		if (!err && with_model) {
			struct model_config config = {.retain = 1000000,
						      .retain_exited = 1000,
						      .workers = 1,
						      .names = names};

			err = model_new(&config, &model);
			if (!err)
				err = MIN(model_proc_add(model, &info), 0);
		}
		if (!err)
			err = run_once(n, records, model, &ns);
		*ret_ns = MIN(*ret_ns, ns);
		model_free(model);
		names_free(names);
		names = NULL;
	}
	return err;
}

int main(int argc, char **argv)
{
	size_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000;
	int err = 0;

	printf("rings  merge, ns a record  with the model  a core at a million a second\n");
	for (unsigned n = 1; n <= WIRE_RINGS_MAX && !err; n *= 2) {
		double merge, model;

		err = run(n, records, false, &merge);
		if (!err)
			err = run(n, records, true, &model);
		if (!err)
			printf("%5u  %18.1f  %14.1f  %23.0f%%\n", n, merge, model, model / 10);
	}
	if (err)
		fprintf(stderr, "rings: %s\n", strerror(-err));
	return err ? 1 : 0;
}
