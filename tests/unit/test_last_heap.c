/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Heap profiles that are kept: which reading growth is told from, thinner and thinner; bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "core/engine/last_heap.h"

/* One place, number `id`, that has so many bytes in use. */
static struct live_heap *heap_of(uint64_t read_ns, uint64_t id, uint64_t bytes)
{
	size_t at = sizeof(struct live_heap) + sizeof(struct live_heap_place);
	struct live_heap *h = calloc(1, at + sizeof(uint32_t));

	assert_non_null(h);
	*h = (struct live_heap){
		.rate = 1, .read_ns = read_ns, .n = 1, .n_sites = 1, .sites_at = at};
	h->places[0] = (struct live_heap_place){.id = id, .in_use_bytes = bytes, .n = 1};
	*(uint32_t *)(void *)((char *)h + at) = 7;
	return h;
}

static uint64_t then_of(struct last_heap *l, uint64_t since_ns, uint64_t *ret_bytes)
{
	struct live_heap *h;
	uint64_t ns;

	assert_int_equal(last_heap_give(l, 0, since_ns, &h), 0);
	assert_int_equal(live_heap_sites(h)[0], 7);
	ns = h->then_ns;
	*ret_bytes = h->places[0].then_bytes;
	free(h);
	return ns;
}

static void test_then(void **state)
{
	struct live_heap *h;
	struct last_heap *l;
	uint64_t bytes;

	assert_int_equal(last_heap_new(&l), 0);
	assert_int_equal(last_heap_give(l, 0, 0, &h), -ESRCH);
	for (uint64_t i = 1; i <= 5; i++)
		last_heap_take(l, 0, i, 0, heap_of(i * LAST_HEAP_NS, 42, i));
	assert_int_equal(then_of(l, 3 * LAST_HEAP_NS, &bytes), 3 * LAST_HEAP_NS);
	assert_int_equal(bytes, 3);
	assert_int_equal(then_of(l, 4 * LAST_HEAP_NS - 1, &bytes), 3 * LAST_HEAP_NS);
	assert_int_equal(then_of(l, 0, &bytes), LAST_HEAP_NS);
	assert_int_equal(bytes, 1);
	/* What is new had nothing then. */
	h = heap_of(6 * LAST_HEAP_NS, 43, 100);
	last_heap_compare(l, 0, UINT64_MAX, h);
	assert_int_equal(h->then_ns, 5 * LAST_HEAP_NS);
	assert_int_equal(h->places[0].then_bytes, 0);
	free(h);
	/* Nor has another process anything. */
	h = heap_of(6 * LAST_HEAP_NS, 42, 100);
	last_heap_compare(l, 1, UINT64_MAX, h);
	assert_int_equal(h->then_ns, 0);
	free(h);
	last_heap_free(l);
}

/* A day of them: the first stays, and no gap is longer than an eighth of the time. */
static void test_thinned(void **state)
{
	const uint64_t day = 8640;
	struct last_heap *l;
	uint64_t bytes;

	assert_int_equal(last_heap_new(&l), 0);
	for (uint64_t i = 1; i <= day; i++)
		last_heap_take(l, 0, i, 0, heap_of(i * LAST_HEAP_NS, 42, i));
	assert_int_equal(then_of(l, 0, &bytes), LAST_HEAP_NS);
	assert_int_equal(bytes, 1);
	for (uint64_t i = 1; i <= day; i += 97) {
		uint64_t ns = then_of(l, i * LAST_HEAP_NS, &bytes);

		assert_true(ns <= i * LAST_HEAP_NS);
		assert_true(i * LAST_HEAP_NS - ns <= day / 8 * LAST_HEAP_NS + LAST_HEAP_NS);
		assert_int_equal(ns, bytes * LAST_HEAP_NS);
	}
	last_heap_free(l);
}

static void test_due(void **state)
{
	uint64_t now = monotonic_ns(), after = now + 2 * LAST_HEAP_NS;
	struct live_heap *h;
	struct last_heap *l;

	assert_int_equal(last_heap_new(&l), 0);
	assert_false(last_heap_is_due(l, 0, 0, now)); /* it has not collected yet */
	assert_true(last_heap_is_due(l, 0, 1, now));
	last_heap_take(l, 0, 1, 0, NULL); /* it could not be read */
	assert_int_equal(last_heap_give(l, 0, 0, &h), -ESRCH);
	assert_false(last_heap_is_due(l, 0, 2, now));
	assert_false(last_heap_is_due(l, 0, 1, after)); /* nothing is new */
	assert_true(last_heap_is_due(l, 0, 2, after));
	last_heap_take(l, 0, 2, NS_PER_SEC, heap_of(1, 1, 1)); /* what takes long is done seldom */
	assert_false(last_heap_is_due(l, 0, 3, after));
	assert_true(last_heap_is_due(l, 0, 3, now + 300 * NS_PER_SEC));
	last_heap_free(l);
}

/* More processes than there are places: those that were read last are kept. */
static void test_many(void **state)
{
	struct live_heap *h;
	struct last_heap *l;

	assert_int_equal(last_heap_new(&l), 0);
	for (unsigned proc = 0; proc < LAST_HEAPS + 10; proc++)
		last_heap_take(l, proc, 1, 0, heap_of(1, proc, 1));
	assert_int_equal(last_heap_give(l, 0, 0, &h), -ESRCH);
	assert_int_equal(last_heap_give(l, LAST_HEAPS + 9, 0, &h), 0);
	assert_int_equal(h->places[0].id, LAST_HEAPS + 9);
	free(h);
	last_heap_free(l);
}

/* However much each program says that it has, together they take no more than that. */
static void test_large(void **state)
{
	const uint32_t sites = 4u << 20;
	const unsigned n = LAST_HEAP_BYTES / (sites * sizeof(uint32_t)) + 4;
	struct live_heap *h;
	struct last_heap *l;

	assert_int_equal(last_heap_new(&l), 0);
	for (unsigned proc = 0; proc < n; proc++) {
		h = calloc(1, sizeof(*h) + sites * sizeof(uint32_t));
		assert_non_null(h);
		*h = (struct live_heap){
			.rate = 1, .read_ns = 1, .n_sites = sites, .sites_at = sizeof(*h)};
		last_heap_take(l, proc, 1, 0, h);
	}
	for (unsigned proc = 0; proc < 4; proc++)
		assert_int_equal(last_heap_give(l, proc, 0, &h), -ESRCH);
	assert_int_equal(last_heap_give(l, n - 1, 0, &h), 0);
	free(h);
	last_heap_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_then),  cmocka_unit_test(test_thinned),
		cmocka_unit_test(test_due),   cmocka_unit_test(test_many),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
