/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where goroutines came from and where they are off the CPU: counts are what events say, to the
 * last one, whatever was sampled, and are spread over stacks as the samples are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/samples.h"
#include "core/view/origins.h"
#include "proto/profile.pb-c.h"
#include "tests/unit/view_fixture.h"

#define MS 1000000ull
#define T0 (1000 * NS_PER_SEC)

typedef Perftools__Profiles__Profile Profile;

/* ?system=1 */
static const char *system_too(void *ctx, const char *name)
{
	return *(bool *)ctx && !strcmp(name, "system") ? "1" : NULL;
}

static bool asks_for_system;

static Profile *profile_of(struct fixture *x, view_fn *fn, unsigned proc)
{
	static uint8_t plain[1 << 20];
	struct view_query q = {
		.form = VIEW_BINARY, .proc = proc, .arg = system_too, .arg_ctx = &asks_for_system};
	z_stream z = {.next_out = plain, .avail_out = sizeof(plain)};
	Profile *p;

	buf_reset(&x->out);
	assert_int_equal(fn(&x->v, &q, &x->out), 0);
	z.next_in = (Bytef *)x->out.data;
	z.avail_in = (uInt)x->out.len;
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	p = perftools__profiles__profile__unpack(NULL, z.total_out, plain);
	assert_non_null(p);
	return p;
}

static Profile *profile(struct fixture *x, view_fn *fn)
{
	return profile_of(x, fn, 0);
}

static const char *function_at(const Profile *p, uint64_t location)
{
	uint64_t id = 0;

	for (size_t i = 0; i < p->n_location; i++)
		if (p->location[i]->id == location)
			id = p->location[i]->line[0]->function_id;
	for (size_t i = 0; i < p->n_function; i++)
		if (p->function[i]->id == id)
			return p->string_table[p->function[i]->name];
	fail_msg("no location %llu", (unsigned long long)location);
	return "";
}

/* Sum of a value over samples whose stack has that function ("": all). */
static int64_t with(const Profile *p, unsigned value, const char *function)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_sample; i++) {
		const Perftools__Profiles__Sample *s = p->sample[i];
		bool has = !*function;

		for (size_t k = 0; k < s->n_location_id; k++)
			has |= !strcmp(function_at(p, s->location_id[k]), function);
		sum += has ? s->value[value] : 0;
	}
	return sum;
}

static bool says(const Profile *p, const char *text)
{
	for (size_t i = 0; i < p->n_comment; i++)
		if (strstr(p->string_table[p->comment[i]], text))
			return true;
	return false;
}

static uint32_t site(struct fixture *x, const char *function, uint32_t line)
{
	return names_add_site(x->names,
			      (struct site){intern(x, function), intern(x, "/s.go"), line});
}

static int setup(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .go_version = "go1.24.1"};

	*state = fixture_new(1000, 0, &info);
	return 0;
}

/* goid is made at the statement, waits for `ns` and ends. */
static void live_once(struct fixture *x, uint64_t goid, uint32_t statement, uint64_t ns, bool ends)
{
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = goid, .from = 6, .to = 1},
		{.type = EVENT_NEWGOROUTINE, .goid = 1, .target = goid},
		{.type = EVENT_CASGSTATUS, .goid = goid, .target = goid, .from = 1, .to = 2},
		{.type = EVENT_CASGSTATUS, .goid = goid, .target = goid, .from = 2, .to = 4},
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = goid, .from = 4, .to = 1},
		{.type = EVENT_CASGSTATUS, .goid = goid, .target = goid, .from = 1, .to = 2},
		{.type = EVENT_CASGSTATUS, .goid = goid, .target = goid, .from = 2, .to = 6},
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i].time_ns = T0 + (i >= 4 ? ns : 0);
	events[1].string_id = intern(x, "main.worker");
	events[1].site_id = statement;
	events[3].string_id = intern(x, "chan receive");
	model_apply(x->m, events, ends ? ARRAY_SIZE(events) : 4);
}

static void sampled(struct fixture *x, enum sample_kind kind, uint64_t goid, uint64_t weight,
		    uint32_t first, uint32_t second)
{
	struct stack_sample s = {.time_ns = T0,
				 .goid = goid,
				 .weight = weight,
				 .kind = (uint8_t)kind,
				 .n = 2,
				 .sites = {first, second}};

	if (kind == SAMPLE_OFF_CPU) {
		s.state = GSTATE_WAITING;
		s.size = weight;
		s.start_func_id = intern(x, "main.worker");
		s.reason_id = intern(x, "chan receive");
	}
	samples_add(model_samples(x->m), &s);
}

static void make(struct fixture *x, uint64_t goid, const char *start, uint32_t statement)
{
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = goid, .from = 6, .to = 1},
		{.type = EVENT_NEWGOROUTINE, .goid = 1, .target = goid},
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i].time_ns = T0;
	events[1].string_id = intern(x, start);
	events[1].site_id = statement;
	model_apply(x->m, events, ARRAY_SIZE(events));
}

static const char *culprit(struct fixture *x, const char *start)
{
	struct origins *o = NULL;
	struct culprit c = {0};
	bool found;

	assert_int_equal(origins_read(&x->v, 0, &o), 0);
	found = origins_culprit(o, &x->v, intern(x, start), &c);
	origins_free(o);
	return found ? names_string(x->names, names_site(x->names, c.site_id)->func_id) : "";
}

/* net/http makes a connection's goroutine in another one, which it made for a request. */
static void test_culprit(void **state)
{
	struct fixture *x = *state;
	uint32_t dial = site(x, "net/http.(*Transport).dialConn", 3);
	uint32_t queue = site(x, "net/http.(*Transport).queueForDial", 9);
	uint32_t from = site(x, "net/http.(*Transport).dialConnFor", 5);
	struct culprit c;

	make(x, 5, "net/http.(*persistConn).readLoop", dial);
	make(x, 6, "net/http.(*Transport).dialConnFor", queue);
	assert_string_equal(culprit(x, "net/http.(*persistConn).readLoop"), "");
	sampled(x, SAMPLE_CREATED, 5, 10, dial, from);
	assert_string_equal(culprit(x, "net/http.(*persistConn).readLoop"), "");
	sampled(x, SAMPLE_CREATED, 6, 3, queue, site(x, "main.refresh", 20));
	sampled(x, SAMPLE_CREATED, 6, 9, queue, site(x, "main.inStock", 15));
	assert_string_equal(culprit(x, "net/http.(*persistConn).readLoop"), "main.inStock");
	assert_string_equal(culprit(x, "main.worker"), "");
	/* Who calls it, by any samples. */
	assert_false(origins_caller(&x->v, 0, "net/http.(*Transport).", &c));
	sampled(x, SAMPLE_CPU, 6, 9, queue, site(x, "main.inStock", 15));
	assert_true(origins_caller(&x->v, 0, "net/http.(*Transport).", &c));
	assert_int_equal(c.site_id, site(x, "main.inStock", 15));
	assert_false(origins_caller(&x->v, 0, "net/http.(*Server).", &c));
}

static void test_creations(void **state)
{
	struct fixture *x = *state;
	uint32_t here = site(x, "main.spawn", 3), there = site(x, "main.other", 9);
	uint32_t alpha = site(x, "main.alpha", 20), beta = site(x, "main.beta", 30);
	Profile *p;

	for (uint64_t goid = 2; goid < 302; goid++)
		live_once(x, goid, here, MS, true);
	live_once(x, 400, there, MS, true);
	/* No samples: the statements alone, counted. */
	p = profile(x, view_pprof_creations);
	assert_int_equal(with(p, 0, ""), 301);
	assert_int_equal(with(p, 0, "main.spawn"), 300);
	assert_true(says(p, "0 stacks"));
	perftools__profiles__profile__free_unpacked(p, NULL);
	/* Nine of ten came by alpha; 300 all the same, though the samples stand for less. */
	sampled(x, SAMPLE_CREATED, 5, 135, here, alpha);
	sampled(x, SAMPLE_CREATED, 6, 15, here, beta);
	p = profile(x, view_pprof_creations);
	assert_int_equal(with(p, 0, ""), 301);
	assert_int_equal(with(p, 0, "main.worker"), 301);
	assert_int_equal(with(p, 0, "main.alpha"), 270);
	assert_int_equal(with(p, 0, "main.beta"), 30);
	assert_int_equal(with(p, 0, "main.other"), 1);
	assert_true(says(p, "2 stacks") && says(p, "99.67 % of all"));
	perftools__profiles__profile__free_unpacked(p, NULL);
}

static void test_origin(void **state)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct fixture *x = *state;
	uint32_t here = site(x, "main.spawn", 3), there = site(x, "main.other", 9);
	struct origins *o;
	struct origin origin;
	struct goroutine g;

	live_once(x, 2, here, MS, false);
	live_once(x, 3, here, MS, false);
	live_once(x, 4, there, MS, false);
	sampled(x, SAMPLE_CREATED, 2, 10, here, site(x, "main.beta", 30));
	sampled(x, SAMPLE_CREATED, 900, 30, here, site(x, "main.alpha", 20));
	assert_int_equal(origins_read(&x->v, 0, &o), 0);
	assert_int_equal(model_goroutine(x->m, 0, 2, &g), 0);
	assert_true(origin_of(o, &g, &origin));
	assert_true(origin.own);
	origin_text(&x->v, &origin, 8, &text);
	assert_string_equal(text.data, "main.spawn:3 < main.beta:30");
	/* Of one that was no sample: on which way most came, and that it is another's. */
	assert_int_equal(model_goroutine(x->m, 0, 3, &g), 0);
	assert_true(origin_of(o, &g, &origin));
	assert_false(origin.own);
	assert_true(origin.share > 0.74 && origin.share < 0.76);
	buf_reset(&text);
	origin_text(&x->v, &origin, 1, &text);
	assert_string_equal(text.data, "main.spawn:3 < …");
	assert_int_equal(model_goroutine(x->m, 0, 4, &g), 0);
	assert_false(origin_of(o, &g, &origin));
	origins_free(o);
}

static void test_offcpu(void **state)
{
	struct fixture *x = *state;
	uint32_t here = site(x, "main.spawn", 3), receive = site(x, "runtime.chanrecv1", 1);
	Profile *p;

	live_once(x, 2, here, 700 * MS, true);
	live_once(x, 3, here, 300 * MS, true);
	live_once(x, 4, here, 0, false);
	model_proc_exited(x->m, 0, T0 + 1000 * MS);
	p = profile(x, view_pprof_offcpu);
	assert_int_equal(with(p, 1, ""), 2000 * MS);
	assert_int_equal(with(p, 1, "main.spawn"), 2000 * MS);
	assert_true(says(p, "no stacks were sampled"));
	perftools__profiles__profile__free_unpacked(p, NULL);
	/* Stays that are over are spread, and none of their time is lost; what goes on keeps its
	 * own place: nobody knows yet where it will have been. */
	sampled(x, SAMPLE_OFF_CPU, 2, 30, receive, site(x, "main.store", 7));
	sampled(x, SAMPLE_OFF_CPU, 3, 10, receive, site(x, "main.fetch", 8));
	p = profile(x, view_pprof_offcpu);
	assert_int_equal(with(p, 1, ""), 2000 * MS);
	assert_int_equal(with(p, 1, "main.store"), 750 * MS);
	assert_int_equal(with(p, 1, "main.fetch"), 250 * MS);
	assert_int_equal(with(p, 1, "runtime.chanrecv1"), 1000 * MS);
	assert_int_equal(with(p, 1, "main.spawn"), 1000 * MS);
	assert_true(says(p, "2 stacks") && says(p, "100 % of their time"));
	perftools__profiles__profile__free_unpacked(p, NULL);
}

/* The runtime's own wait for most of their lives: they are left out, but for who asks. */
static void test_system(void **state)
{
	struct fixture *x = *state;
	struct event ev = {.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 2, .time_ns = T0};
	struct stack_sample own;
	Profile *p;

	ev.string_id = intern(x, "runtime.bgsweep");
	model_apply(x->m, &ev, 1);
	ev = (struct event){.type = EVENT_CASGSTATUS, .goid = 2, .target = 2, .from = 2, .to = 4};
	ev.time_ns = T0;
	model_apply(x->m, &ev, 1);
	model_proc_exited(x->m, 0, T0 + 1000 * MS);
	own = (struct stack_sample){.time_ns = T0,
				    .goid = 2,
				    .weight = 15 * NS_PER_SEC,
				    .kind = SAMPLE_OFF_CPU,
				    .state = GSTATE_WAITING,
				    .system = true,
				    .start_func_id = intern(x, "runtime.bgsweep")};
	samples_add(model_samples(x->m), &own);
	p = profile(x, view_pprof_offcpu);
	assert_int_equal(with(p, 1, "runtime.bgsweep"), 0);
	/* Their samples stand for nothing that is in it. */
	assert_true(says(p, "no stacks were sampled") && !says(p, "15.000 s"));
	perftools__profiles__profile__free_unpacked(p, NULL);
	asks_for_system = true;
	p = profile(x, view_pprof_offcpu);
	asks_for_system = false;
	assert_int_equal(with(p, 1, "runtime.bgsweep"), 1000 * MS);
	assert_true(says(p, "own goroutines are in it") && says(p, "15.000 s"));
	perftools__profiles__profile__free_unpacked(p, NULL);
}

/* One that executed itself: what began then has not been sampled since the first image began. */
static void test_image_begins(void **state)
{
	static view_fn *const all[] = {view_pprof_cpu_since_start, view_pprof_creations,
				       view_pprof_allocs, view_pprof_offcpu};
	struct fixture *x = *state;
	struct proc_info info = {.pid = 4711, .attached_ns = T0 + 30 * NS_PER_SEC};

	for (enum sample_kind kind = 0; kind < SAMPLE_KINDS; kind++)
		sampled(x, kind, 2, 1, site(x, "main.spawn", 3), site(x, "main.main", 1));
	model_proc_execed(x->m, 0, "/srv/demo", info.attached_ns);
	assert_int_equal(model_proc_add(x->m, &info), 1);
	model_proc_exited(x->m, 1, info.attached_ns + 7 * NS_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		Profile *p = profile_of(x, all[i], 1);

		assert_true(p->duration_nanos <= 7ll * (int64_t)NS_PER_SEC);
		perftools__profiles__profile__free_unpacked(p, NULL);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_creations), TEST(test_culprit),      TEST(test_origin),
		TEST(test_offcpu),    TEST(test_image_begins), TEST(test_system),
	};

	return cmocka_run_group_tests_name("origins", tests, NULL, NULL);
}
