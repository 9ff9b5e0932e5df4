/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An engine with a made-up source. After cmocka.h. */
#ifndef XGOTOPFS_TESTS_ENGINE_WORLD_H
#define XGOTOPFS_TESTS_ENGINE_WORLD_H

#include "core/base/util.h"
#include "core/engine/engine.h"

#define SEEN_MAX   8
#define DEADLINE_S 120

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

static inline void w_stats(void *ctx, struct capture_stats *ret)
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

static inline int w_sample_allocations(void *ctx, bool on)
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

static inline void w_sample_window(void *ctx, unsigned scale, unsigned window)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	assert_true(scale != 1 || !window);
	assert_true(scale <= 1 || window);
	w->scale = scale;
	w->scales++;
	pthread_mutex_unlock(&w->lock);
}

static inline uint64_t w_cpu_ns(void *ctx, pid_t pid)
{
	return ((struct world *)ctx)->load > 0 ? monotonic_ns() : 0;
}

static inline int w_measure(void *ctx)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->stats.price.trap_ns = 1600;
	w->measured++;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static inline void w_health(void *ctx, unsigned proc, struct health *ret)
{
	strcpy(ret->go_version, "go1.99");
}

static inline int w_set_rates(void *ctx, const uint32_t rates[RATES])
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

static inline void w_get_rates(void *ctx, uint32_t ret[RATES])
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	memcpy(ret, w->rates, sizeof(w->rates));
	pthread_mutex_unlock(&w->lock);
}

static inline int w_set_paused(void *ctx, bool paused)
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

static inline bool w_get_paused(void *ctx)
{
	struct world *w = ctx;
	bool paused;

	pthread_mutex_lock(&w->lock);
	paused = w->paused;
	pthread_mutex_unlock(&w->lock);
	return paused;
}

static inline void w_low_latency(void *ctx, bool on)
{
	((struct world *)ctx)->latency += on ? 1 : -1;
}

static inline uint64_t w_delivered(void *ctx, uint64_t wanted_ns)
{
	struct world *w = ctx;
	uint64_t until_ns;

	pthread_mutex_lock(&w->lock);
	w->waits++;
	until_ns = w->backlog ? w->delivered_ns : UINT64_MAX;
	pthread_mutex_unlock(&w->lock);
	return until_ns;
}

static inline int w_goroutines(void *ctx, unsigned proc, pid_t pid, struct goroutine_seen **ret,
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
static inline int w_stack(void *ctx, unsigned proc, pid_t pid, uint64_t goid, struct buf *out)
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

static inline int w_stacks(void *ctx, pid_t pid, enum live_stacks what, live_text_fn *fn, void *arg)
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

static inline void see(struct world *w, size_t n, const uint64_t *goids)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++)
		w->seen[i] = (struct goroutine_seen){.goid = goids[i], .state = GSTATE_WAITING};
	w->n = n;
	pthread_mutex_unlock(&w->lock);
}

static inline unsigned reads(struct world *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->reads;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static inline void make(struct world *w, double max_overhead)
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
	engine_answers(w->engine, &w->live);
	engine_controls(w->engine, &w->control);
}

static inline void start(struct world *w, double max_overhead)
{
	make(w, max_overhead);
	see(w, 2, (const uint64_t[]){1, 7});
	assert_int_equal(engine_start(w->engine, true), 0);
}

static inline void end(struct world *w)
{
	engine_free(w->engine);
	meter_free(w->meter);
	model_free(w->model);
	names_free(w->names);
	pthread_mutex_destroy(&w->lock);
}

/* Another `seconds` go by with so many hits and events a second. */
static inline bool tick(struct world *w, uint64_t seconds, uint64_t hits, struct meter_sample *ret)
{
	struct meter_sample sample;

	w->now_ns += seconds * NS_PER_SEC;
	pthread_mutex_lock(&w->lock);
	w->stats.hits += hits * seconds;
	w->stats.read += hits * seconds;
	pthread_mutex_unlock(&w->lock);
	return engine_tick(w->engine, w->now_ns, NULL, ret ? ret : &sample);
}

static inline bool lives(struct world *w, uint64_t goid)
{
	struct goroutine g;

	return !model_goroutine(w->model, 0, goid, &g) && !(g.flags & GOROUTINE_EXITED);
}

/* Waits until there were more than `before` readings. */
static inline void wait_reads(struct world *w, unsigned before)
{
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	while (reads(w) <= before && monotonic_ns() < until)
		usleep(1000);
	assert_true(reads(w) > before);
}

static inline bool in_doubt(struct world *w)
{
	return model_in_doubt(w->model, 0);
}

static inline void wait_gone(struct world *w, uint64_t goid)
{
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	while (lives(w, goid) && monotonic_ns() < until)
		usleep(1000);
	assert_false(lives(w, goid));
}

static inline bool certain(struct world *w, unsigned unused)
{
	return !in_doubt(w);
}

static inline void until(struct world *w, bool (*is)(struct world *w, unsigned arg), unsigned arg)
{
	uint64_t end_ns = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	while (!is(w, arg) && monotonic_ns() < end_ns)
		usleep(1000);
	assert_true(is(w, arg));
}

static inline void change(struct world *w, uint64_t goid, uint8_t from, uint8_t to,
			  uint64_t time_ns)
{
	struct event ev = {.type = EVENT_CASGSTATUS,
			   .goid = goid,
			   .target = goid,
			   .from = from,
			   .to = to,
			   .time_ns = time_ns};

	model_apply(w->model, &ev, 1);
}

#endif
