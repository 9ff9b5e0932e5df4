/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of allocations: their memory, and counts that are more than a row has room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/model_internal.h"

#define HELD 12000 /* several slabs of arenas */

struct held {
	struct row *rows;
	unsigned bits;
};

static bool all_are(const struct held *h, uint32_t key)
{
	for (unsigned i = 0; i < 1u << h->bits; i++) {
		if (h->rows[i].key != key || h->rows[i].count != key || h->rows[i].bytes != key)
			return false;
	}
	return true;
}

static void put(struct row_pool *p, struct held *h, unsigned at, size_t *memory)
{
	assert_true(all_are(h, at + 1));
	row_pool_put(p, h->rows, memory);
	h->rows = NULL;
}

/* Taken and put in any order, many and few: what one holds is its own, what is new is zero. */
static void test_pool(void **state)
{
	static struct held held[HELD];
	struct row_pool p = {0};
	uint64_t seed = 88172645463325252ull;
	size_t memory = 0, most = 0;

	for (int step = 0; step < 120000; step++) {
		struct held *h;
		unsigned at;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		at = (unsigned)(seed >> 33) % HELD;
		h = &held[at];
		if (h->rows) {
			if (step % 40000 > 20000 || seed >> 62)
				put(&p, h, at, &memory);
			continue;
		}
		h->bits = ROWS_BITS_MIN +
			  (unsigned)(seed >> 50) % (ROWS_BITS_MAX - ROWS_BITS_MIN + 1);
		h->rows = row_pool_get(&p, h->bits, &memory);
		assert_non_null(h->rows);
		assert_int_equal((uintptr_t)h->rows % 64, 0);
		assert_true(all_are(h, 0));
		for (unsigned i = 0; i < 1u << h->bits; i++)
			h->rows[i] = (struct row){at + 1, at + 1, at + 1};
		most = MAX(most, memory);
	}
	for (unsigned at = 0; at < HELD; at++) {
		if (held[at].rows)
			put(&p, &held[at], at, &memory);
	}
	assert_true(most > 2 * SLAB_SIZE);
	/* One arena of a size at most. */
	assert_true(memory <= (size_t)(ROWS_BITS_MAX - ROWS_BITS_MIN + 1) * (32u << 10));
	row_pool_free(&p);
	assert_null(p.slabs.room);
}

struct fixture {
	struct names *names;
	struct model *m;
	uint64_t now;
};

static int setup(void **state)
{
	static struct fixture x;
	struct model_config config = {.retain = 1000};
	struct proc_info info = {.pid = 100};

	assert_int_equal(names_new(1000, &x.names), 0);
	config.names = x.names;
	assert_int_equal(model_new_sharded(&config, 1, 1, &x.m), 0);
	assert_int_equal(model_proc_add(x.m, &info), 0);
	for (uint32_t i = 1; i <= 100; i++) {
		struct go_type t = {.name = "T", .size = i, .kind = 25};

		assert_int_equal(names_add_type(x.names, &t), i);
	}
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	model_free(x->m);
	names_free(x->names);
	return 0;
}

static void allocate(struct fixture *x, uint32_t type_id)
{
	struct event ev = {.type = EVENT_NEWOBJECT,
			   .time_ns = ++x->now,
			   .goid = 7,
			   .size = 10,
			   .type_id = type_id};

	model_apply(x->m, &ev, 1);
}

/* All rows of the goroutine are nearly full. */
static void fill(struct fixture *x)
{
	struct record *g = shard_find(&x->m->shards[0], 0, 7);

	for (unsigned i = 0; i < g->n_rows; i++)
		g->rows[i].count = ROW_FULL - 1;
	for (unsigned i = 0; g->more && i < 1u << g->more_bits; i++) {
		if (g->more[i].key)
			g->more[i].count = ROW_FULL - 1;
	}
}

/* Of how many types it has rows, and how often it allocated of each. */
static void expect(struct fixture *x, size_t types, uint64_t of_each, uint64_t of_others)
{
	struct allocation *rows;
	size_t n;

	assert_int_equal(model_allocations(x->m, 0, 7, &rows, &n), 0);
	assert_int_equal(n, types);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].count, rows[i].type_id ? of_each : of_others);
	free(rows);
}

/* A goroutine that allocates four billion times of a type goes on being counted. */
static void test_full(void **state)
{
	struct fixture *x = *state;

	for (unsigned round = 0; round < 4; round++) {
		for (uint32_t type = 1; type <= 20; type++)
			allocate(x, type);
		if (round == 0)
			fill(x);
	}
	expect(x, 20, (uint64_t)ROW_FULL + 2, 0);
}

/* The rest has no more room than another. */
static void test_full_rest(void **state)
{
	struct fixture *x = *state;

	for (unsigned round = 0; round < 3; round++) {
		for (uint32_t type = 1; type <= 66; type++)
			allocate(x, type);
		if (round == 0)
			fill(x);
	}
	/* Past ROWS_MAX only the rest has rows that go on: what a full one cannot count is there.
	 */
	expect(x, 65, ROW_FULL, (uint64_t)ROW_FULL - 1 + 2 * 2 + 64);
}

/* Time to a CPU is what ended with one, and began where that was seen. */
static void test_latency(void **state)
{
	static const uint8_t way[] = {GSTATE_RUNNABLE, GSTATE_RUNNING,  GSTATE_WAITING,
				      GSTATE_RUNNABLE, GSTATE_WAITING,  GSTATE_RUNNABLE,
				      GSTATE_SYSCALL,  GSTATE_RUNNABLE, GSTATE_RUNNING};
	struct fixture *x = *state;
	struct goroutine g;

	for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .time_ns = 100 + 10 * i,
				   .goid = 7,
				   .target = 7,
				   .from = i ? way[i - 1] : GSTATE_DEAD,
				   .to = way[i]};

		model_apply(x->m, &ev, 1);
	}
	assert_int_equal(model_goroutine(x->m, 0, 7, &g), 0);
	assert_int_equal(g.runnable_count, 2);
	assert_int_equal(g.runnable_sum_ns, 20);
	assert_int_equal(g.state_ns[GSTATE_RUNNABLE], 40);
	assert_int_equal(g.state_ns[GSTATE_WAITING], 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_latency, setup, teardown),
	};

	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
