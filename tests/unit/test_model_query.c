/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Part of the goroutines, against all of them and the plain reading of the question. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/model.h"
#include "core/model/model_internal.h"
#include "tests/all_goroutines.h"

#define LIVES    30000 /* several parts of each shard */
#define EXITED   9000
#define BATCH    1000
#define BEGIN_NS 1000

struct fixture {
	struct names *names;
	struct model *m;
	uint64_t seed, now;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct proc_info info = {.pid = 100};
	struct model_config config = {.retain = 1000, .retain_exited = EXITED};

	assert_non_null(x);
	assert_int_equal(names_new(10000, &x->names), 0);
	config.names = x->names;
	assert_int_equal(model_new_sharded(&config, 3, 1, &x->m), 0);
	assert_int_equal(model_proc_add(x->m, &info), 0);
	assert_int_equal(model_proc_add(x->m, &info), 1);
	x->seed = 88172645463325252ull;
	x->now = BEGIN_NS;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	model_free(x->m);
	names_free(x->names);
	free(x);
	return 0;
}

static uint64_t rnd(struct fixture *x, uint64_t below)
{
	x->seed ^= x->seed << 13;
	x->seed ^= x->seed >> 7;
	x->seed ^= x->seed << 17;
	return (x->seed >> 16) % below;
}

/* Goroutines of both processes begin, allocate, wait and end, in no order of their numbers. */
static void live(struct fixture *x)
{
	struct event events[BATCH];

	for (unsigned k = 0; k < 3 * LIVES / BATCH; k++) {
		for (unsigned i = 0; i < BATCH; i++) {
			uint64_t goid = 1 + rnd(x, LIVES);
			unsigned kind = (unsigned)rnd(x, 4);
			struct event ev = {.type = EVENT_CASGSTATUS,
					   .time_ns = x->now++,
					   .proc = (uint16_t)(goid % 8 == 0),
					   .goid = goid,
					   .target = goid,
					   .from = GSTATE_RUNNING};

			if (kind == 0)
				ev.type = EVENT_NEWOBJECT;
			else if (kind == 1)
				ev.from = GSTATE_DEAD;
			ev.to = kind == 1   ? GSTATE_RUNNABLE
				: kind == 2 ? GSTATE_WAITING
					    : GSTATE_DEAD;
			events[i] = ev;
		}
		model_apply(x->m, events, BATCH);
	}
}

static void check(struct fixture *x, unsigned proc, const struct model_some *q)
{
	cleanup_free_ struct goroutine *all = NULL, *some = NULL;
	size_t n_all, n, found = 0;
	bool more, left = false;

	assert_int_equal(all_goroutines(x->m, proc, true, &all, &n_all), 0);
	assert_int_equal(model_goroutines_some(x->m, proc, q, &some, &n, &more), 0);
	for (size_t i = 0; i < n_all; i++) {
		const struct goroutine *g = &all[i];

		if (g->goid <= q->after ||
		    MAX(MAX(g->last_event_ns, g->state_since_ns), g->exited_ns) < q->since_ns)
			continue;
		left = found == q->limit;
		if (left)
			break;
		assert_true(found < n);
		assert_memory_equal(g, &some[found++], sizeof(*g));
	}
	assert_int_equal(found, n);
	assert_int_equal(more, left);
}

static void test_some(void **state)
{
	static const size_t limits[] = {1, 7, 5000, LIVES, SIZE_MAX};
	struct fixture *x = *state;
	struct model_some q = {.limit = SIZE_MAX};
	struct goroutine *list;
	size_t n;
	bool more;

	check(x, 0, &q); /* none */
	live(x);
	for (unsigned proc = 0; proc < 2; proc++) {
		for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
			const uint64_t since[] = {0, 1, BEGIN_NS + rnd(x, 3 * LIVES), x->now - 1,
						  x->now};
			const uint64_t after[] = {0, rnd(x, LIVES), LIVES - 1, LIVES, UINT64_MAX};

			for (size_t k = 0; k < 25; k++) {
				q = (struct model_some){after[k % 5], since[k / 5], limits[i]};
				check(x, proc, &q);
			}
		}
	}
	assert_int_equal(model_goroutines_some(x->m, 2, &q, &list, &n, &more), -ENOENT);
}

static const struct goroutine *find(const struct goroutine *list, size_t n, uint64_t goid)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].goid == goid)
			return &list[i];
	}
	return NULL;
}

static void check_pass(struct fixture *x, unsigned proc, const struct model_which *which)
{
	cleanup_free_ struct goroutine *all = NULL;
	cleanup_free_ bool *came = NULL;
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g, *same;
	size_t n_all, n = 0, at = 0;

	assert_int_equal(all_goroutines(x->m, proc, which->exited, &all, &n_all), 0);
	for (size_t i = 0; i < n_all; i++)
		n += MAX(MAX(all[i].last_event_ns, all[i].state_since_ns), all[i].exited_ns) >=
		     which->since_ns;
	came = calloc(MAX(n_all, (size_t)1), sizeof(*came));
	assert_non_null(came);
	assert_int_equal(model_pass_new(x->m, proc, which, &pass), 0);
	for (uint64_t last = 0; (g = model_pass_next(pass)); at++) {
		same = find(all, n_all, g->goid);
		assert_non_null(same);
		assert_memory_equal(g, same, sizeof(*g));
		assert_false(came[same - all]);
		came[same - all] = true;
		if (which->by_goid) {
			assert_true(g->goid > last);
			assert_true(model_pass_left(pass) >= n - at - 1);
		}
		last = g->goid;
	}
	assert_int_equal(at, n);
	assert_null(model_pass_next(pass));
	assert_int_equal(model_pass_part(pass, &g), 0);
}

/* One after the other, they are the same, each once. */
static void test_pass(void **state)
{
	struct fixture *x = *state;
	struct model_which which = {0};
	struct model_pass *pass;
	const struct goroutine *part;
	size_t n, sum = 0, n_all;
	uint64_t *goids;

	check_pass(x, 0, &which); /* none */
	live(x);
	for (unsigned k = 0; k < 2 * 2 * 2 * 4; k++) {
		const uint64_t since[] = {0, BEGIN_NS + rnd(x, 3 * LIVES), x->now - 1, x->now};

		which = (struct model_which){k & 1, k & 2, since[k / 8]};
		check_pass(x, k >> 2 & 1, &which);
	}
	assert_int_equal(model_pass_new(x->m, 2, &which, &pass), -ENOENT);
	/* In parts, after one was taken alone. */
	assert_int_equal(model_goids(x->m, 0, MODEL_BY_NOTHING, 0, &goids, &n_all), 0);
	free(goids);
	which = (struct model_which){.exited = true};
	assert_int_equal(model_pass_new(x->m, 0, &which, &pass), 0);
	assert_non_null(model_pass_next(pass));
	while ((n = model_pass_part(pass, &part)) > 0)
		sum += n;
	assert_int_equal(sum + 1, n_all);
	model_pass_free(pass);
}

/* Page after page is all of them, each once. */
static void test_pages(void **state)
{
	struct fixture *x = *state;
	struct model_some q = {.limit = 999};
	struct goroutine *all, *page;
	size_t n_all, n, at = 0;
	bool more = true;

	live(x);
	assert_int_equal(all_goroutines(x->m, 0, true, &all, &n_all), 0);
	while (more) {
		assert_int_equal(model_goroutines_some(x->m, 0, &q, &page, &n, &more), 0);
		assert_true(n && at + n <= n_all);
		assert_memory_equal(page, &all[at], n * sizeof(*page));
		at += n;
		q.after = page[n - 1].goid;
		free(page);
	}
	assert_int_equal(at, n_all);
	free(all);
}

static bool has_key(const struct goroutine *g, enum model_by by, uint64_t *ret)
{
	bool exited = g->flags & GOROUTINE_EXITED, unknown = g->flags & GOROUTINE_STATE_UNKNOWN;
	unsigned state = exited ? GSTATE_DEAD : unknown ? GSTATES : g->state;

	*ret = by == MODEL_BY_PARENT   ? g->parent
	       : by == MODEL_BY_STATE  ? state
	       : by == MODEL_BY_REASON ? g->reason_id
	       : by == MODEL_BY_FUNC   ? g->start_func_id
				       : 0;
	return by == MODEL_BY_REASON ? !exited && state == GSTATE_WAITING
	       : by == MODEL_BY_FUNC ? !exited
				     : true;
}

static void check_by(struct fixture *x, enum model_by by, uint64_t key, const struct goroutine *all,
		     size_t n_all)
{
	uint64_t *goids cleanup_free_ = NULL, its;
	size_t n, at = 0;

	assert_int_equal(model_goids(x->m, 0, by, key, &goids, &n), 0);
	for (size_t i = 0; i < n_all; i++)
		if (has_key(&all[i], by, &its) && its == key)
			assert_true(at < n && goids[at++] == all[i].goid);
	assert_int_equal(at, n);
}

/* Every way to find them, by every key there is and by one that nobody has. */
static void test_by(void **state)
{
	struct fixture *x = *state;
	struct goroutine *all;
	size_t n_all;

	for (uint64_t goid = 50000; goid < 50300; goid++) {
		struct goroutine_seen seen = {.goid = goid,
					      .parent = goid % 7,
					      .start_func_id = (uint32_t)(goid % 70) * 3,
					      .reason_id = (uint32_t)(goid % 200),
					      .state = goid % 3 ? GSTATE_WAITING : GSTATE_RUNNING};

		model_heal(x->m, 0, &seen, 1, x->now++, false);
	}
	live(x);
	assert_int_equal(all_goroutines(x->m, 0, true, &all, &n_all), 0);
	check_by(x, MODEL_BY_NOTHING, 0, all, n_all);
	check_by(x, MODEL_BY_PARENT, 3, all, n_all);
	check_by(x, MODEL_BY_FUNC, UINT64_MAX, all, n_all);
	for (uint64_t key = 0; key <= GSTATES; key++)
		check_by(x, MODEL_BY_STATE, key, all, n_all);
	for (unsigned by = MODEL_BY_REASON; by <= MODEL_BY_FUNC; by++) {
		uint32_t *keys cleanup_free_ = NULL;
		uint64_t key;
		size_t n, found = 0;

		assert_int_equal(model_keys(x->m, 0, by, &keys, &n), 0);
		assert_true(n > 1);
		for (size_t i = 0; i < n; i++) {
			assert_true(!i || keys[i - 1] < keys[i]);
			check_by(x, by, keys[i], all, n_all);
		}
		for (size_t i = 0; i < n_all; i++) {
			if (!has_key(&all[i], by, &key))
				continue;
			for (found = 0; found < n && keys[found] != key; found++)
				;
			assert_true(found < n);
		}
		assert_int_equal(model_keys(x->m, 2, by, &(uint32_t *){NULL}, &n), -ENOENT);
	}
	free(all);
}

/* One type's rows are those of the process's totals. */
static void test_type_rows(void **state)
{
	struct fixture *x = *state;
	struct go_type type = {.name = "main.T", .size = 8, .kind = 25};
	struct allocation *all, rows[3];
	size_t n_all, seen = 0;

	for (uint64_t i = 0; i < 500; i++) {
		struct event ev = {.type = (uint8_t)(EVENT_MAKESLICE + i % 3),
				   .time_ns = x->now++,
				   .goid = 1 + i % 40,
				   .size = i};

		type.size = i % 200;
		ev.type_id = names_add_type(x->names, &type);
		model_apply(x->m, &ev, 1);
	}
	assert_int_equal(model_type_totals(x->m, 0, &all, &n_all), 0);
	for (uint32_t id = 0; id < 300; id++) {
		size_t n = model_type_rows(x->m, 0, id, rows);

		seen += n;
		for (size_t i = 0; i < n; i++) {
			size_t at = 0;

			while (at < n_all &&
			       (all[at].type_id != id || all[at].event_type != rows[i].event_type))
				at++;
			assert_true(at < n_all && all[at].count == rows[i].count &&
				    all[at].bytes == rows[i].bytes);
		}
	}
	assert_int_equal(seen, n_all);
	assert_int_equal(model_type_rows(x->m, 2, 1, rows), 0);
	free(all);
}

struct looking {
	struct model *m;
	atomic_bool done;
};

static void look_through(struct model *m)
{
	struct model_which which = {.exited = true, .by_goid = true};
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	uint64_t last = 0;

	assert_int_equal(model_pass_new(m, 0, &which, &pass), 0);
	for (; (g = model_pass_next(pass)); last = g->goid)
		assert_true(g->goid > last && g->proc == 0);
}

static void *look(void *arg)
{
	struct looking *l = arg;
	struct model_some q = {.limit = 3000};

	while (!atomic_load(&l->done)) {
		struct goroutine *list;
		size_t n;
		bool more;

		assert_int_equal(model_goroutines_some(l->m, 0, &q, &list, &n, &more), 0);
		assert_true(n <= q.limit);
		for (size_t i = 1; i < n; i++)
			assert_true(list[i - 1].goid < list[i].goid);
		q.after = more && n ? list[n - 1].goid : 0;
		free(list);
		look_through(l->m);
	}
	return NULL;
}

/* Goroutines come and go between its parts, and all of them at once: a replay that goes back. */
static void test_meanwhile(void **state)
{
	struct fixture *x = *state;
	struct looking l = {.m = x->m};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, look, &l), 0);
	for (unsigned i = 0; i < 3; i++) {
		live(x);
		if (i == 1)
			assert_int_equal(model_reset(x->m), 0);
	}
	atomic_store(&l.done, true);
	pthread_join(thread, NULL);
}

static void create(struct model *m, uint64_t from, uint64_t to)
{
	for (uint64_t goid = from; goid < to; goid++) {
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .time_ns = goid,
				   .target = goid,
				   .from = GSTATE_DEAD,
				   .to = GSTATE_RUNNABLE};

		model_apply(m, &ev, 1);
	}
}

static void finish(struct model *m, uint64_t from, uint64_t to)
{
	for (uint64_t goid = from; goid < to; goid++) {
		struct event ev = {.type = EVENT_GOEXIT,
				   .time_ns = 1000000 + goid,
				   .goid = goid,
				   .target = goid};

		model_apply(m, &ev, 1);
	}
}

/* A target that makes up goroutines without end: the model keeps its bound, says what it left out,
 * and has room again once some were forgotten. */
static void test_bound(void **state)
{
	struct fixture *x = *state;
	struct proc_info info = {.pid = 100};
	struct model_config config = {
		.retain = 1000, .retain_exited = 50, .names = x->names, .goroutines_max = 4000};
	struct goroutine_seen seen = {.goid = 1000000, .state = GSTATE_WAITING};
	struct model_totals t;
	struct goroutine g;
	struct model *m;
	size_t memory;

	assert_int_equal(model_new_sharded(&config, 1, 1, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	create(m, 1, 4001);
	model_totals(m, 0, &t);
	assert_int_equal(t.live_total, 4000);
	assert_int_equal(t.dropped_goroutines, 0);
	memory = t.memory_bytes;
	create(m, 4001, 100000);
	model_heal(m, 0, &seen, 1, 100001, false);
	model_totals(m, 0, &t);
	assert_int_equal(t.live_total, 4000);
	assert_int_equal(t.dropped_goroutines, 100000 - 4001 + 1);
	assert_int_equal(t.memory_bytes, memory);
	assert_int_equal(t.events[EVENT_CASGSTATUS], 100000 - 1); /* every event counts */
	assert_int_equal(model_goroutine(m, 0, 4001, &g), -ENOENT);
	assert_int_equal(model_goroutine(m, 0, 4000, &g), 0);
	/* Of 150 that ended 50 are retained. */
	finish(m, 1, 151);
	create(m, 200000, 200101);
	model_totals(m, 0, &t);
	assert_int_equal(t.live_total, 4000 - 150 + 100);
	assert_int_equal(t.exited_retained, 50);
	assert_int_equal(t.dropped_goroutines, 100000 - 4001 + 2);
	model_free(m);
	/* Over several shards, too. */
	assert_int_equal(model_new_sharded(&config, 3, 1, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	create(m, 1, 100000);
	model_totals(m, 0, &t);
	assert_true(t.live_total <= 4000 && t.live_total > 3990);
	assert_int_equal(t.live_total + t.dropped_goroutines, 100000 - 1);
	model_free(m);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_some),      TEST(test_pages),     TEST(test_by),    TEST(test_pass),
		TEST(test_type_rows), TEST(test_meanwhile), TEST(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
