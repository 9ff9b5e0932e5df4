/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A made-up program in a model, and a web server over it, for the targets that ask it things. */
#ifndef XGOTOPFS_FUZZ_WEB_H
#define XGOTOPFS_FUZZ_WEB_H

#include <errno.h>

#include "core/base/log.h"
#include "core/view/view.h"
#include "tests/fuzz/fuzz.h"
#include "web/web.h"

#define FUZZ_GOROUTINES 30u
#define FUZZ_START      100000000000u /* ns */

/* What may be set through control: counted and kept. */
struct fuzz_control {
	uint32_t rates[RATES];
	bool paused;
	double percent;
};

static struct fuzz_control fuzz_settings;

static int fuzz_set_rates(void *ctx, const uint32_t rates[RATES])
{
	memcpy(fuzz_settings.rates, rates, sizeof(fuzz_settings.rates));
	return 0;
}

static void fuzz_get_rates(void *ctx, uint32_t ret[RATES])
{
	memcpy(ret, fuzz_settings.rates, sizeof(fuzz_settings.rates));
}

static int fuzz_set_paused(void *ctx, bool paused)
{
	fuzz_settings.paused = paused;
	return 0;
}

static bool fuzz_get_paused(void *ctx)
{
	return fuzz_settings.paused;
}

static int fuzz_set_max_overhead(void *ctx, double percent)
{
	FUZZ_ASSERT(percent >= 0 && percent <= 100);
	fuzz_settings.percent = percent;
	return 0;
}

static double fuzz_get_max_overhead(void *ctx)
{
	return fuzz_settings.percent;
}

static int fuzz_health(void *ctx, unsigned proc, struct health *ret)
{
	memset(ret, 0, sizeof(*ret));
	strcpy(ret->go_version, "go1.24 \"x\"\xff");
	return 0;
}

static int fuzz_stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out,
		      uint64_t *ret_as_of_ns)
{
	if (!goid || goid > FUZZ_GOROUTINES)
		return -ENOENT;
	buf_addf(out,
		 "goroutine %llu [%s]%s:\nmain.\xff\"f(...)\n\t/srv/a b.go:%u +0x1\ncreated by "
		 "main.main in "
		 "goroutine 1\n\t/srv/main.go:3 +0x2\n",
		 (unsigned long long)goid, goid % 2 ? "chan receive, 3 minutes" : "select",
		 goid % 3 ? "" : " {a: \"\\x\\u12\", \"b\\: c, d}", (unsigned)goid);
	return 0;
}

static int fuzz_stacks(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn, void *arg,
		       uint64_t *ret_as_of_ns)
{
	int err = 0;

	for (uint64_t goid = 1; goid <= FUZZ_GOROUTINES && !err; goid++) {
		cleanup_buf_ struct buf out = BUF_INIT;

		if (goid > 1)
			buf_addc(&out, '\n');
		fuzz_stack(ctx, proc, goid, &out, ret_as_of_ns);
		err = fn(arg, out.data, out.len);
	}
	return err;
}

static const struct live fuzz_live = {
	.health = fuzz_health, .stack = fuzz_stack, .stacks = fuzz_stacks};
static const struct control fuzz_controls = {.set_rates = fuzz_set_rates,
					     .get_rates = fuzz_get_rates,
					     .set_paused = fuzz_set_paused,
					     .get_paused = fuzz_get_paused,
					     .set_max_overhead = fuzz_set_max_overhead,
					     .get_max_overhead = fuzz_get_max_overhead};

static void fuzz_apply(struct model *model, struct event ev, uint64_t *now)
{
	ev.time_ns = *now;
	*now += 1000003;
	model_apply(model, &ev, 1);
}

/* Two processes; goroutines of all kinds; the end, so that no answer hangs on the clock. */
static void fuzz_play(struct model *model, struct names *names)
{
	static const char *const texts[] = {"main.worker", "main.(*T[go.shape.int]).\xff\"\\x",
					    "chan receive", "IO wait", "/srv/main.go"};
	struct proc_info info = {
		.pid = 4242, .binary_path = "/srv/\xc3\xa9\"app", .go_version = "go1.24"};
	struct go_type type = {
		.name = "map[string]main.\x1b[2J", .size = 8, .kind = 21, .key_size = 16};
	uint64_t now = FUZZ_START, lost[EVENT_TYPES] = {5, 0, 1};
	uint32_t ids[5], type_id = names_add_type(names, &type), site;

	for (unsigned i = 0; i < 5; i++)
		ids[i] = names_intern(names, texts[i], strlen(texts[i]));
	site = names_add_site(names,
			      (struct site){.func_id = ids[0], .file_id = ids[4], .line = 7});
	FUZZ_ASSERT(model_proc_add(model, &info) == 0);
	info.pid = 4243;
	FUZZ_ASSERT(model_proc_add(model, &info) == 1);
	for (uint64_t goid = 1; goid <= FUZZ_GOROUTINES; goid++) {
		uint16_t proc = goid % 7 == 0;

		fuzz_apply(model,
			   (struct event){.type = EVENT_CASGSTATUS,
					  .proc = proc,
					  .target = goid,
					  .goid = goid / 2,
					  .from = GSTATE_DEAD,
					  .to = GSTATE_RUNNABLE},
			   &now);
		fuzz_apply(model,
			   (struct event){.type = EVENT_NEWGOROUTINE,
					  .proc = proc,
					  .target = goid,
					  .goid = goid / 2,
					  .string_id = ids[goid % 2],
					  .site_id = site},
			   &now);
	}
	for (uint64_t i = 0; i < 400; i++) {
		uint64_t goid = 1 + i * i % FUZZ_GOROUTINES;
		uint16_t proc = goid % 7 == 0;

		fuzz_apply(model,
			   (struct event){.type = EVENT_CASGSTATUS,
					  .proc = proc,
					  .target = goid,
					  .from = GSTATE_RUNNABLE,
					  .to = GSTATE_RUNNING},
			   &now);
		fuzz_apply(model,
			   (struct event){.type = (uint8_t)(EVENT_MAKESLICE + i % 3),
					  .proc = proc,
					  .goid = goid,
					  .size = i * i,
					  .cap = i,
					  .type_id = type_id,
					  .site_id = site},
			   &now);
		fuzz_apply(model,
			   (struct event){.type = EVENT_CASGSTATUS,
					  .proc = proc,
					  .target = goid,
					  .goid = goid,
					  .from = GSTATE_RUNNING,
					  .to = (uint8_t)(i % 3 ? GSTATE_WAITING : GSTATE_SYSCALL),
					  .string_id = i % 3 ? ids[2 + i % 2] : 0},
			   &now);
		fuzz_apply(
			model,
			(struct event){.type = EVENT_CASGSTATUS,
				       .proc = proc,
				       .target = goid,
				       .goid = 1,
				       .from = (uint8_t)(i % 3 ? GSTATE_WAITING : GSTATE_SYSCALL),
				       .to = GSTATE_RUNNABLE},
			&now);
	}
	model_lost(model, -1, lost, now);
	for (uint64_t goid = 20; goid < 25; goid++) {
		fuzz_apply(model,
			   (struct event){.type = EVENT_CASGSTATUS,
					  .proc = goid % 7 == 0,
					  .target = goid,
					  .goid = goid,
					  .from = GSTATE_RUNNING,
					  .to = GSTATE_DEAD},
			   &now);
		fuzz_apply(model,
			   (struct event){.type = EVENT_GOEXIT,
					  .proc = goid % 7 == 0,
					  .target = goid,
					  .goid = goid,
					  .exit_time = now},
			   &now);
	}
	feed_close(model_feed(model));
}

/* A server that listens on some port of 127.0.0.1; it lives as long as the process. */
static struct web *fuzz_web(void)
{
	static struct view view = {.live = &fuzz_live, .control = &fuzz_controls};
	struct model_config config = {.retain = 4096, .retain_exited = 100, .workers = 1};
	struct web_config web_config = {.view = &view,
					.storage_dir = SOURCE_ROOT "/tests/data/original",
					.mount_point = "/mnt"};
	struct meter_sample sample = {.time_ns = FUZZ_START, .rps = 5, .overhead_percent = 0.5};
	struct web *web;

	log_set_level(LOG_LEVEL_ERROR);
	FUZZ_ASSERT(!names_new(10000, &config.names) && !model_new(&config, &view.model) &&
		    !meter_new(&view.meter));
	meter_add(view.meter, &sample);
	fuzz_play(view.model, config.names);
	FUZZ_ASSERT(!web_new(&web_config, &web) && !web_start(web));
	return web;
}

#endif
