/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes to the files under control/: a write that fails changes nothing, one that is taken shows,
 * and what is shown can be written again.
 */
#include <errno.h>
#include <math.h>

#include "core/base/log.h"
#include "fs/node.h"
#include "tests/fuzz/fuzz.h"

struct state {
	uint32_t rates[RATES];
	bool paused;
	double percent;
	unsigned calls;
	enum probe_level level;
};

static int set_rates(void *ctx, const uint32_t rates[RATES])
{
	struct state *s = ctx;

	s->calls++;
	memcpy(s->rates, rates, sizeof(s->rates));
	return 0;
}

static void get_rates(void *ctx, uint32_t ret[RATES])
{
	memcpy(ret, ((struct state *)ctx)->rates, sizeof(((struct state *)ctx)->rates));
}

static int set_paused(void *ctx, bool paused)
{
	struct state *s = ctx;

	s->calls++;
	s->paused = paused;
	return 0;
}

static bool get_paused(void *ctx)
{
	return ((struct state *)ctx)->paused;
}

static int set_max_overhead(void *ctx, double percent)
{
	struct state *s = ctx;

	FUZZ_ASSERT(isfinite(percent) && percent >= 0);
	s->calls++;
	s->percent = percent;
	return 0;
}

static double get_max_overhead(void *ctx)
{
	return ((struct state *)ctx)->percent;
}

static int set_probes(void *ctx, enum probe_level level)
{
	struct state *s = ctx;

	s->level = level;
	s->calls++;
	return 0;
}

static enum probe_level get_probes(void *ctx)
{
	return ((struct state *)ctx)->level;
}

static void check(const struct node_control *file, const struct control *c, const char *text)
{
	struct state *s = c->ctx, before = *s;
	struct buf shown = BUF_INIT, again = BUF_INIT;
	char why[100] = "";
	int err;

	FUZZ_ASSERT(file->here(c));
	err = file->set(c, text, why, sizeof(why));
	if (err) {
		FUZZ_ASSERT(err < 0 && err > -4096 && s->calls == before.calls);
		FUZZ_ASSERT(err != -EINVAL || (why[0] && !strchr(why, '\n')));
		return;
	}
	FUZZ_ASSERT(s->calls == before.calls + 1);
	file->show(c, &shown);
	FUZZ_ASSERT(shown.len && shown.data[shown.len - 1] == '\n');
	FUZZ_ASSERT(strchr(shown.data, '\n') == shown.data + shown.len - 1);
	shown.data[--shown.len] = '\0';
	if (shown.len) { /* nothing is sampled: an empty list cannot be written */
		FUZZ_ASSERT(!file->set(c, shown.data, why, sizeof(why)));
		file->show(c, &again);
		again.data[again.len - 1] = '\0';
		FUZZ_ASSERT(!strcmp(shown.data, again.data));
	}
	buf_free(&shown);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	char *text = fuzz_text(&in);
	struct state s = {.percent = 12};
	struct control c = {.ctx = &s,
			    .set_rates = set_rates,
			    .get_rates = get_rates,
			    .set_paused = set_paused,
			    .get_paused = get_paused,
			    .set_max_overhead = set_max_overhead,
			    .get_max_overhead = get_max_overhead,
			    .set_probes = set_probes,
			    .get_probes = get_probes};

	log_set_level(LOG_LEVEL_ERROR);
	check(&control_sample, &c, text);
	check(&control_pause, &c, text);
	check(&control_max_overhead, &c, text);
	check(&control_probes, &c, text);
	free(text);
	return 0;
}
