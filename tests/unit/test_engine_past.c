/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an engine with a made-up source keeps of a program to tell of it once it has ended: stacks,
 * figures of the runtime, how the heap went. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/engine/heap_past.h"
#include "core/engine/last_runtime.h"
#include "core/engine/last_stacks.h"
#include "tests/unit/engine_world.h"

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

static uint64_t goids_given;

static int says_goids(void *ctx, unsigned proc, pid_t pid, uint64_t *ret_least, uint64_t *ret_most)
{
	*ret_least = goids_given;
	*ret_most = goids_given + 64;
	return goids_given ? 0 : -ENOSYS;
}

/* 6,000 goroutines a second, then none, then 60,000 at once, which is no rate; then nobody knows.
 */
static void test_starts_judged(void **state)
{
	const struct source source = {.runtime = runtime, .goids = says_goids};
	struct live_runtime now;
	struct last_runtime *l;
	struct world w;

	make(&w, 0);
	assert_int_equal(last_runtime_new(&l), 0);
	for (unsigned i = 0; i < 40; i++) {
		goids_given = i < 12 ? 100 + i * 6000 : i < 24 ? 66100 : i < 34 ? 126100 : 0;
		runtime_says((10 + i) * NS_PER_SEC, 0);
		assert_int_equal(last_runtime_read(l, &source, w.model, 0, true), 0);
		assert_true(last_runtime_get(l, 0, &now));
		assert_true(i < 5 ? now.starts_judged < 0 : i > 11 || now.starts_judged == 6000);
		assert_true(i < 16 || i > 33 ||
			    (now.starts_judged >= 0 && now.starts_judged < 5000));
		assert_true(i < 34 || now.starts_judged < 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_last_stacks),
		cmocka_unit_test(test_last_stacks_cut),
		cmocka_unit_test(test_last_runtime),
		cmocka_unit_test(test_heap_growth),
		cmocka_unit_test(test_stopped_readings),
		cmocka_unit_test(test_judged_backwards),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_starts_judged),
		cmocka_unit_test(test_judged_rate),
		cmocka_unit_test(test_last_runtime_of_many),
		cmocka_unit_test(test_memory_cannot_be_read),
	};

	return cmocka_run_group_tests_name("engine_past", tests, NULL, NULL);
}
