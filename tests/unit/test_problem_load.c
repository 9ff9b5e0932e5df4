/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Problems of a program that has too much to do, at their thresholds and below them: latency,
 * allocation, timers, the heap. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/problem_program.h"

static void run_late(struct fixture *x, uint64_t goid, uint64_t at)
{
	struct event ev = {.time_ns = at + S / 20,
			   .type = EVENT_CASGSTATUS,
			   .goid = goid,
			   .target = goid,
			   .from = GSTATE_RUNNABLE,
			   .to = GSTATE_RUNNING};

	change(x, goid, GSTATE_RUNNABLE, "", at);
	model_apply(x->m, &ev, 1);
}

/* Running by events is no CPU time; samples are. */
static void test_latency(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 8, "main.compact", T0);
	for (uint64_t i = 0; i < 150; i++)
		run_late(x, 8, T0 + S + i * S / 10);
	text = strstr(problems(x), "warning latency: 1 % of ");
	assert_non_null(text);
	assert_non_null(strstr(text, "; running or waiting for a CPU of the machine in the last "
				     "5 s: main.compact for "));
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	sample(x, "main.compact", 2 * S, T0 + 11 * S);
	text = strstr(problems(x), "warning latency: 1 % of ");
	assert_non_null(text);
	assert_null(strstr(line(text, 0), "running or"));
	assert_non_null(strstr(line(text, 0), "main.compact"));
	assert_non_null(
		strstr(line(text, 0), " of a processor in the last 10 s, by samples; see "));
	/* Switched off, they say nothing of now. */
	samples_end(model_samples(x->m), SAMPLE_CPU, T0 + 10 * S);
	text = strstr(problems(x), "warning latency: 1 % of ");
	assert_non_null(text);
	assert_non_null(strstr(line(text, 0), "in the last 5 s: main.compact for "));
}

static bool starved(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){.cpu_wait_ratio = 9};
	return true;
}

/* The machine gives it next to nothing: whom it would take most for is named all the same, and that
 * requests wait is the machine's doing where nobody is. */
static void test_starved(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 8, "main.compact", T0);
	for (uint64_t i = 0; i < 150; i++)
		run_late(x, 8, T0 + S + i * S / 10);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	sample(x, "main.rank", S * 7 / 10, T0 + 11 * S);
	sample(x, "main.other", S / 10, T0 + 12 * S);
	text = problems(x);
	assert_null(strstr(text, "warning"));
	assert_non_null(strstr(text, "notice latency: 1 % of "));
	assert_non_null(strstr(text, "the program itself took 8 % of a processor"));
	assert_non_null(strstr(text, "by samples: the machine's were busy with others, or its "
				     "container has no more; 88 % of that in main.rank"));
	x->live.runtime_known = starved;
	assert_null(strstr(problems(x), "warning"));
	sample(x, "main.rank", S * 6 / 10, T0 + 11 * S);
	text = problems(x);
	assert_non_null(strstr(text, "warning cpu: main.rank"));
	assert_non_null(strstr(text, "13 % of a processor; for each second that its threads had a "
				     "processor they waited 9.0 s for one of the machine's"));
}

static uint64_t judged_ns;

static bool allocates(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){.read_ns = T0 + 20 * S,
				     .alloc_per_second = 100e6,
				     .judged_ns = judged_ns,
				     .alloc_judged = 99e6,
				     .switches_judged = -1};
	return true;
}

/* What the runtime counts, once that is over some seconds: two readings tell of a burst. */
static void test_allocation(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 21 * S);
	assert_null(strstr(problems(x), "MiB allocated"));
	x->live.runtime_known = allocates;
	judged_ns = 0;
	assert_null(strstr(problems(x), "MiB allocated"));
	judged_ns = 5 * S;
	assert_non_null(strstr(problems(x), "warning allocation: 94 MiB allocated a second in the "
					    "last 5 s, as the runtime counts it"));
	now(x, T0 + 31 * S);
	assert_null(strstr(problems(x), "MiB allocated"));
}

static void allocate(struct fixture *x, const char *function, uint64_t at)
{
	const struct site site = {.func_id = intern(x, function), .line = 7};
	const struct stack_sample s = {.time_ns = at,
				       .weight = 512 << 10,
				       .kind = SAMPLE_ALLOC,
				       .n = 1,
				       .sites = {names_add_site(x->names, site)}};

	samples_add(model_samples(x->m), &s);
}

/* It lives on garbage, and got a fiftieth of a processor: what part of that goes into it, and that
 * one place asks for most, says so all the same. */
static void test_starved_allocation(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 20 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	samples_begin(model_samples(x->m), SAMPLE_ALLOC, T0);
	sample(x, "runtime.mallocgc", S * 60 / 100, T0 + 15 * S);
	sample(x, "main.other", S * 20 / 100, T0 + 16 * S);
	for (uint64_t i = 0; i < 30; i++)
		allocate(x, i % 3 ? "main.buildKey" : "main.other", T0 + 11 * S + i);
	assert_null(strstr(problems(x), " allocation: 0"));
	x->live.runtime_known = starved;
	assert_non_null(strstr(problems(x),
			       "warning allocation: 2 MiB allocated a second in the last 10 s, by "
			       "samples; 67 % of what was sampled in the last 10 s for "
			       "main.buildKey"));
	assert_non_null(strstr(x->out.data,
			       "; that and collecting took 75 % of its CPU time outside "
			       "the kernel in the last 10 s; for each second that its "
			       "threads had a processor they waited 9.0 s"));
	/* Nobody in particular, or less than half of the time. */
	for (uint64_t i = 0; i < 30; i++)
		allocate(x, i % 2 ? "main.third" : "main.fourth", T0 + 12 * S + i);
	assert_null(strstr(problems(x), "warning allocation"));
	for (uint64_t i = 0; i < 90; i++)
		allocate(x, "main.buildKey", T0 + 13 * S + i);
	assert_non_null(strstr(problems(x), "warning allocation"));
	sample(x, "main.other", S * 60 / 100, T0 + 16 * S);
	assert_null(strstr(problems(x), "warning allocation"));
}

/* A server that wants little waits as long for it. */
static void test_starved_little(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 20 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	samples_begin(model_samples(x->m), SAMPLE_ALLOC, T0);
	sample(x, "runtime.mallocgc", S * 30 / 100, T0 + 15 * S);
	for (uint64_t i = 0; i < 30; i++)
		allocate(x, "main.buildKey", T0 + 11 * S + i);
	x->live.runtime_known = starved;
	assert_null(strstr(problems(x), "warning"));
}

/* Not one sample met it: who makes its goroutines wait is not the program. */
static void test_starved_of_all(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.compact", T0);
	for (uint64_t i = 0; i < 150; i++)
		run_late(x, 8, T0 + S + i * S / 10);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0 + 7 * S); /* not for long enough */
	assert_non_null(strstr(problems(x), "warning latency: 1 % of "));
	now(x, T0 + 21 * S);
	x->live.runtime_known = starved;
	assert_non_null(strstr(problems(x), "notice latency: 1 % of "));
	assert_non_null(strstr(x->out.data,
			       "; no sample met the program on a processor: the machine's "
			       "were busy with others, or its container has no more; for "
			       "each second that its threads had a processor they waited"));
	assert_null(strstr(x->out.data, "warning"));
}

/* Without events: who sleeps and wakes all the time, by what that takes, and by the runtime's own
 * count. */
static double switches;

static bool switches_of(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){.read_ns = T0 + 20 * S,
				     .alloc_per_second = -1,
				     .judged_ns = 5 * S,
				     .alloc_judged = -1,
				     .switches_judged = switches};
	return true;
}

static void sample_sleep(struct fixture *x, const char *function, unsigned n)
{
	const struct site own = {.func_id = intern(x, function), .line = 7},
			  sleep = {.func_id = intern(x, "time.Sleep")};

	for (unsigned i = 0; i < n; i++) {
		const struct stack_sample s = {
			.time_ns = T0 + 15 * S + i,
			.weight = S / 99,
			.kind = SAMPLE_CPU,
			.goid = 20 + i,
			.n = 2,
			.sites = {names_add_site(x->names, sleep), names_add_site(x->names, own)}};

		samples_add(model_samples(x->m), &s);
	}
}

static void no_probes(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = (struct live_probes){.level = PROBES_NONE, .off = true, .why = ""};
}

static void test_timers_by_samples(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.(*session).poll", T0);
	now(x, T0 + 20 * S);
	x->live.probes = no_probes;
	x->live.runtime_known = switches_of;
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	switches = 18204;
	sample(x, "runtime.schedule", S / 5, T0 + 16 * S);
	sample_sleep(x, "main.(*session).poll", 8);
	assert_non_null(strstr(problems(x), "warning timers: main.(*session).poll"));
	assert_non_null(strstr(x->out.data,
			       "going to sleep and waking took 29 % of the program's CPU time in "
			       "the last 10 s, by samples, and goroutines were given a processor "
			       "18204 times a second in the last 5; see goroutines/20/stack "
			       "waits.tsv pprof/cpu\n"));
	switches = 1999;
	assert_null(strstr(problems(x), "timers: main"));
	switches = -1;
	assert_null(strstr(problems(x), "timers: main"));
	switches = 18204;
	sample(x, "main.other", S, T0 + 16 * S); /* not a tenth of it */
	assert_null(strstr(problems(x), "timers: main"));
}

/* Of an outermost call with `function` called from there. */
static void sample_call(struct fixture *x, enum sample_kind kind, const char *function,
			const char *caller, uint64_t weight, uint64_t at)
{
	const struct site inner = {.func_id = intern(x, function)},
			  outer = {.func_id = intern(x, caller), .line = 7};
	const struct stack_sample s = {
		.time_ns = at,
		.weight = weight,
		.kind = (uint8_t)kind,
		.n = 2,
		.sites = {names_add_site(x->names, inner), names_add_site(x->names, outer)}};

	samples_add(model_samples(x->m), &s);
}

/* Tickers that nobody stops are in no goroutine's stack: the work on them is, and who made them. At
 * any level, whatever else is sampled. */
static void test_timers_due(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 20 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 150; i++)
		sample_call(x, SAMPLE_CPU, i % 2 ? "runtime.(*timers).run" : "runtime.runtimer",
			    "runtime.findRunnable", S / 99, T0 + 15 * S + i);
	sample(x, "main.other", S / 2, T0 + 16 * S);
	assert_non_null(strstr(problems(x),
			       "warning timers: the runtime's work on timers that are due took 75 "
			       "% of the program's CPU time in the last 10 s, 15 % of a processor, "
			       "by samples: there are very many, as where tickers are not stopped; "
			       "see pprof/cpu alloc_sites.tsv pprof/allocs\n"));
	samples_begin(model_samples(x->m), SAMPLE_ALLOC, T0);
	for (unsigned i = 0; i < 8; i++)
		sample_call(x, SAMPLE_ALLOC, "time.NewTicker",
			    i % 4 ? "main.heartbeat" : "main.watch", 512 << 10, T0 + S + i);
	for (unsigned i = 0; i < 40; i++)
		sample_call(x, SAMPLE_ALLOC, "fmt.Sprint", "main.other", 512 << 10, T0 + S + i);
	assert_non_null(strstr(problems(x),
			       "; 75 % of what was sampled of the making of timers was for "
			       "main.heartbeat"));
	/* Less than a tenth of it, and a program that takes next to nothing. */
	sample(x, "main.other", 14 * S, T0 + 16 * S);
	assert_null(strstr(problems(x), " timers: the runtime's work"));
}

/* A loop of runtime.Gosched(): nearly all of it is on the scheduler's stack, which nobody called.
 */
static void test_gosched(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.waitReady", T0);
	now(x, T0 + 20 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 290; i++)
		sample_call(x, SAMPLE_CPU, "runtime.schedule", "runtime.gosched_m", S / 99,
			    T0 + 15 * S + i);
	assert_null(strstr(problems(x), "warning cpu"));
	for (unsigned i = 0; i < 10; i++)
		sample_call(x, SAMPLE_CPU, "runtime.Gosched", "main.waitReady", S / 99,
			    T0 + 15 * S + i);
	assert_non_null(strstr(
		problems(x), "warning cpu: main.waitReady calls runtime.Gosched() all the time, as "
			     "who waits in a loop does: that took 100 % of the program's CPU time "
			     "in the last 10 s, 30 % of a processor; see pprof/cpu top"));
	sample(x, "main.other", 3 * S, T0 + 16 * S); /* half of it */
	assert_null(strstr(problems(x), "Gosched"));
}

static void test_timers_few(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 20 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 100; i++)
		sample_call(x, SAMPLE_CPU, "runtime.(*timers).run", "runtime.findRunnable", S / 99,
			    T0 + 15 * S + i);
	assert_null(strstr(problems(x), " timers: the runtime's work"));
	/* Who sleeps is told by another line. */
	for (unsigned i = 0; i < 100; i++)
		sample_call(x, SAMPLE_CPU, "runtime.goroutineReady", "runtime.(*timers).run",
			    S / 99, T0 + 15 * S + i);
	assert_null(strstr(problems(x), " timers: the runtime's work"));
}

static double begun;

static bool starts_of(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){.read_ns = T0 + 20 * S,
				     .alloc_per_second = -1,
				     .judged_ns = 5 * S,
				     .alloc_judged = -1,
				     .switches_judged = -1,
				     .starts_judged = begun};
	return true;
}

/* Without events: by the numbers that the runtime gives; who it is, where most that were met are.
 */
static void test_counted_starts(void **state)
{
	struct fixture *x = *state;

	x->live.probes = no_probes;
	x->live.runtime_known = starts_of;
	begun = 6012;
	now(x, T0);
	for (unsigned i = 0; i < 20; i++) {
		create(x, 1000 + i, "main.handle.func1", T0 + 10 * S + i * S / 2);
		change(x, 1000 + i, GSTATE_DEAD, "", T0 + 10 * S + i * S / 2 + 1);
	}
	now(x, T0 + 20 * S);
	assert_non_null(strstr(
		problems(x), "\nwarning starts: 6012 goroutines started a second in the last "
			     "5.0s, by the numbers that the runtime has given them; most of those "
			     "that memory showed, and that are gone, began at "
			     "main.handle.func1; see sites "
			     "functions.tsv pprof/cpu\n"));
	begun = 4999;
	assert_null(strstr(problems(x), "warning starts"));
	begun = -1;
	assert_non_null(strstr(problems(x),
			       "\n  not looked for: starts: no events are seen just now, "
			       "and how many were started has not been read for as "
			       "long\n"));
}

static struct heap_growth growth;

static bool collects(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){
		.read_ns = T0 + 20 * S, .alloc_per_second = 1e6, .growth = growth};
	return true;
}

/* A program that keeps a profile of its heap: most is a cache's, which has what it had; what grows
 * is a queue's, by two ways. */
static uint32_t cache_site, queue_site;

static int keeps_profile(void *ctx, unsigned proc, uint64_t since_ns, struct live_heap **ret)
{
	const uint32_t sites[] = {cache_site, queue_site, queue_site, cache_site};
	const struct live_heap_place places[] = {
		{.in_use_bytes = 900, .then_bytes = 890, .first = 0, .n = 1},
		{.in_use_bytes = 80, .then_bytes = 20, .first = 1, .n = 1},
		{.in_use_bytes = 30, .first = 2, .n = 2},
	};
	size_t at = sizeof(struct live_heap) + sizeof(places);
	struct live_heap *h = malloc(at + sizeof(sites));

	assert_non_null(h);
	*h = (struct live_heap){.rate = 512 << 10,
				.read_ns = since_ns + 600 * S,
				.then_ns = since_ns,
				.n = ARRAY_SIZE(places),
				.n_sites = ARRAY_SIZE(sites),
				.sites_at = at};
	memcpy(h->places, places, sizeof(places));
	memcpy((char *)h + at, sites, sizeof(sites));
	*ret = h;
	return 0;
}

static int keeps_none(void *ctx, unsigned proc, uint64_t since_ns, struct live_heap **ret)
{
	int err = keeps_profile(ctx, proc, since_ns, ret);

	(*ret)->rate = 0;
	return err;
}

static uint32_t site_of(struct fixture *x, const char *function)
{
	return names_add_site(x->names, (struct site){.func_id = names_intern(x->names, function,
									      strlen(function))});
}

static void test_heap_profile(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 621 * S);
	cache_site = site_of(x, "main.cache");
	queue_site = site_of(x, "main.enqueue");
	x->live.runtime_known = collects;
	growth = (struct heap_growth){.from_bytes = 120ull << 20,
				      .to_bytes = 480ull << 20,
				      .ns = 600 * S,
				      .cycles = 37,
				      .watched_ns = 700 * S};
	x->live.heap_profile = keeps_none;
	assert_non_null(strstr(problems(x), "after each collection; see heap alloc_sites.tsv "
					    "pprof/allocs leaks\n"));
	x->live.heap_profile = keeps_profile;
	assert_non_null(strstr(problems(x),
			       "after each collection; 90 % of what came to it in the last 10m, as "
			       "the program's own heap profile has it, is from main.enqueue; see "
			       "pprof/heap heap alloc_sites.tsv leaks\n"));
}

/* The heap that grows, by the runtime's own figures alone; whose doing it is where that is known.
 */
static void test_heap(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 21 * S);
	assert_non_null(strstr(problems(x), "\n  not looked for: heap: what is live"));
	x->live.runtime_known = collects;
	growth = (struct heap_growth){.watched_ns = 59 * S};
	assert_non_null(strstr(problems(x), "\n  not looked for: heap: what is live"));
	growth.watched_ns = 700 * S;
	assert_non_null(strstr(looked_for(x), "\nheap: 67108864 bytes and 50 % more are live"));
	assert_non_null(strstr(problems(x), ", heap, "));
	assert_null(strstr(x->out.data, "not looked for: heap"));
	assert_null(strstr(x->out.data, " heap: heap live"));
	growth.from_bytes = 120ull << 20;
	growth.to_bytes = 480ull << 20;
	growth.ns = 600 * S;
	growth.cycles = 37;
	assert_non_null(strstr(problems(x), "warning heap: heap live 120 MiB -> 480 MiB in 10m "
					    "(37 GC cycles), after each collection; see heap "
					    "alloc_sites.tsv pprof/allocs leaks\n"));
	growth.to_bytes = 200ull << 20;
	assert_non_null(strstr(problems(x), "notice heap: heap live 120 MiB -> 200 MiB"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, problem_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_latency),           TEST(test_heap),
		TEST(test_heap_profile),      TEST(test_starved_allocation),
		TEST(test_starved_little),    TEST(test_starved_of_all),
		TEST(test_timers_by_samples), TEST(test_timers_due),
		TEST(test_timers_few),        TEST(test_gosched),
		TEST(test_starved),           TEST(test_allocation),
		TEST(test_counted_starts),
	};
	int failed = cmocka_run_group_tests_name("problem_load", tests, NULL, NULL);

	buf_free(&stacks);
	return failed;
}
