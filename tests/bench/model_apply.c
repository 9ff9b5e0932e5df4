/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the model costs: ns of CPU and of time an event for a typical mix, by one thread and by two,
 * alone and while readers follow the feed; what following and formatting cost a reader.
 *
 * The mix: goroutines of a server at work, some thousands alive. In a hundred events about 60
 *changes of state, 32 allocations (a dozen common types, a tail of 400), 4 creations, 4 ends.
 *
 *	model_apply [EVENTS]		default 5,000,000; each figure is the best of three runs
 *	model_apply scale [GOROUTINES]	only how it hangs on their number, and memory
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/model/event_format.h"
#include "core/model/model_internal.h"
#include "tests/all_goroutines.h"

#define BATCH  4000 /* what the pump hands over under load */
#define LIVE   5000
#define RETAIN 1000000
#define TYPES  400

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

struct mix {
	struct event *events;
	size_t n, cap;
	uint64_t seed, now, next_goid;
	unsigned n_live;
	size_t begun; /* events until all are there */
	size_t warm;  /* and until what they need has been touched once: the feed's memory */
	uint64_t *live;
	uint8_t *states;
	uint32_t reason, func, site;
};

static void add(struct mix *x, struct event ev)
{
	x->now += 300;
	ev.time_ns = x->now;
	if (x->n < x->cap)
		x->events[x->n++] = ev;
}

static void move(struct mix *x, uint64_t actor, unsigned i, uint8_t to)
{
	add(x, (struct event){.type = EVENT_CASGSTATUS,
			      .goid = actor,
			      .target = x->live[i],
			      .from = x->states[i],
			      .to = to,
			      .string_id = to == GSTATE_WAITING ? x->reason : 0});
	x->states[i] = to;
}

static void replace(struct mix *x, unsigned i, uint64_t actor)
{
	if (x->live[i]) {
		move(x, x->live[i], i, GSTATE_DEAD);
		add(x,
		    (struct event){.type = EVENT_GOEXIT, .goid = x->live[i], .target = x->live[i]});
	}
	x->live[i] = x->next_goid++;
	x->states[i] = GSTATE_DEAD;
	move(x, actor, i, GSTATE_RUNNABLE);
	add(x, (struct event){.type = EVENT_NEWGOROUTINE,
			      .goid = actor,
			      .target = x->live[i],
			      .string_id = x->func,
			      .site_id = x->site});
}

/* One turn of a goroutine: woken, runs, allocates some, parks again; or ends and another starts. */
static void turn(struct mix *x)
{
	uint64_t r = next_random(&x->seed);
	unsigned i = (unsigned)(r % x->n_live), waker = (unsigned)((r >> 20) % x->n_live);
	uint64_t self = x->live[i];

	move(x, x->live[waker], i, GSTATE_RUNNABLE);
	move(x, self, i, GSTATE_RUNNING);
	for (unsigned k = 0; k < (r >> 40 & 3); k++) {
		uint64_t s = next_random(&x->seed);
		struct event ev = {.goid = self, .site_id = x->site};

		ev.type_id = 1 + (uint32_t)(s & 7 ? s >> 8 & 15 : (s >> 8) % TYPES);
		ev.type = s >> 30 & 3 ? EVENT_NEWOBJECT : EVENT_MAKESLICE;
		ev.size = ev.cap = 32;
		add(x, ev);
	}
	if ((r >> 50 & 7) == 0) {
		replace(x, i, x->live[waker]);
		move(x, x->live[i], i, GSTATE_RUNNING);
	}
	move(x, x->live[i], i, GSTATE_WAITING);
}

static void free_mix(struct mix *x)
{
	free(x->events);
	free(x->live);
	free(x->states);
}

static int make_mix(struct mix *x, struct names *names, unsigned n_live, size_t n)
{
	x->n_live = n_live;
	x->events = calloc(n, sizeof(*x->events));
	x->live = calloc(n_live, sizeof(*x->live));
	x->states = calloc(n_live, sizeof(*x->states));
	if (!x->events || !x->live || !x->states)
		return -ENOMEM;
	x->cap = n;
	x->seed = 88172645463325252ull;
	x->next_goid = 1;
	x->reason = names_intern(names, "chan receive", 12);
	x->func = names_intern(names, "main.(*server).handle", 21);
	x->site = names_add_site(names, (struct site){x->func, x->func, 120});
	for (uint32_t i = 1; i <= TYPES; i++) {
		char name[32];
		struct go_type t = {.name = name, .size = i, .kind = 25};

		snprintf(name, sizeof(name), "main.Type%u", i);
		names_add_type(names, &t);
	}
	for (unsigned i = 0; i < n_live; i++) {
		replace(x, i, 0);
		move(x, x->live[i], i, GSTATE_RUNNING);
		move(x, x->live[i], i, GSTATE_WAITING);
	}
	x->begun = x->n;
	while (x->n < x->cap)
		turn(x);
	return 0;
}

struct follower {
	struct model *m;
	_Atomic bool done;
	uint64_t got, missed, cpu;
};

static void *follow(void *arg)
{
	struct follower *f = arg;
	struct feed *feed = model_feed(f->m);
	static _Thread_local struct event events[2048];
	uint64_t cursor = 0, missed;

	while (!atomic_load(&f->done) || cursor < feed_head(feed)) {
		size_t n = feed_read(feed, &cursor, events, ARRAY_SIZE(events), &missed);

		f->got += n;
		f->missed += missed;
		if (n == 0)
			feed_wait(feed, cursor, 10000000);
	}
	f->cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static int new_model(struct names *names, unsigned workers, struct model **ret)
{
	struct model_config config = {.retain = RETAIN, .retain_exited = 10000, .names = names};
	struct proc_info info = {.pid = 1};
	int err = model_new_sharded(&config, workers, workers, ret);

	return err ? err : model_proc_add(*ret, &info);
}

struct result {
	double cpu_ns, wall_ns, reader_ns, missed_percent; /* an event */
};

static int run_once(struct names *names, const struct mix *x, unsigned workers, size_t batch,
		    unsigned readers, struct result *ret)
{
	clockid_t clock = readers ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID;
	struct follower followers[4] = {0};
	pthread_t threads[4];
	struct event *copy = malloc(batch * sizeof(*copy));
	uint64_t cpu = 0, wall = 0, reader_cpu = 0, got = 0, missed = 0;
	struct model *m;
	int err = copy ? new_model(names, workers, &m) : -ENOMEM;

	if (err)
		return err;
	for (unsigned i = 0; i < readers; i++) {
		followers[i].m = m;
		pthread_create(&threads[i], NULL, follow, &followers[i]);
	}
	for (size_t at = 0; at < x->n; at += batch) {
		size_t n = MIN(batch, x->n - at);
		uint64_t c, w;

		/* As the pump does: freshly decoded events, warm in the cache. */
		memcpy(copy, x->events + at, n * sizeof(*copy));
		c = clock_ns(clock);
		w = monotonic_ns();
		model_apply(m, copy, n);
		cpu += clock_ns(clock) - c;
		wall += monotonic_ns() - w;
	}
	for (unsigned i = 0; i < readers; i++) {
		atomic_store(&followers[i].done, true);
		pthread_join(threads[i], NULL);
		reader_cpu += followers[i].cpu;
		got += followers[i].got;
		missed += followers[i].missed;
	}
	*ret = (struct result){.cpu_ns = (double)cpu / (double)x->n,
			       .wall_ns = (double)wall / (double)x->n,
			       .reader_ns = (double)reader_cpu / (double)(got + 1),
			       .missed_percent =
				       100.0 * (double)missed / (double)(got + missed + 1)};
	model_free(m);
	free(copy);
	return 0;
}

/* The best of three: a machine that does other things only ever makes it slower. */
static int run(struct names *names, const struct mix *x, unsigned workers, size_t batch,
	       unsigned readers)
{
	struct result best = {0}, r;

	for (int i = 0; i < 3; i++) {
		int err = run_once(names, x, workers, batch, readers, &r);

		if (err)
			return err;
		if (i == 0 || r.cpu_ns < best.cpu_ns)
			best = r;
	}
	printf("apply  workers=%u batch=%-6zu readers=%u  cpu %6.1f ns/event  wall %6.1f ns/event",
	       workers, batch, readers, best.cpu_ns, best.wall_ns);
	if (readers)
		printf("  reader %5.1f ns/event, missed %.1f%%", best.reader_ns,
		       best.missed_percent);
	printf("\n");
	return 0;
}

/* How much it hangs on how many there are, each as likely as any other, which is the worst; and
 * memory. */
static int run_scale(struct names *names, unsigned n_live, size_t turns)
{
	struct mix x = {0};
	struct event *copy = malloc(BATCH * sizeof(*copy));
	uint64_t cpu = 0, measured = 0, before = 0;
	struct model_totals t = {0};
	struct model *m = NULL;
	int err = copy ? make_mix(&x, names, n_live, 4 * (size_t)n_live + RETAIN + turns) : -ENOMEM;

	if (!err)
		err = new_model(names, 1, &m);
	x.warm = x.begun + RETAIN;
	for (size_t at = 0; at < x.n && !err;) {
		size_t n = MIN((size_t)BATCH, (at < x.begun ? x.begun : x.n) - at);
		uint64_t c;

		memcpy(copy, x.events + at, n * sizeof(*copy));
		if (!at) {
			model_totals(m, -1, &t);
			before = t.memory_bytes - feed_memory(model_feed(m));
		}
		c = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		model_apply(m, copy, n);
		c = clock_ns(CLOCK_THREAD_CPUTIME_ID) - c;
		cpu += at < x.warm ? 0 : c;
		measured += at < x.warm ? 0 : n;
		at += n;
		if (at == x.begun) {
			model_totals(m, -1, &t);
			printf("scale  goroutines=%-8u %5.0f bytes a goroutine", n_live,
			       (double)(t.memory_bytes - feed_memory(model_feed(m)) - before) /
				       n_live);
		}
	}
	if (!err)
		printf("  %4.1f bytes a retained event  cpu %6.1f ns/event\n",
		       (double)feed_memory(model_feed(m)) /
			       (double)(feed_head(model_feed(m)) - feed_tail(model_feed(m))),
		       (double)cpu / (double)measured);
	model_free(m);
	free_mix(&x);
	free(copy);
	return err;
}

static int run_scales(struct names *names, uint64_t only)
{
	static const unsigned live[] = {10, 100, 1000, 10000, 100000, 1000000};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(live) && !err; i++)
		if (!only || live[i] == only)
			err = run_scale(names, live[i], 3000000);
	return err;
}

static void run_format(struct names *names, const struct mix *x)
{
	struct event_format f = {.names = names, .wall_offset_ns = 1763900000000000000ll};
	size_t n = MIN(x->n, (size_t)1000000);
	struct buf out = BUF_INIT;

	for (int json = 0; json < 2; json++) {
		uint64_t cpu = cpu_ns(), bytes = 0;

		for (size_t i = 0; i < n; i++) {
			if (i % 1000 == 0) {
				bytes += out.len;
				buf_reset(&out);
			}
			if (json)
				event_format_json(&f, &x->events[i], &out);
			else
				event_format_text(&f, &x->events[i], &out);
		}
		cpu = cpu_ns() - cpu;
		printf("format %s  cpu %6.1f ns/line  %.0f bytes/line\n", json ? "json" : "text",
		       (double)cpu / (double)n, (double)bytes / (double)n);
	}
	buf_free(&out);
}

static int run_queries(struct names *names, const struct mix *x)
{
	struct model *m;
	struct event *copy = malloc(BATCH * sizeof(*copy));
	struct goroutine *all;
	size_t n;
	uint64_t t;
	int err = copy ? new_model(names, 1, &m) : -ENOMEM;

	if (err)
		return err;
	for (size_t at = 0; at < x->n; at += BATCH) {
		n = MIN((size_t)BATCH, x->n - at);
		memcpy(copy, x->events + at, n * sizeof(*copy));
		model_apply(m, copy, n);
	}
	t = monotonic_ns();
	err = all_goroutines(m, 0, true, &all, &n);
	t = monotonic_ns() - t;
	if (!err) {
		printf("query  copies of all, of %zu: %.2f ms\n", n, (double)t / 1e6);
		free(all);
	}
	model_free(m);
	free(copy);
	return err;
}

int main(int argc, char **argv)
{
	bool scale = argc > 1 && !strcmp(argv[1], "scale");
	size_t n = argc > 1 && !scale ? strtoull(argv[1], NULL, 10) : 5000000;
	struct mix x = {0};
	struct names *names;
	int err = names_new(100000, &names);

	if (!err && scale) {
		err = run_scales(names, argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
		names_free(names);
		return err ? 1 : 0;
	}
	if (!err)
		err = make_mix(&x, names, LIVE, MAX(n, (size_t)100000));
	if (!err)
		err = run(names, &x, 1, BATCH, 0);
	if (!err)
		err = run(names, &x, 1, 64, 0);
	if (!err)
		err = run(names, &x, 1, 65536, 0);
	if (!err)
		err = run(names, &x, 2, 65536, 0);
	if (!err)
		err = run(names, &x, 1, BATCH, 1);
	if (!err)
		err = run(names, &x, 1, BATCH, 3);
	if (!err)
		err = run_queries(names, &x);
	if (!err)
		err = run_scales(names, 0);
	if (!err)
		run_format(names, &x);
	if (err)
		fprintf(stderr, "model_apply: %s\n", strerror(-err));
	free_mix(&x);
	names_free(names);
	return err ? 1 : 0;
}
