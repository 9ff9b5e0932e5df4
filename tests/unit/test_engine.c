/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An engine with a made-up source: what is healed and when, a program that ends under the reader,
 * a bound that is exceeded and kept, and changes that the source refuses. No root, no Go program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/engine/engine.h"
#include "core/engine/healer.h"
#include "core/engine/heap_past.h"
#include "core/engine/last_runtime.h"
#include "core/engine/last_stacks.h"

#define SEEN_MAX   8
#define DEADLINE_S 120

/* --- the source --------------------------------------------------------------------------------
 */

struct world {
	struct names *names;
	struct model *model;
	struct meter *meter;
	struct engine *engine;
	struct live live;
	struct control control;
	struct source source;
	uint64_t now_ns;

	pthread_mutex_t lock; /* protects what follows: the healer has a thread of its own */
	struct capture_stats stats;
	uint32_t rates[RATES];
	bool paused;
	int latency; /* asked for so many times */
	struct goroutine_seen seen[SEEN_MAX];
	size_t n;
	size_t n_known; /* of the last reading */
	bool cut;
	int rates_err, paused_err, read_err, stack_err;
	unsigned stacks_read;
	bool stuck;   /* a reading takes until it is let go */
	bool backlog; /* only what is older than delivered_ns was delivered */
	uint64_t delivered_ns;
	unsigned waits;
	unsigned reads, readers, rate_changes, pauses;
	double load; /* hits a second while probes are in, of a program that takes one CPU */
	uint64_t load_ns;
	unsigned looks; /* while it has load */
	bool still;     /* no hits, for all that */
	bool unchosen;  /* -sample leaves all of it out */
	unsigned measured;
	bool attached; /* allocations are sampled */
	unsigned held; /* the kernel holds probes, for so many tries */
	unsigned attach_changes, attach_us, scale, scales;
};

static void w_stats(void *ctx, struct capture_stats *ret)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	if (w->load > 0) {
		uint64_t now_ns = monotonic_ns();

		if ((!w->paused || w->attached) && !w->still && w->load_ns) {
			uint64_t hits = (uint64_t)(w->load * (double)(now_ns - w->load_ns) / 1e9);

			/* Now our program takes little, now much. */
			w->stats.hits += hits;
			w->stats.unchosen[EVENT_NEWOBJECT] += w->unchosen ? hits : 0;
			w->stats.prog_ns_samples += hits / 64;
			w->stats.prog_ns_sum += hits / 64 * (w->looks++ / 4 % 2 ? 50 : 350);
		}
		w->load_ns = now_ns;
	}
	*ret = w->stats;
	pthread_mutex_unlock(&w->lock);
}

static int w_sample_allocations(void *ctx, bool on)
{
	struct world *w = ctx;

	usleep(w->attach_us);
	pthread_mutex_lock(&w->lock);
	if (on && w->held) {
		w->held--;
		pthread_mutex_unlock(&w->lock);
		return -EBUSY;
	}
	w->attach_changes += w->attached != on;
	w->attached = on;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static void w_sample_window(void *ctx, unsigned scale, unsigned window)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	assert_true(scale != 1 || !window);
	assert_true(scale <= 1 || window);
	w->scale = scale;
	w->scales++;
	pthread_mutex_unlock(&w->lock);
}

static uint64_t w_cpu_ns(void *ctx, pid_t pid)
{
	return ((struct world *)ctx)->load > 0 ? monotonic_ns() : 0;
}

static int w_measure(void *ctx)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->stats.price.trap_ns = 1600;
	w->measured++;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static void w_health(void *ctx, unsigned proc, struct health *ret)
{
	strcpy(ret->go_version, "go1.99");
}

static int w_set_rates(void *ctx, const uint32_t rates[RATES])
{
	struct world *w = ctx;
	int err;

	pthread_mutex_lock(&w->lock);
	err = w->rates_err;
	w->rate_changes++;
	if (!err)
		memcpy(w->rates, rates, sizeof(w->rates));
	pthread_mutex_unlock(&w->lock);
	return err;
}

static void w_get_rates(void *ctx, uint32_t ret[RATES])
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	memcpy(ret, w->rates, sizeof(w->rates));
	pthread_mutex_unlock(&w->lock);
}

static int w_set_paused(void *ctx, bool paused)
{
	struct world *w = ctx;
	int err;

	pthread_mutex_lock(&w->lock);
	err = w->paused_err;
	if (!err) {
		w->pauses += paused;
		w->paused = paused;
		w->stats.switching_ns += 1000000;
	}
	pthread_mutex_unlock(&w->lock);
	return err;
}

static bool w_get_paused(void *ctx)
{
	struct world *w = ctx;
	bool paused;

	pthread_mutex_lock(&w->lock);
	paused = w->paused;
	pthread_mutex_unlock(&w->lock);
	return paused;
}

static void w_low_latency(void *ctx, bool on)
{
	((struct world *)ctx)->latency += on ? 1 : -1;
}

static uint64_t w_delivered(void *ctx, uint64_t wanted_ns)
{
	struct world *w = ctx;
	uint64_t until_ns;

	pthread_mutex_lock(&w->lock);
	w->waits++;
	until_ns = w->backlog ? w->delivered_ns : UINT64_MAX;
	pthread_mutex_unlock(&w->lock);
	return until_ns;
}

static int w_goroutines(void *ctx, unsigned proc, pid_t pid, struct goroutine_seen **ret,
			size_t *ret_n, bool *ret_complete)
{
	struct world *w = ctx;
	int err;

	assert_int_equal(pid, 77 + (int)proc);
	*ret = calloc(SEEN_MAX, sizeof(**ret));
	assert_non_null(*ret);
	pthread_mutex_lock(&w->lock);
	w->readers++;
	while (w->stuck) {
		pthread_mutex_unlock(&w->lock);
		usleep(1000);
		pthread_mutex_lock(&w->lock);
	}
	w->readers--;
	memcpy(*ret, w->seen, sizeof(w->seen));
	*ret_n = w->n;
	*ret_complete = !w->cut;
	err = w->read_err;
	w->reads++;
	w->n_known = w->n;
	pthread_mutex_unlock(&w->lock);
	if (err) {
		free(*ret);
		*ret = NULL;
	}
	return err;
}

/* As the real one: what the last reading did not have is not known. */
static int w_stack(void *ctx, unsigned proc, pid_t pid, uint64_t goid, struct buf *out)
{
	struct world *w = ctx;
	int err = w->stack_err;
	bool known = false;

	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->n_known; i++)
		known |= w->seen[i].goid == goid;
	pthread_mutex_unlock(&w->lock);
	if (err || !known)
		return err ? err : -ESRCH;
	buf_addf(out, "goroutine %llu [running]:\n", (unsigned long long)goid);
	return 0;
}

static unsigned stacks_wait_ms; /* for a processor */

static int w_stacks(void *ctx, pid_t pid, enum live_stacks what, live_text_fn *fn, void *arg)
{
	static const char text[] = "goroutine 7 [all]:\n";
	struct world *w = ctx;
	int err = w->stack_err;

	usleep(1000 * stacks_wait_ms);
	if (!err)
		err = fn(arg, text, strlen(text));
	pthread_mutex_lock(&w->lock);
	w->stacks_read++;
	pthread_mutex_unlock(&w->lock);
	return err;
}

/* --- helpers ------------------------------------------------------------------------------------
 */

static void see(struct world *w, size_t n, const uint64_t *goids)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++)
		w->seen[i] = (struct goroutine_seen){.goid = goids[i], .state = GSTATE_WAITING};
	w->n = n;
	pthread_mutex_unlock(&w->lock);
}

static unsigned reads(struct world *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->reads;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static void make(struct world *w, double max_overhead)
{
	const struct proc_info info = {.pid = 77, .state = PROC_RUNNING, .attached_ns = 1};
	struct model_config mc = {.retain = 100, .retain_exited = 10, .workers = 1};
	struct engine_config ec = {
		.source = &w->source, .max_overhead = max_overhead, .workers = 2};

	*w = (struct world){.now_ns = 1000 * NS_PER_SEC, .stats.price = {800, 4000}};
	pthread_mutex_init(&w->lock, NULL);
	w->source = (struct source){
		.ctx = w,
		.stats = w_stats,
		.health = w_health,
		.cpu_ns = w_cpu_ns,
		.measure = w_measure,
		.set_rates = w_set_rates,
		.get_rates = w_get_rates,
		.set_paused = w_set_paused,
		.get_paused = w_get_paused,
		.low_latency = w_low_latency,
		.delivered = w_delivered,
		.goroutines = w_goroutines,
		.stack = w_stack,
		.stacks = w_stacks,
	};
	for (unsigned i = 0; i < RATES; i++)
		w->rates[i] = ec.rates[i] = RATE_ONE;
	assert_int_equal(names_new(100, &w->names), 0);
	mc.names = w->names;
	assert_int_equal(model_new(&mc, &w->model), 0);
	assert_int_equal(meter_new(&w->meter), 0);
	assert_int_equal(model_proc_add(w->model, &info), 0);
	ec.model = w->model;
	ec.meter = w->meter;
	assert_int_equal(engine_new(&ec, &w->engine), 0);
	engine_answers(w->engine, &w->live, &w->control);
}

static void start(struct world *w, double max_overhead)
{
	make(w, max_overhead);
	see(w, 2, (const uint64_t[]){1, 7});
	assert_int_equal(engine_start(w->engine, true), 0);
}

static void end(struct world *w)
{
	engine_free(w->engine);
	meter_free(w->meter);
	model_free(w->model);
	names_free(w->names);
	pthread_mutex_destroy(&w->lock);
}

/* Another `seconds` go by with so many hits and events a second. */
static bool tick(struct world *w, uint64_t seconds, uint64_t hits, struct meter_sample *ret)
{
	struct meter_sample sample;

	w->now_ns += seconds * NS_PER_SEC;
	pthread_mutex_lock(&w->lock);
	w->stats.hits += hits * seconds;
	w->stats.read += hits * seconds;
	pthread_mutex_unlock(&w->lock);
	return engine_tick(w->engine, w->now_ns, NULL, ret ? ret : &sample);
}

static bool lives(struct world *w, uint64_t goid)
{
	struct goroutine g;

	return !model_goroutine(w->model, 0, goid, &g) && !(g.flags & GOROUTINE_EXITED);
}

/* Waits until there were more than `before` readings. */
static void wait_reads(struct world *w, unsigned before)
{
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	while (reads(w) <= before && monotonic_ns() < until)
		usleep(1000);
	assert_true(reads(w) > before);
}

static bool in_doubt(struct world *w)
{
	return model_in_doubt(w->model, 0);
}

static void wait_gone(struct world *w, uint64_t goid)
{
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	while (lives(w, goid) && monotonic_ns() < until)
		usleep(1000);
	assert_false(lives(w, goid));
}

/* --- healing ------------------------------------------------------------------------------------
 */

static void test_who_is_there_already(void **state)
{
	struct world w;

	start(&w, 0);
	assert_true(lives(&w, 1));
	assert_true(lives(&w, 7));
	assert_int_equal(reads(&w), 1);
	end(&w);
}

static int w_many_goids(void *ctx, unsigned proc, pid_t pid, uint64_t *ret_least,
			uint64_t *ret_most)
{
	*ret_least = *ret_most = HEALER_MANY;
	return 0;
}

static void stick(struct world *w, bool on)
{
	pthread_mutex_lock(&w->lock);
	w->stuck = on;
	pthread_mutex_unlock(&w->lock);
}

/* Reading very many takes long: it goes on without who starts, and what it is not through with is
 * in doubt. */
static void test_very_many_are_there_already(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.goids = w_many_goids;
	see(&w, 2, (const uint64_t[]){1, 7});
	stick(&w, true);
	assert_int_equal(engine_start(w.engine, true), 0);
	assert_false(lives(&w, 7));
	assert_true(in_doubt(&w));
	w.live.await(w.live.ctx, 0, 1000000); /* in vain */
	assert_false(lives(&w, 7));
	w.live.await(w.live.ctx, 5, NS_PER_SEC); /* who is not there is not waited for */
	stick(&w, false);
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_true(lives(&w, 7));
	assert_false(in_doubt(&w));
	end(&w);
}

/* It cannot be read: nobody waits for it, and nothing is in doubt for ever. */
static void test_very_many_cannot_be_read(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.goids = w_many_goids;
	w.read_err = -EFAULT;
	assert_int_equal(engine_start(w.engine, true), 0);
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_false(in_doubt(&w));
	end(&w);
}

/* It ends while it is read. */
static void test_very_many_and_an_end(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.goids = w_many_goids;
	stick(&w, true);
	assert_int_equal(engine_start(w.engine, true), 0);
	model_proc_exited(w.model, 0, monotonic_ns());
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_false(in_doubt(&w));
	stick(&w, false);
	end(&w);
}

static void test_a_loss_is_healed(void **state)
{
	struct world w;

	start(&w, 0);
	tick(&w, 1, 0, NULL);
	assert_true(tick(&w, 1, 100, NULL));
	see(&w, 2, (const uint64_t[]){1, 9});
	pthread_mutex_lock(&w.lock);
	w.stats.lost[EVENT_NEWOBJECT]++; /* one only, in a second that took three */
	pthread_mutex_unlock(&w.lock);
	assert_true(tick(&w, 3, 100, NULL));
	wait_gone(&w, 7);
	assert_true(lives(&w, 9));
	end(&w);
}

static void set_backlog(struct world *w, bool on)
{
	pthread_mutex_lock(&w->lock);
	w->backlog = on;
	pthread_mutex_unlock(&w->lock);
}

/* As capture tells of it: now, of some process. */
static void lose(struct world *w, enum event_type type)
{
	uint64_t lost[EVENT_TYPES] = {0};

	lost[type] = 1;
	model_lost(w->model, -1, lost, monotonic_ns());
	engine_lost(w->engine);
}

static bool waits(struct world *w, unsigned more)
{
	bool enough;

	pthread_mutex_lock(&w->lock);
	enough = w->waits >= more;
	pthread_mutex_unlock(&w->lock);
	return enough;
}

static bool certain(struct world *w, unsigned unused)
{
	return !in_doubt(w);
}

static void until(struct world *w, bool (*is)(struct world *w, unsigned arg), unsigned arg)
{
	uint64_t end_ns = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	while (!is(w, arg) && monotonic_ns() < end_ns)
		usleep(1000);
	assert_true(is(w, arg));
}

static void change(struct world *w, uint64_t goid, uint8_t from, uint8_t to, uint64_t time_ns)
{
	struct event ev = {.type = EVENT_CASGSTATUS,
			   .goid = goid,
			   .target = goid,
			   .from = from,
			   .to = to,
			   .time_ns = time_ns};

	model_apply(w->model, &ev, 1);
}

/* Few are there, but events of before are not applied yet: not all are known, and it is said. */
static void test_a_backlog_at_the_start(void **state)
{
	struct world w;

	make(&w, 0);
	see(&w, 2, (const uint64_t[]){1, 7});
	set_backlog(&w, true);
	assert_int_equal(engine_start(w.engine, true), 0);
	assert_true(model_awaits(w.model, 0));
	set_backlog(&w, false);
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_false(model_awaits(w.model, 0));
	assert_true(lives(&w, 7));
	end(&w);
}

/* What memory says is ahead of events that are still on their way: those first, then it. */
static void test_the_backlog_comes_first(void **state)
{
	uint64_t lost_ns, read_ns;
	struct goroutine g;
	struct world w;

	start(&w, 0);
	set_backlog(&w, true);
	see(&w, 1, (const uint64_t[]){1});
	lost_ns = monotonic_ns();
	lose(&w, EVENT_CASGSTATUS);
	assert_true(in_doubt(&w));
	until(&w, waits, 20);
	assert_int_equal(reads(&w), 1);
	assert_true(lives(&w, 7));
	/* Of the backlog: 12 began and was never heard of again, as its end was lost. */
	change(&w, 12, GSTATE_DEAD, GSTATE_RUNNABLE, lost_ns - 5);
	assert_int_equal(model_goroutine(w.model, 0, 12, &g), 0);
	assert_true(g.flags & GOROUTINE_UNCERTAIN);
	set_backlog(&w, false);
	read_ns = monotonic_ns();
	until(&w, certain, 0);
	assert_true(monotonic_ns() - read_ns < 10 * NS_PER_SEC);
	assert_false(lives(&w, 12));
	assert_false(lives(&w, 7));
	assert_true(lives(&w, 1));
	end(&w);
}

/* Only allocations were lost: no state is in doubt. */
static void test_lost_allocations_leave_states(void **state)
{
	struct world w;

	start(&w, 0);
	lose(&w, EVENT_NEWOBJECT);
	assert_false(in_doubt(&w));
	lose(&w, EVENT_GOEXIT);
	assert_true(in_doubt(&w));
	until(&w, certain, 0);
	model_doubt(w.model, -1, monotonic_ns()); /* of events that are not sampled */
	engine_lost(w.engine);
	assert_true(in_doubt(&w));
	until(&w, certain, 0);
	end(&w);
}

/* Reads are going on, and the last one was begun before the loss: it does not do. */
static void test_lost_while_it_is_read(void **state)
{
	unsigned busy = 0, before;
	struct world w;

	start(&w, 0);
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	pthread_mutex_unlock(&w.lock);
	lose(&w, EVENT_CASGSTATUS);
	for (int i = 0; i < DEADLINE_S * 1000 && !busy; i++) {
		pthread_mutex_lock(&w.lock);
		busy = w.readers;
		pthread_mutex_unlock(&w.lock);
		usleep(1000);
	}
	assert_int_equal(busy, 1);
	before = reads(&w);
	/* No engine_lost(): that it is still in doubt must do. */
	{
		uint64_t lost[EVENT_TYPES] = {[EVENT_GOEXIT] = 1};

		model_lost(w.model, 0, lost, monotonic_ns());
	}
	pthread_mutex_lock(&w.lock);
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	until(&w, certain, 0);
	assert_true(reads(&w) >= before + 2);
	end(&w);
}

/* It ended after memory was read, and its end was applied before the reading is. */
static void test_what_ended_meanwhile_is_no_ghost(void **state)
{
	unsigned busy = 0;
	struct world w;

	start(&w, 0);
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	pthread_mutex_unlock(&w.lock);
	see(&w, 3, (const uint64_t[]){1, 7, 9});
	lose(&w, EVENT_CASGSTATUS);
	for (int i = 0; i < DEADLINE_S * 1000 && !busy; i++) {
		pthread_mutex_lock(&w.lock);
		busy = w.readers;
		pthread_mutex_unlock(&w.lock);
		usleep(1000);
	}
	/* More than are retained (10) end, 9 among the first. */
	for (uint64_t goid = 9; goid < 40; goid++)
		change(&w, goid, GSTATE_RUNNING, GSTATE_DEAD, monotonic_ns());
	pthread_mutex_lock(&w.lock);
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	until(&w, certain, 0);
	assert_false(lives(&w, 9));
	assert_true(lives(&w, 7));
	end(&w);
}

/* Nothing can be read: what it was last told to be may be wrong, and is not said. */
static void test_what_cannot_be_known(void **state)
{
	struct model_totals t;
	struct goroutine g;
	struct world w;

	make(&w, 0);
	w.read_err = -ENOSYS;
	assert_int_equal(engine_start(w.engine, true), 0);
	change(&w, 5, GSTATE_DEAD, GSTATE_RUNNABLE, 1000);
	lose(&w, EVENT_CASGSTATUS);
	until(&w, certain, 0);
	assert_int_equal(model_goroutine(w.model, 0, 5, &g), 0);
	assert_true(g.flags & GOROUTINE_STATE_UNKNOWN && g.flags & GOROUTINE_UNCERTAIN);
	model_totals(w.model, 0, &t);
	assert_int_equal(t.live[GSTATE_RUNNABLE], 0);
	assert_int_equal(t.live_unknown, 1);
	/* The next event tells. */
	change(&w, 5, GSTATE_RUNNABLE, GSTATE_RUNNING, monotonic_ns());
	assert_int_equal(model_goroutine(w.model, 0, 5, &g), 0);
	assert_false(g.flags & GOROUTINE_STATE_UNKNOWN);
	/* It ends while it is in doubt: nobody will ever know. */
	model_doubt(w.model, 0, monotonic_ns());
	model_proc_exited(w.model, 0, monotonic_ns());
	assert_int_equal(model_goroutine(w.model, 0, 5, &g), 0);
	assert_true(g.flags & GOROUTINE_STATE_UNKNOWN);
	assert_false(in_doubt(&w));
	end(&w);
}

static void test_no_loss_no_reading(void **state)
{
	struct world w;

	start(&w, 0);
	for (int i = 0; i < 5; i++)
		tick(&w, 1, 1000, NULL);
	usleep(20000);
	assert_int_equal(reads(&w), 1);
	/* States that are sampled are read each second. */
	w.rates[EVENT_CASGSTATUS] = RATE_ONE / 2;
	tick(&w, 1, 1000, NULL);
	wait_reads(&w, 1);
	end(&w);
}

/* More goroutines than are read at all: what is not in the list has not ended. */
static void test_a_cut_list_ends_nobody(void **state)
{
	struct world w;

	start(&w, 0);
	see(&w, 2, (const uint64_t[]){1, 9});
	w.cut = true;
	engine_read_all(w.engine);
	assert_true(lives(&w, 9));
	assert_true(lives(&w, 7));
	w.cut = false;
	engine_read_all(w.engine);
	assert_false(lives(&w, 7));
	end(&w);
}

static void test_it_ends_under_the_reader(void **state)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct health health;
	uint64_t as_of = 0;
	struct world w;
	unsigned busy = 0;

	start(&w, 0);
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	w.read_err = -ESRCH;
	pthread_mutex_unlock(&w.lock);
	engine_arrived(w.engine, 0);
	for (int i = 0; i < DEADLINE_S * 1000 && !busy; i++) {
		pthread_mutex_lock(&w.lock);
		busy = w.readers;
		pthread_mutex_unlock(&w.lock);
		usleep(1000);
	}
	assert_int_equal(busy, 1);
	model_proc_exited(w.model, 0, monotonic_ns());
	pthread_mutex_lock(&w.lock);
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	wait_reads(&w, 1);
	/* It is as it was; nobody asks for it any more. */
	assert_int_equal(w.live.stack(w.live.ctx, 0, 7, &out, &as_of), -ESRCH);
	assert_int_equal(w.live.stack(w.live.ctx, 1, 7, &out, &as_of), -ENOENT);
	engine_read_all(w.engine);
	assert_int_equal(reads(&w), 2);
	assert_int_equal(w.live.health(w.live.ctx, 0, &health), 0);
	assert_string_equal(health.go_version, "go1.99");
	assert_int_equal(health.processors, 2);
	end(&w);
}

static void test_stacks(void **state)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct health health;
	uint64_t as_of = 0;
	struct event exited;
	struct goroutine g;
	struct world w;

	start(&w, 0);
	assert_int_equal(w.live.stack(w.live.ctx, 0, 7, &out, &as_of), 0);
	assert_string_equal(out.data, "goroutine 7 [running]:\n");
	assert_int_equal(reads(&w), 1);
	/* One that is not there: it may be newer than the last reading. */
	assert_int_equal(w.live.stack(w.live.ctx, 0, 8, &out, &as_of), -ESRCH);
	assert_int_equal(reads(&w), 2);
	pthread_mutex_lock(&w.lock);
	w.seen[w.n++] = (struct goroutine_seen){.goid = 8, .state = GSTATE_RUNNING};
	pthread_mutex_unlock(&w.lock);
	assert_int_equal(w.live.stack(w.live.ctx, 0, 8, &out, &as_of), 0);
	assert_int_equal(reads(&w), 3);
	/* That was no healing: events of what was read may still be on their way. */
	assert_int_equal(model_goroutine(w.model, 0, 8, &g), -ENOENT);
	/* One that has exited is not looked for. */
	exited = (struct event){.type = EVENT_GOEXIT, .goid = 9, .target = 9, .time_ns = 5};
	model_apply(w.model, &exited, 1);
	assert_int_equal(w.live.stack(w.live.ctx, 0, 9, &out, &as_of), -ESRCH);
	assert_int_equal(reads(&w), 3);
	w.stack_err = -EPERM;
	assert_int_equal(w.live.stack(w.live.ctx, 0, 7, &out, &as_of), -EPERM);
	assert_int_equal(reads(&w), 3);
	assert_int_equal(w.live.health(w.live.ctx, 0, &health), 0);
	assert_non_null(strstr(health.goroutines_from, "read from the process's memory"));
	end(&w);
}

static int append(void *arg, const char *text, size_t len)
{
	buf_add(arg, text, len);
	return buf_error(arg);
}

/* What was read last is told when the process has ended, and of when it is; also when nobody had
 * asked before. */
static void test_last_stacks(void **state)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	uint64_t before = monotonic_ns(), as_of = 0;
	struct world w;
	int err = -ESRCH;

	start(&w, 0);
	model_proc_exited(w.model, 0, monotonic_ns());
	assert_int_equal(w.live.stacks(w.live.ctx, 0, LIVE_STACKS_AS_GO, append, &out, &as_of),
			 -ESRCH);
	end(&w);

	start(&w, 0);
	assert_int_equal(w.live.stacks(w.live.ctx, 0, LIVE_STACKS_AS_GO, append, &out, &as_of), 0);
	assert_string_equal(out.data, "goroutine 7 [all]:\n");
	assert_int_equal(as_of, 0);
	/* One that fails is not kept. */
	w.stack_err = -EIO;
	assert_int_equal(w.live.stacks(w.live.ctx, 0, LIVE_STACKS_AS_GO, append, &out, &as_of),
			 -EIO);
	model_proc_exited(w.model, 0, monotonic_ns());
	buf_reset(&out);
	assert_int_equal(w.live.stacks(w.live.ctx, 0, LIVE_STACKS_LABELLED, append, &out, &as_of),
			 0);
	assert_string_equal(out.data, "goroutine 7 [all]:\n");
	assert_in_range(as_of, before, monotonic_ns());
	buf_reset(&out);
	as_of = 0;
	assert_int_equal(w.live.stack(w.live.ctx, 0, 7, &out, &as_of), 0);
	assert_string_equal(out.data, "goroutine 7 [all]:\n");
	assert_in_range(as_of, before, monotonic_ns());
	assert_int_equal(w.live.stack(w.live.ctx, 0, 70, &out, &as_of), -ESRCH);
	end(&w);

	/* Nobody is in doubt about what a processor had no time for. */
	stacks_wait_ms = 1200;
	start(&w, 0);
	for (int i = 0; i < DEADLINE_S * 1000 && err; i++) {
		pthread_mutex_lock(&w.lock);
		err = w.stacks_read ? 0 : -ESRCH;
		pthread_mutex_unlock(&w.lock);
		usleep(1000);
	}
	assert_int_equal(err, 0);
	buf_reset(&out);
	model_proc_exited(w.model, 0, monotonic_ns());
	for (int i = 0; i < DEADLINE_S * 1000 && !out.len; i++) {
		(void)w.live.stacks(w.live.ctx, 0, LIVE_STACKS_AS_GO, append, &out, &as_of);
		usleep(1000);
	}
	assert_string_equal(out.data, "goroutine 7 [all]:\n");
	end(&w);
	stacks_wait_ms = 0;
}

static void keep_stacks(struct last_stacks *l, uint64_t now_ns, const char *text, bool whole)
{
	struct last_taking *t = last_stacks_begin(l, 0, LIVE_STACKS_AS_GO, now_ns);

	assert_non_null(t);
	last_stacks_add(t, text, strlen(text));
	last_stacks_end(t, true, whole);
}

static void kept_is(struct last_stacks *l, const char *text)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	uint64_t as_of;

	assert_int_equal(last_stacks_give(l, 0, LIVE_STACKS_AS_GO, 0, append, &out, &as_of), 0);
	assert_string_equal(out.data, text);
}

/* A part of what was read by itself is no better than all of it from a moment before. */
static void test_last_stacks_cut(void **state)
{
	struct last_stacks *l;

	assert_int_equal(last_stacks_new(&l), 0);
	keep_stacks(l, 1, "a part", false);
	kept_is(l, "a part");
	keep_stacks(l, 2, "all", true);
	keep_stacks(l, 3, "a part", false);
	kept_is(l, "all");
	keep_stacks(l, 2 + LAST_STACKS_WHOLE_NS, "a later part", false);
	kept_is(l, "a later part");
	keep_stacks(l, 3 + LAST_STACKS_WHOLE_NS, "another part", false);
	kept_is(l, "another part");
	last_stacks_free(l);
}

static struct runtime_p said_ps[2];
static struct runtime_seen said; /* by the runtime below; read_ns 0: it cannot be read */

static int runtime(void *ctx, unsigned proc, pid_t pid, struct runtime_seen **ret)
{
	if (!said.read_ns)
		return -EFAULT;
	*ret = calloc(1, sizeof(said) + sizeof(said_ps));
	assert_non_null(*ret);
	**ret = said;
	memcpy((*ret)->ps, said_ps, sizeof(said_ps));
	return 0;
}

/* Half a processor, by the time that the last reading is of. */
static uint64_t half_a_cpu(void *ctx, pid_t pid)
{
	return said.read_ns / 2;
}

static void runtime_says(uint64_t read_ns, uint64_t allocated)
{
	said = (struct runtime_seen){.read_ns = read_ns, .has_heap = true, .threads = 5};
	said.heap = runtime_heap_unknown();
	said.heap.allocated = allocated;
}

/* Goroutines that were given a processor, by the processors' own counters. */
static void test_switches(void **state)
{
	const struct source source = {.runtime = runtime};
	static const struct {
		uint32_t ps, ticks[2];
		double wanted;
	} steps[] = {{2, {100, 200}, -1},
		     {2, {2100, 1200}, 3000},
		     {1, {2200, 0}, -1},
		     {1, {2700, 0}, 500},
		     {1, {3, 0}, -1}}; /* it went round */
	struct live_runtime now;
	struct last_runtime *l;
	struct world w;

	make(&w, 0);
	assert_int_equal(last_runtime_new(&l), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		runtime_says((10 + i) * NS_PER_SEC, 0);
		said.has_sched = true;
		said.n_ps = steps[i].ps;
		for (unsigned k = 0; k < steps[i].ps; k++)
			said_ps[k].schedtick = steps[i].ticks[k];
		assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
		assert_true(last_runtime_get(l, 0, &now));
		assert_true(now.switches_per_second == steps[i].wanted);
	}
	said.n_ps = 0;
	last_runtime_free(l);
	end(&w);
}

static bool is_stopped_now;

static bool says_stopped(void *ctx, pid_t pid)
{
	return is_stopped_now;
}

/* A debugger comes and goes: it counts how often in turn, and since when. */
static void test_stopped_readings(void **state)
{
	static const bool stops[] = {false, true, false, true, true, true, false};
	static const unsigned wanted[] = {0, 1, 0, 1, 2, 3, 0};
	const struct source source = {.runtime = runtime, .stopped = says_stopped};
	struct live_runtime now;
	struct last_runtime *l;
	struct world w;

	make(&w, 0);
	assert_int_equal(last_runtime_new(&l), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(stops); i++) {
		is_stopped_now = stops[i];
		runtime_says((10 + i) * NS_PER_SEC, 1 << 20);
		assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
		assert_true(last_runtime_get(l, 0, &now));
		assert_int_equal(now.stopped_readings, wanted[i]);
		assert_true(i != 5 || now.stopped_ns == 13 * NS_PER_SEC);
		assert_true(now.files == RUNTIME_UNKNOWN); /* nobody can say */
	}
	last_runtime_free(l);
	end(&w);
}

/* Counters that go back (memory of another program, which took its place) are no rate, and nothing
 * is judged by them until all that is looked at is of the new ones. */
static void test_judged_backwards(void **state)
{
	const struct source source = {.runtime = runtime};
	struct live_runtime now;
	struct last_runtime *l;
	struct world w;

	make(&w, 0);
	assert_int_equal(last_runtime_new(&l), 0);
	for (unsigned i = 0; i < 20; i++) {
		runtime_says((10 + i) * NS_PER_SEC, i < 10 ? (uint64_t)(i + 100) << 30 : i << 20);
		assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
		assert_true(last_runtime_get(l, 0, &now));
		assert_true(i < 5 || (now.judged_ns && now.judged_ns < 7 * NS_PER_SEC));
		assert_true(i < 5 || i >= 10 || now.alloc_judged == (double)(1ull << 30));
		assert_true(i < 10 || i >= 15 || now.alloc_judged < 0);
		assert_true(i < 15 || now.alloc_judged == (double)(1 << 20));
	}
	last_runtime_free(l);
	end(&w);
}

/* What is judged is no rate of two moments: 40 and 20 MiB in turn every two seconds are 15 a
 * second.
 */
static void test_judged_rate(void **state)
{
	const struct source source = {.runtime = runtime};
	struct live_runtime now;
	struct last_runtime *l;
	uint64_t mib = 0;
	struct world w;

	make(&w, 0);
	assert_int_equal(last_runtime_new(&l), 0);
	for (unsigned i = 0; i < 120; i++) { /* every half a second */
		mib += i % 8 == 1 ? 40 : i % 8 == 5 ? 20 : 0;
		runtime_says(10 * NS_PER_SEC + i * NS_PER_SEC / 2, mib << 20);
		assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
		assert_true(last_runtime_get(l, 0, &now));
		assert_true(i != 1 || now.alloc_per_second == (80 << 20));
		assert_true(i < 10 ? !now.judged_ns : now.judged_ns >= LIVE_JUDGED_NS);
		assert_true(now.judged_ns < 2 * LIVE_JUDGED_NS);
		assert_true(!now.judged_ns || now.alloc_judged < (25 << 20));
	}
	/* After a gap, of all of it. */
	runtime_says(100 * NS_PER_SEC, mib << 20);
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
	assert_true(last_runtime_get(l, 0, &now));
	assert_true(now.judged_ns > 30 * NS_PER_SEC && now.alloc_judged >= 0);
	last_runtime_free(l);
	end(&w);
}

/* MiB live after a collection, at each step of the time; -1 is what none is known of. */
static bool heap_grows(const int *mib, unsigned n, uint64_t step_ns, unsigned cycles,
		       struct heap_growth *ret)
{
	struct heap_past past = {.whole.n = 0};

	for (unsigned i = 0; i < n; i++)
		heap_past_take(&past, (1000 + i) * step_ns,
			       mib[i] < 0 ? RUNTIME_UNKNOWN : (uint64_t)mib[i] << 20,
			       10 + (uint64_t)i * cycles);
	heap_past_growth(&past, ret);
	return ret->to_bytes != 0;
}

/* Growth of the heap is what goes on over many collections: not a cache that fills, not a load that
 * comes, not one large thing, not what comes and goes. */
static void test_heap_growth(void **state)
{
	const uint64_t step = 10 * NS_PER_SEC;
	struct heap_growth g;
	int mib[400];
	unsigned n = ARRAY_SIZE(mib);

	for (unsigned i = 0; i < n; i++)
		mib[i] = 120 + 6 * (int)i;
	assert_true(heap_grows(mib, 61, step, 3, &g));
	assert_int_equal(g.from_bytes >> 20, 120);
	assert_int_equal(g.to_bytes >> 20, 480);
	assert_int_equal(g.ns, 600 * NS_PER_SEC);
	assert_int_equal(g.cycles, 180);
	/* However long it goes on. */
	assert_true(heap_grows(mib, n, step, 3, &g));
	assert_int_equal(g.from_bytes >> 20, 120);
	/* Too little, too short, too few cycles. */
	assert_false(heap_grows(mib, 11, step, 3, &g));
	assert_false(heap_grows(mib, 61, step / 12, 3, &g));
	assert_false(heap_grows(mib, 61, step, 0, &g));
	/* It is filled. */
	for (unsigned i = 0; i < n; i++)
		mib[i] = i < 60 ? 10 + 5 * (int)i : 310;
	for (unsigned i = 80; i <= n; i++)
		assert_false(heap_grows(mib, i, step, 1, &g));
	/* After an hour that was calm. */
	for (unsigned i = 0; i < n; i++)
		mib[i] = i < 340 ? 300 : 300 + 4 * ((int)i - 340);
	assert_true(heap_grows(mib, n, step, 1, &g));
	assert_true(g.from_bytes >> 20 < 310 && g.to_bytes >> 20 == 536 &&
		    g.ns <= 1000 * NS_PER_SEC);
	/* One step; a saw; what is not known. */
	for (unsigned i = 0; i < n; i++)
		mib[i] = i < 100 ? 50 : 500;
	for (unsigned i = 1; i <= n; i++)
		assert_false(heap_grows(mib, i, step, 1, &g));
	for (unsigned i = 0; i < n; i++)
		mib[i] = 50 + 80 * (int)(i % 5);
	for (unsigned i = 1; i <= n; i++)
		assert_false(heap_grows(mib, i, step, 1, &g));
	/* A cache that is filled and dropped, again and again; then it is not dropped any more. */
	for (unsigned i = 0; i < n; i++)
		mib[i] = 50 + 5 * (int)(i % 76);
	for (unsigned i = 77; i <= 380; i++)
		assert_false(heap_grows(mib, i, NS_PER_SEC, 1, &g));
	for (unsigned i = 76; i < n; i++)
		mib[i] = 50 + 5 * ((int)i - 76);
	assert_false(heap_grows(mib, 76 + 80, NS_PER_SEC, 1, &g));
	assert_true(heap_grows(mib, 76 + 100, NS_PER_SEC, 1, &g));
	/* It was high once, long ago. */
	for (unsigned i = 0; i < n; i++)
		mib[i] = i < 10 ? 2000 : i < 300 ? 100 : 100 + 4 * ((int)i - 300);
	assert_true(heap_grows(mib, n, step, 1, &g));
	for (unsigned i = 0; i < n; i++)
		mib[i] = -1;
	assert_false(heap_grows(mib, n, step, 1, &g));
	assert_int_equal(g.watched_ns, 0);
}

/* What two readings of the runtime's own counters make, and since when they count. */
static void test_last_runtime(void **state)
{
	const struct source source = {.runtime = runtime, .cpu_ns = half_a_cpu};
	const struct proc_info info = {.pid = INT_MAX};
	struct event made = {.type = EVENT_NEWOBJECT, .goid = 7, .size = 900, .time_ns = 1};
	struct live_runtime now;
	struct last_runtime *l;
	struct world w;

	make(&w, 0);
	assert_int_equal(last_runtime_new(&l), 0);
	assert_false(last_runtime_get(l, 0, &now));
	said.read_ns = 0;
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), -EFAULT);
	assert_false(last_runtime_get(l, 0, &now));
	/* It was there before us: what it has allocated until now is not ours, and what events told
	 * of that no share of what comes. */
	model_apply(w.model, &made, 1);
	runtime_says(10 * NS_PER_SEC, 1000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
	assert_true(last_runtime_get(l, 0, &now));
	assert_true(now.alloc_per_second < 0);
	assert_int_equal(now.allocated_since, 0);
	assert_int_equal(now.event_bytes, 0);
	made.size = 300;
	model_apply(w.model, &made, 1);
	assert_true(now.procs == RUNTIME_UNKNOWN && now.heap.live == RUNTIME_UNKNOWN);
	runtime_says(12 * NS_PER_SEC, 5000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, false), 0);
	assert_true(last_runtime_get(l, 0, &now));
	assert_true(now.alloc_per_second == 2000);
	assert_int_equal(now.allocated_since, 4000);
	assert_int_equal(now.event_bytes, 300);
	/* Too soon for another rate; the figure itself is new. */
	runtime_says(12 * NS_PER_SEC + 1000, 6000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, false), 0);
	assert_true(last_runtime_get(l, 0, &now));
	assert_true(now.alloc_per_second == 2000);
	assert_int_equal(now.heap.allocated, 6000);
	runtime_says(13 * NS_PER_SEC, 6000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, false), 0);
	assert_true(last_runtime_get(l, 0, &now));
	assert_true(now.alloc_per_second == 1000);
	/* One that fails changes nothing. */
	said.read_ns = 0;
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, false), -EFAULT);
	assert_true(last_runtime_get(l, 0, &now));
	assert_int_equal(now.heap.allocated, 6000);
	/* One that began under our eyes has allocated for us from its first byte on. */
	assert_int_equal(model_proc_add(w.model, &info), 1);
	runtime_says(20 * NS_PER_SEC, 700);
	said.has_heap = false;
	assert_int_equal(last_runtime_read(l, &source, w.model, 1, false), 0);
	assert_true(last_runtime_get(l, 1, &now));
	assert_true(now.allocated_since == RUNTIME_UNKNOWN);
	runtime_says(21 * NS_PER_SEC, 900);
	assert_int_equal(last_runtime_read(l, &source, w.model, 1, false), 0);
	assert_true(last_runtime_get(l, 1, &now));
	assert_int_equal(now.allocated_since, 900);
	assert_true(now.alloc_per_second < 0);
	assert_true(now.cpu_percent == 50);
	assert_int_equal(now.cpu_ns, said.read_ns / 2);
	/* What one that was there had allocated by then could not be read: nobody knows it later.
	 */
	assert_int_equal(model_proc_add(w.model, &info), 2);
	said.read_ns = 0;
	assert_int_equal(last_runtime_read(l, &source, w.model, 2, true), -EFAULT);
	assert_false(last_runtime_get(l, 2, &now));
	runtime_says(22 * NS_PER_SEC, 5000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 2, false), 0);
	assert_true(last_runtime_get(l, 2, &now));
	assert_true(now.allocated_since == RUNTIME_UNKNOWN);
	last_runtime_free(l);
	end(&w);
}

/* One of very many loses its place: when it has one again, nobody knows any more what it had
 * allocated before it was attached to. */
static void test_last_runtime_of_many(void **state)
{
	const struct source source = {.runtime = runtime, .cpu_ns = half_a_cpu};
	const struct proc_info info = {.pid = INT_MAX};
	struct live_runtime now;
	struct last_runtime *l;
	struct world w;

	make(&w, 0);
	assert_int_equal(last_runtime_new(&l), 0);
	runtime_says(10 * NS_PER_SEC, 1000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
	for (unsigned proc = 1; proc <= LAST_RUNTIME_MAX; proc++) {
		assert_int_equal(model_proc_add(w.model, &info), proc);
		runtime_says(11 * NS_PER_SEC + proc, 2000);
		assert_int_equal(last_runtime_read(l, &source, w.model, proc, false), 0);
	}
	assert_false(last_runtime_get(l, 0, &now));
	runtime_says(12 * NS_PER_SEC, 3000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 0, false), 0);
	assert_true(last_runtime_get(l, 0, &now));
	assert_true(now.allocated_since == RUNTIME_UNKNOWN);
	assert_false(last_runtime_get(l, 1, &now));
	runtime_says(13 * NS_PER_SEC, 4000);
	assert_int_equal(last_runtime_read(l, &source, w.model, 1, false), 0);
	assert_true(last_runtime_get(l, 1, &now));
	assert_int_equal(now.allocated_since, 4000);
	last_runtime_free(l);
	end(&w);
}

static void test_memory_cannot_be_read(void **state)
{
	struct health health;
	struct world w;

	make(&w, 0);
	w.read_err = -ENOSYS;
	assert_int_equal(engine_start(w.engine, true), 0);
	assert_int_equal(w.live.health(w.live.ctx, 0, &health), 0);
	assert_string_equal(health.goroutines_from,
			    "events only: runtime.allgs was not found in this binary");
	w.read_err = -EPERM;
	engine_read_all(w.engine);
	assert_int_equal(w.live.health(w.live.ctx, 0, &health), 0);
	assert_string_equal(health.goroutines_from,
			    "events only: the process's memory cannot be read");
	end(&w);
}

/* --- the bound ----------------------------------------------------------------------------------
 */

static void objects(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct event ev = {.type = EVENT_NEWOBJECT, .goid = 1, .time_ns = monotonic_ns()};

		model_apply(w->model, &ev, 1);
	}
}

static void wait_pauses(struct world *w, unsigned n)
{
	for (int i = 0; i < DEADLINE_S * 1000; i++) {
		bool done;

		pthread_mutex_lock(&w->lock);
		done = w->pauses >= n && !w->paused;
		pthread_mutex_unlock(&w->lock);
		if (done)
			return;
		usleep(1000);
	}
	fail_msg("no %u windows", n);
}

/* Hits take 0.4 of the program's time: too much. All that was asked for is on in each window. */
static void test_the_bound_is_kept(void **state)
{
	struct live_budget b;
	struct world w;

	make(&w, 10);
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 3);
	assert_int_equal(w.rate_changes, 0);
	w.live.budget(w.live.ctx, &b);
	assert_true(b.max_percent == 10);
	assert_true(b.windows >= 3 && b.on_ns && b.off_ns && b.attach_ns && b.detach_ns);
	assert_true(b.full_percent > 20 && b.full_percent < 60);
	/* Not more than one last window above. */
	assert_true((double)b.spent_ns < 0.1 * (double)b.cpu_ns + 0.3e9);
	/* The user's pause is another thing. */
	assert_false(w.control.get_paused(w.control.ctx));
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	pthread_mutex_lock(&w.lock);
	assert_false(w.paused);
	pthread_mutex_unlock(&w.lock);
	end(&w);
}

static void be_still(struct world *w, bool still)
{
	pthread_mutex_lock(&w->lock);
	w->still = still;
	pthread_mutex_unlock(&w->lock);
}

/* No more hits: waits until the bound has looked at all there were. Its sum, without switching. */
static uint64_t spent_at_rest(struct world *w)
{
	struct live_budget before, b;
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	be_still(w, true);
	w->live.budget(w->live.ctx, &before);
	do {
		usleep(1000);
		w->live.budget(w->live.ctx, &b); /* its time goes on with each look */
	} while (b.cpu_ns < before.cpu_ns + 5 * NS_PER_SEC / 50 && monotonic_ns() < until);
	return b.spent_ns - b.switched_ns;
}

/* What the bound has counted as spent is what the figures of the seconds add up to, though each
 * looks when it likes, and our program takes little now and much then. */
static void test_costs_are_one_figure(void **state)
{
	struct meter_sample sample;
	uint64_t hits_ns, spent_ns;
	struct world w;

	make(&w, 10);
	w.load = 500000;
	(void)tick(&w, 1, 0, NULL);
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 1);
	spent_ns = spent_at_rest(&w);
	assert_true(tick(&w, 1, 0, &sample));
	hits_ns = sample.overhead_ns;
	be_still(&w, false);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(tick(&w, 1, 0, &sample));
		usleep(7000);
	}
	wait_pauses(&w, 3);
	spent_ns = spent_at_rest(&w) - spent_ns;
	assert_true(tick(&w, 1, 0, &sample));
	hits_ns = sample.overhead_ns - hits_ns;
	assert_true(hits_ns > NS_PER_SEC / 1000);
	assert_in_range(spent_ns, hits_ns - 100, hits_ns + 100);
	end(&w);
}

static unsigned measured(struct world *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->measured;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* What a hit costs is measured again while there are hits; what they have cost so far stays. */
static void test_price_is_measured_again(void **state)
{
	uint64_t trap_ns, step_ns, before_ns;
	struct meter_sample sample;
	struct world w;

	start(&w, 0);
	for (unsigned i = 0; i < 500; i++)
		(void)tick(&w, 1, 1000, &sample);
	assert_int_equal(measured(&w), 0);
	assert_int_equal(sample.overhead_ns, 500 * 800000);
	for (unsigned i = 0; i < 102; i++)
		(void)tick(&w, 1, 1000, &sample);
	/* Who measures does one thing after the other. */
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	assert_int_equal(measured(&w), 1);
	(void)tick(&w, 1, 0, &sample);
	before_ns = sample.overhead_ns;
	(void)tick(&w, 1, 1000, &sample);
	assert_int_equal(sample.trap_ns, 1600);
	assert_int_equal(sample.overhead_ns, before_ns + 1600000);
	meter_price_at_start(w.meter, &trap_ns, &step_ns);
	assert_int_equal(trap_ns, 800);
	assert_int_equal(step_ns, 4000);
	/* Once more for the hits since, then it is due, but there is nothing to be priced. */
	for (unsigned i = 0; i < 2000; i++)
		(void)tick(&w, 1, 0, NULL);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	assert_int_equal(measured(&w), 2);
	end(&w);
}

/* What -sample does not choose happened, and costs: the bound is kept, and between two windows it
 * is estimated as well. */
static void test_a_bound_with_a_sample(void **state)
{
	struct live_budget b;
	struct world w;

	make(&w, 10);
	w.load = 500000;
	w.unchosen = true;
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 2);
	w.live.budget(w.live.ctx, &b);
	assert_true(b.windows >= 1);
	assert_true(b.estimated);
	assert_true(b.missed[EVENT_NEWOBJECT] > 0);
	assert_int_equal(b.missed[EVENT_MAKEMAP], 0);
	end(&w);
}

static void test_within_the_bound_all_stays(void **state)
{
	struct world w;

	make(&w, 10);
	w.load = 50000; /* 4 % */
	assert_int_equal(engine_start(w.engine, true), 0);
	usleep(300000);
	assert_int_equal(w.pauses, 0);
	end(&w);
}

/* Who was paused by the user stays so, whatever the bound says. */
static void test_a_bound_ends_no_pause(void **state)
{
	struct world w;

	make(&w, 10);
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 1);
	assert_int_equal(w.control.set_paused(w.control.ctx, true), 0);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	pthread_mutex_lock(&w.lock);
	assert_true(w.paused);
	pthread_mutex_unlock(&w.lock);
	assert_true(w.control.get_paused(w.control.ctx));
	assert_int_equal(w.control.set_paused(w.control.ctx, false), 0);
	assert_false(w.paused);
	end(&w);
}

static void test_the_kernel_refuses(void **state)
{
	struct world w;

	make(&w, 10);
	w.load = 500000;
	w.paused_err = -EIO;
	assert_int_equal(engine_start(w.engine, true), 0);
	usleep(300000);
	assert_int_equal(w.pauses, 0);
	/* It is tried again, and not taken for done. */
	pthread_mutex_lock(&w.lock);
	w.paused_err = 0;
	pthread_mutex_unlock(&w.lock);
	wait_pauses(&w, 1);
	end(&w);
}

/* --- what may be changed ------------------------------------------------------------------------
 */

static void test_pause(void **state)
{
	struct world w;

	start(&w, 0);
	w.paused_err = -EBUSY;
	assert_int_equal(w.control.set_paused(w.control.ctx, true), -EBUSY);
	assert_false(w.control.get_paused(w.control.ctx));
	w.paused_err = 0;
	assert_int_equal(w.control.set_paused(w.control.ctx, true), 0);
	assert_true(w.control.get_paused(w.control.ctx));
	see(&w, 2, (const uint64_t[]){1, 9});
	w.paused_err = -EIO;
	assert_int_equal(w.control.set_paused(w.control.ctx, false), -EIO);
	assert_true(w.control.get_paused(w.control.ctx));
	assert_int_equal(reads(&w), 1);
	/* What happened meanwhile is read. */
	w.paused_err = 0;
	assert_int_equal(w.control.set_paused(w.control.ctx, false), 0);
	wait_gone(&w, 7);
	assert_true(lives(&w, 9));
	end(&w);
}

/* --- all probes out, and in again ---------------------------------------------------------------
 */

static struct goroutine one(struct world *w, uint64_t goid)
{
	struct goroutine g;

	assert_int_equal(model_goroutine(w->model, 0, goid, &g), 0);
	return g;
}

static bool is_paused(struct world *w, unsigned on)
{
	return w_get_paused(w) == on;
}

static void look(struct world *w)
{
	w->live.look(w->live.ctx, 0, DEADLINE_S * NS_PER_SEC);
}

/* Without probes memory tells, and no time counts for a state; with them a reading comes first, and
 * what events say after it is certain. */
static void test_memory_tells_between_windows(void **state)
{
	uint64_t ran, waited, off_ns, on_ns, t;
	struct live_probes now;
	struct model_totals totals;
	struct goroutine g;
	struct world w;

	start(&w, 0);
	t = monotonic_ns();
	change(&w, 7, GSTATE_WAITING, GSTATE_RUNNABLE, t);
	change(&w, 7, GSTATE_RUNNABLE, GSTATE_RUNNING, t + 1000);
	assert_int_equal(one(&w, 7).runnable_count, 1);
	assert_int_equal(engine_probes_set(w.engine, false), 0);
	assert_true(w_get_paused(&w));
	until(&w, certain, 0);
	off_ns = monotonic_ns();
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(now.off && strstr(now.why, "max-overhead"));
	/* Until they went it ran, and all of that counts. */
	ran = one(&w, 7).state_ns[GSTATE_RUNNING];
	g = one(&w, 7);
	assert_true(g.flags & GOROUTINE_GAP);
	/* Another state, one that is gone, one that is new: nobody saw it, and nothing was wrong.
	 */
	pthread_mutex_lock(&w.lock);
	w.seen[0] = (struct goroutine_seen){.goid = 7, .state = GSTATE_RUNNABLE};
	w.seen[1] = (struct goroutine_seen){.goid = 9, .state = GSTATE_RUNNING};
	w.n = 2;
	pthread_mutex_unlock(&w.lock);
	wait_gone(&w, 1);
	g = one(&w, 7);
	assert_int_equal(g.state, GSTATE_RUNNABLE);
	assert_true(g.flags & GOROUTINE_STATE_READ && g.flags & GOROUTINE_GAP &&
		    g.flags & GOROUTINE_UNCERTAIN);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], ran);
	model_totals(w.model, 0, &totals);
	assert_int_equal(totals.healed, 0);
	assert_int_equal(totals.goroutines_created, 0);
	assert_int_equal(event_counts_sum(totals.events), 2);
	/* Back: until memory was read again, nothing is sure. */
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	pthread_mutex_unlock(&w.lock);
	assert_int_equal(engine_probes_set(w.engine, true), 0);
	on_ns = monotonic_ns();
	assert_true(in_doubt(&w));
	/* It may have been running and runnable again meanwhile: no latency. */
	change(&w, 7, GSTATE_RUNNABLE, GSTATE_RUNNING, on_ns);
	g = one(&w, 7);
	assert_int_equal(g.runnable_count, 1);
	assert_int_equal(g.state_ns[GSTATE_RUNNABLE], 1000);
	assert_false(g.flags & GOROUTINE_GAP);
	pthread_mutex_lock(&w.lock);
	w.seen[0].state = GSTATE_RUNNING;
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	until(&w, certain, 0);
	/* 9 runs as it did, and is known to from the reading on. */
	g = one(&w, 9);
	assert_false(g.flags & GOROUTINE_GAP);
	assert_true(g.state_since_ns >= on_ns);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 0);
	t = monotonic_ns() + 500;
	change(&w, 9, GSTATE_RUNNING, GSTATE_WAITING, t);
	assert_int_equal(one(&w, 9).state_ns[GSTATE_RUNNING], t - g.state_since_ns);
	waited = t;
	change(&w, 9, GSTATE_WAITING, GSTATE_RUNNABLE, waited + 70);
	change(&w, 9, GSTATE_RUNNABLE, GSTATE_RUNNING, waited + 100);
	assert_int_equal(one(&w, 9).runnable_count, 1);
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(!now.off && now.switched == 2 && now.off_ns > 0 && now.since_ns >= off_ns);
	end(&w);
}

/* What waits all the while, as the runtime says, is shown to have waited all the while, and none of
 * it counts. Where it says nothing, it may have been another wait each time. */
static void test_a_wait_goes_on_without_probes(void **state)
{
	uint64_t t, known;
	struct goroutine g;
	struct world w;

	start(&w, 0);
	t = monotonic_ns();
	change(&w, 7, GSTATE_WAITING, GSTATE_RUNNABLE, t);
	change(&w, 7, GSTATE_RUNNABLE, GSTATE_RUNNING, t + 10);
	change(&w, 7, GSTATE_RUNNING, GSTATE_WAITING, t + 20);
	pthread_mutex_lock(&w.lock);
	w.seen[1].began_ns = t + 20;
	pthread_mutex_unlock(&w.lock);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(engine_probes_set(w.engine, false), 0);
		until(&w, certain, 0);
		assert_int_equal(engine_probes_set(w.engine, true), 0);
		until(&w, certain, 0);
	}
	g = one(&w, 7);
	assert_int_equal(goroutine_began(&g), t + 20);
	known = g.state_ns[GSTATE_WAITING];
	assert_true(known < g.state_since_ns - (t + 20));
	pthread_mutex_lock(&w.lock);
	w.seen[1].began_ns = 0;
	pthread_mutex_unlock(&w.lock);
	t = monotonic_ns();
	assert_int_equal(engine_probes_set(w.engine, false), 0);
	until(&w, certain, 0);
	g = one(&w, 7);
	assert_true(goroutine_began(&g) >= t && g.flags & GOROUTINE_AT_LEAST);
	end(&w);
}

/* Memory is read when somebody looks, and not more than ten times a second. */
static void test_looks(void **state)
{
	uint64_t began;
	unsigned before;
	struct world w;

	start(&w, 0);
	before = reads(&w);
	for (int i = 0; i < 50; i++)
		look(&w);
	assert_int_equal(reads(&w), before); /* events tell */
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_NONE), 0);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_NONE);
	until(&w, certain, 0);
	see(&w, 2, (const uint64_t[]){1, 9});
	usleep(110000);
	look(&w);
	assert_true(lives(&w, 9));
	before = reads(&w);
	began = monotonic_ns();
	while (monotonic_ns() - began < NS_PER_SEC / 2 || reads(&w) - before < 2)
		look(&w);
	assert_true(reads(&w) - before <= (monotonic_ns() - began) / HEALER_FRESH_NS + 2);
	/* A second reason: it is out until both are gone. */
	assert_int_equal(engine_probes_set(w.engine, false), 0);
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	assert_true(w_get_paused(&w));
	assert_int_equal(engine_probes_set(w.engine, true), 0);
	assert_false(w_get_paused(&w));
	end(&w);
}

static void test_levels(void **state)
{
	struct live_probes now;
	struct world w;

	start(&w, 0);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_FULL);
	/* It cannot sample: nothing is changed. */
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_LIGHT), -ENOTSUP);
	assert_false(w_get_paused(&w));
	w.paused_err = -EIO;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_DEMAND), -EIO);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_FULL);
	w.paused_err = 0;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_DEMAND), 0);
	assert_true(w_get_paused(&w));
	assert_false(w.control.get_paused(w.control.ctx)); /* nobody asked for a pause */
	w.control.reads_events(w.control.ctx, true);
	until(&w, is_paused, false);
	w.control.reads_events(w.control.ctx, true);
	w.control.reads_events(w.control.ctx, false);
	tick(&w, 1, 0, NULL);
	tick(&w, 1, 0, NULL);
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(!now.off && now.readers == 1 && now.level == PROBES_DEMAND);
	/* The last one goes, and another comes at once: nothing is taken out for that. */
	w.control.reads_events(w.control.ctx, false);
	tick(&w, 1, 0, NULL);
	assert_false(w_get_paused(&w));
	for (int i = 0; i < DEADLINE_S * 10 && !w_get_paused(&w); i++) {
		usleep(100000);
		tick(&w, 1, 0, NULL);
	}
	assert_true(w_get_paused(&w));
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(now.off && strstr(now.why, "nobody reads"));
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	assert_false(w_get_paused(&w));
	end(&w);
}

static void at_light(struct world *w, unsigned windows)
{
	struct live_probes now = {0};

	assert_int_equal(w->control.set_probes(w->control.ctx, PROBES_LIGHT), 0);
	for (int i = 0; i < DEADLINE_S * 1000 && now.sample_windows < windows; i++) {
		usleep(1000);
		w->live.probes(w->live.ctx, 0, &now);
	}
	assert_true(now.sample_windows >= windows && now.sample_scale > 1);
}

/* Sampling that takes half of the program's time is done in windows; between them nothing is
 * attached, and what comes after them counts as all. */
static void test_sampling_in_windows(void **state)
{
	struct live_probes now;
	struct world w;

	make(&w, 0);
	w.source.sample_allocations = w_sample_allocations;
	w.source.sample_window = w_sample_window;
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	at_light(&w, 2);
	assert_true(w.attach_changes >= 4);
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	assert_int_equal(w.scale, 1);
	assert_false(w.attached);
	w.live.probes(w.live.ctx, 0, &now);
	assert_int_equal(now.sample_scale, 1);
	end(&w);
}

/* Where the kernel takes long for a change it is not asked for one at each window. */
static void test_sampling_on_a_slow_kernel(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.sample_allocations = w_sample_allocations;
	w.source.sample_window = w_sample_window;
	w.attach_us = 700000;
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	at_light(&w, 4);
	assert_true(w.attach_changes <= 3); /* in, out, and in again */
	engine_tracing_ends(w.engine);
	end(&w);
}

/* Probes that the kernel has not let go of yet are waited for, a little. */
static void test_light_while_the_kernel_holds_probes(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.sample_allocations = w_sample_allocations;
	w.source.sample_window = w_sample_window;
	assert_int_equal(engine_start(w.engine, true), 0);
	w.held = 5;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_LIGHT), 0);
	assert_true(w.attached);
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	w.held = UINT_MAX;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_LIGHT), -EBUSY);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_FULL);
	end(&w);
}

static void test_rates(void **state)
{
	const uint32_t some[RATES] = {[EVENT_CASGSTATUS] = RATE_ONE, [EVENT_MAKEMAP] = 100};
	uint32_t now[RATES];
	struct world w;

	start(&w, 0);
	w.rates_err = -EPERM;
	assert_int_equal(w.control.set_rates(w.control.ctx, some), -EPERM);
	w.control.get_wanted(w.control.ctx, now);
	assert_int_equal(now[EVENT_NEWOBJECT], RATE_ONE);
	assert_int_equal(reads(&w), 1);
	w.rates_err = 0;
	assert_int_equal(w.control.set_rates(w.control.ctx, some), 0);
	w.control.get_rates(w.control.ctx, now);
	assert_memory_equal(now, some, sizeof(some));
	w.control.get_wanted(w.control.ctx, now);
	assert_memory_equal(now, some, sizeof(some));
	wait_reads(&w, 1);
	w.control.low_latency(w.control.ctx, true);
	assert_int_equal(w.latency, 1);
	end(&w);
}

static void test_the_bound_is_changed(void **state)
{
	struct world w;

	start(&w, 3);
	assert_true(w.control.get_max_overhead(w.control.ctx) == 3);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, -1), -EINVAL);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 1e9), -EINVAL);
	assert_true(w.control.get_max_overhead(w.control.ctx) == 3);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 20), 0);
	assert_true(w.control.get_max_overhead(w.control.ctx) == 20);
	end(&w);
}

/* --- the second ---------------------------------------------------------------------------------
 */

static void test_the_meter(void **state)
{
	const struct recorder_stats recorded[2] = {{.batches = 5}, {.batches = 9, .wait_ns = 400}};
	struct meter_sample s;
	struct world w;

	start(&w, 0);
	/* What a hit costs is known before anything was counted. */
	meter_last(w.meter, &s);
	assert_int_equal(s.trap_ns, 800);
	assert_false(engine_tick(w.engine, w.now_ns, &recorded[0], &s));
	w.stats.hits += 50;
	assert_true(engine_tick(w.engine, w.now_ns + 2 * NS_PER_SEC, &recorded[1], &s));
	assert_int_equal(s.hits, 25);
	assert_true(s.bps == 2);
	assert_int_equal(s.qwl_ns, 100);
	memset(&s, 0, sizeof(s));
	meter_last(w.meter, &s);
	assert_int_equal(s.hits, 25);
	end(&w);
}

static void test_replay(void **state)
{
	struct engine_config ec = {0};
	struct engine *e;
	struct meter_sample s;
	struct world w;

	make(&w, 0);
	ec.model = w.model;
	ec.meter = w.meter;
	assert_int_equal(engine_new(&ec, &e), 0);
	assert_false(engine_tick(e, w.now_ns, NULL, &s));
	objects(&w, 30);
	assert_true(engine_tick(e, w.now_ns + 3 * NS_PER_SEC, NULL, &s));
	assert_int_equal(s.rps, 10);
	assert_int_equal(s.hits, 0);
	engine_free(e);
	engine_free(NULL);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_there_already),
		cmocka_unit_test(test_very_many_are_there_already),
		cmocka_unit_test(test_very_many_cannot_be_read),
		cmocka_unit_test(test_a_backlog_at_the_start),
		cmocka_unit_test(test_very_many_and_an_end),
		cmocka_unit_test(test_a_loss_is_healed),
		cmocka_unit_test(test_the_backlog_comes_first),
		cmocka_unit_test(test_lost_allocations_leave_states),
		cmocka_unit_test(test_lost_while_it_is_read),
		cmocka_unit_test(test_what_ended_meanwhile_is_no_ghost),
		cmocka_unit_test(test_what_cannot_be_known),
		cmocka_unit_test(test_no_loss_no_reading),
		cmocka_unit_test(test_a_cut_list_ends_nobody),
		cmocka_unit_test(test_it_ends_under_the_reader),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_last_stacks),
		cmocka_unit_test(test_last_stacks_cut),
		cmocka_unit_test(test_last_runtime),
		cmocka_unit_test(test_heap_growth),
		cmocka_unit_test(test_stopped_readings),
		cmocka_unit_test(test_judged_backwards),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_judged_rate),
		cmocka_unit_test(test_last_runtime_of_many),
		cmocka_unit_test(test_memory_cannot_be_read),
		cmocka_unit_test(test_the_bound_is_kept),
		cmocka_unit_test(test_costs_are_one_figure),
		cmocka_unit_test(test_price_is_measured_again),
		cmocka_unit_test(test_a_bound_with_a_sample),
		cmocka_unit_test(test_within_the_bound_all_stays),
		cmocka_unit_test(test_a_bound_ends_no_pause),
		cmocka_unit_test(test_the_kernel_refuses),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_memory_tells_between_windows),
		cmocka_unit_test(test_a_wait_goes_on_without_probes),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_sampling_in_windows),
		cmocka_unit_test(test_sampling_on_a_slow_kernel),
		cmocka_unit_test(test_light_while_the_kernel_holds_probes),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_the_bound_is_changed),
		cmocka_unit_test(test_the_meter),
		cmocka_unit_test(test_replay),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
