/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A reader, and nothing that traces beside it. See onlooker.h. */
#include "core/engine/onlooker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/reader.h"
#include "core/model/control.h"

struct onlooker {
	struct source source;
	struct reader *reader;
};

static void stats(void *ctx, struct capture_stats *ret)
{
	(void)ctx;
	memset(ret, 0, sizeof(*ret));
}

static void health(void *ctx, unsigned proc, struct health *ret)
{
	struct target *target = reader_target(((struct onlooker *)ctx)->reader);

	(void)proc;
	snprintf(ret->go_version, sizeof(ret->go_version), "%s", target_go_version(target));
	snprintf(ret->offsets_from, sizeof(ret->offsets_from), "%s", target_offsets_from(target));
	snprintf(ret->symbols_from, sizeof(ret->symbols_from), "%s", target_symbols_from(target));
	target_free(target);
}

/* Nothing is sampled, and nothing can be. */
static int set_rates(void *ctx, const uint32_t rates[RATES])
{
	(void)ctx;
	(void)rates;
	return -ENOTSUP;
}

static void get_rates(void *ctx, uint32_t ret[RATES])
{
	(void)ctx;
	for (unsigned type = 0; type < RATES; type++)
		ret[type] = RATE_ONE;
}

static int set_paused(void *ctx, bool paused)
{
	(void)ctx;
	return paused ? 0 : -ENOTSUP;
}

static bool get_paused(void *ctx)
{
	(void)ctx;
	return true;
}

static void low_latency(void *ctx, bool on)
{
	(void)ctx;
	(void)on;
}

/* There is nothing to wait for. */
static uint64_t delivered(void *ctx, uint64_t wanted_ns)
{
	(void)ctx;
	return wanted_ns;
}

static int goroutines(void *ctx, unsigned proc, pid_t pid, struct goroutine_seen **ret,
		      size_t *ret_n, bool *ret_complete)
{
	return reader_goroutines(((struct onlooker *)ctx)->reader, proc, pid, ret, ret_n,
				 ret_complete);
}

static int goids(void *ctx, unsigned proc, pid_t pid, uint64_t *ret_least, uint64_t *ret_most)
{
	(void)proc;
	return reader_goids(((struct onlooker *)ctx)->reader, pid, ret_least, ret_most);
}

static int of_threads(void *ctx, unsigned proc, uint64_t *ret)
{
	return reader_of_threads(((struct onlooker *)ctx)->reader, proc, ret);
}

static int stack(void *ctx, unsigned proc, pid_t pid, uint64_t goid, struct buf *out)
{
	return reader_stack(((struct onlooker *)ctx)->reader, proc, pid, goid, out);
}

static int stacks(void *ctx, pid_t pid, enum live_stacks what, live_text_fn *fn, void *arg)
{
	return reader_stacks(((struct onlooker *)ctx)->reader, pid, what, fn, arg);
}

static int waits(void *ctx, unsigned proc, pid_t pid, struct wait_graph **ret)
{
	(void)proc;
	return reader_waits(((struct onlooker *)ctx)->reader, pid, ret);
}

static int unreachable(void *ctx, unsigned proc, pid_t pid, const struct wait_graph *graph,
		       const struct unreachable_pace *pace, struct unreachable *ret)
{
	(void)proc;
	return reader_unreachable(reader_target(((struct onlooker *)ctx)->reader), pid, graph, pace,
				  ret);
}

int onlooker_new(struct model *model, const struct target *target, pid_t pid, const char *path,
		 struct onlooker **ret)
{
	struct proc_info info = {.pid = pid, .state = PROC_RUNNING, .attached_ns = monotonic_ns()};
	struct onlooker *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->source = (struct source){
		.ctx = o,
		.without_bpf = true,
		.stats = stats,
		.health = health,
		.set_rates = set_rates,
		.get_rates = get_rates,
		.set_paused = set_paused,
		.get_paused = get_paused,
		.low_latency = low_latency,
		.delivered = delivered,
		.goroutines = goroutines,
		.goids = goids,
		.of_threads = of_threads,
		.stack = stack,
		.stacks = stacks,
		.waits = waits,
		.unreachable = unreachable,
	};
	proc_info_name(&info, path, target_go_version(target));
	err = reader_new(target, model_names(model), &o->reader);
	if (!err)
		err = model_proc_add(model, &info);
	if (err < 0) {
		onlooker_free(o);
		return err;
	}
	*ret = o;
	return 0;
}

void onlooker_free(struct onlooker *o)
{
	if (!o)
		return;
	reader_free(o->reader);
	free(o);
}

const struct source *onlooker_source(const struct onlooker *o)
{
	return &o->source;
}
