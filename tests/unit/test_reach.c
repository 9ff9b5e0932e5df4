/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Marking through a made-up heap in this process's own memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/memory/reach.h"

#define PAGE  (1u << HEAP_PAGE_SHIFT)
#define PAGES 256
#define LARGE (1u << 20)

/* Pages 0: objects of 64 bytes; 2: of 48, without pointers; 3: of 24; 5: of 512; 128 on: one large
 * object. */
struct fixture {
	uint8_t *mem;
	struct heap *heap;
	struct reach *r;
};

static uint64_t addr_of(const struct fixture *x, size_t page, size_t offset)
{
	return (uint64_t)(uintptr_t)(x->mem + page * PAGE + offset);
}

static void put(struct fixture *x, uint64_t at, uint64_t value)
{
	memcpy((void *)(uintptr_t)at, &value, sizeof(value));
	(void)x;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	uint8_t *raw = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	x->mem = (uint8_t *)(((uintptr_t)raw + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
	const struct heap_span spans[] = {
		{.base = addr_of(x, 128, 0), .limit = addr_of(x, 128, LARGE), .elem_size = LARGE},
		{.base = addr_of(x, 2, 0),
		 .limit = addr_of(x, 2, PAGE / 48 * 48),
		 .elem_size = 48,
		 .noscan = true},
		{.base = addr_of(x, 0, 0), .limit = addr_of(x, 1, 0), .elem_size = 64},
		{.base = addr_of(x, 3, 0), .limit = addr_of(x, 3, PAGE / 24 * 24), .elem_size = 24},
		{.base = addr_of(x, 5, 0), .limit = addr_of(x, 6, 0), .elem_size = 512},
	};

	assert_int_equal(heap_from_spans(spans, ARRAY_SIZE(spans), &x->heap), 0);
	assert_int_equal(reach_new(x->heap, getpid(), &x->r), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	reach_free(x->r);
	heap_free(x->heap);
	free(x);
	return 0;
}

static void run(struct fixture *x)
{
	int more;

	while ((more = reach_run(x->r, PAGE)) == 1)
		;
	assert_int_equal(more, 0);
}

static void test_map(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(x->heap->n, 5);
	assert_int_equal(x->heap->objects, 128 + 170 + 341 + 16 + 1);
	assert_ptr_equal(heap_span_at(x->heap, addr_of(x, 0, 65)), &x->heap->spans[0]);
	assert_int_equal(heap_object_in_span(&x->heap->spans[0], addr_of(x, 0, 65)), 1);
	assert_null(heap_span_at(x->heap, addr_of(x, 1, 0)));
	/* Behind the last whole object, beside the heap, nowhere. */
	assert_null(heap_span_at(x->heap, addr_of(x, 2, PAGE - 1)));
	assert_null(heap_span_at(x->heap, addr_of(x, 0, 0) - 1));
	assert_null(heap_span_at(x->heap, addr_of(x, 128, LARGE)));
	assert_null(heap_span_at(x->heap, 0));
	assert_null(heap_span_at(x->heap, UINT64_MAX));
	assert_non_null(heap_span_at(x->heap, addr_of(x, 128, LARGE - 1)));
}

/* A chain through spans back and forth, by pointers to the inside; what nobody names is not
 * reached; objects without pointers end a path. */
static void test_chain(void **state)
{
	struct fixture *x = *state;

	for (size_t i = 0; i < 100; i++) {
		put(x, addr_of(x, 0, 64 * i + 56), addr_of(x, 3, 24 * i + 8));
		put(x, addr_of(x, 3, 24 * i + 16), addr_of(x, 0, 64 * (i + 1) + 3));
	}
	put(x, addr_of(x, 0, 64 * 100), addr_of(x, 2, 48));
	put(x, addr_of(x, 2, 48), addr_of(x, 0, 64 * 120)); /* not a pointer */
	reach_value(x->r, addr_of(x, 0, 1));
	run(x);
	for (size_t i = 0; i <= 100; i++)
		assert_true(reach_is_reached(x->r, addr_of(x, 0, 64 * i + 63)));
	assert_true(reach_is_reached(x->r, addr_of(x, 3, 24 * 99)));
	assert_true(reach_is_reached(x->r, addr_of(x, 2, 48)));
	assert_false(reach_is_reached(x->r, addr_of(x, 0, 64 * 101)));
	assert_false(reach_is_reached(x->r, addr_of(x, 0, 64 * 120)));
	assert_false(reach_is_reached(x->r, addr_of(x, 2, 0)));
	assert_int_equal(reach_stats(x->r).objects, 101 + 100 + 1);
	assert_int_equal(reach_stats(x->r).unread, 0);
}

/* The last word of an object that is larger than what is read at a time, and back into it. */
static void test_large(void **state)
{
	struct fixture *x = *state;

	put(x, addr_of(x, 128, LARGE - 8), addr_of(x, 0, 64));
	put(x, addr_of(x, 128, 300000), addr_of(x, 3, 24));
	put(x, addr_of(x, 0, 64), addr_of(x, 128, 17));
	reach_value(x->r, addr_of(x, 128, 4096));
	run(x);
	assert_true(reach_is_reached(x->r, addr_of(x, 0, 64)));
	assert_true(reach_is_reached(x->r, addr_of(x, 3, 24)));
	assert_int_equal(reach_stats(x->r).objects, 3);
}

static void test_opaque(void **state)
{
	struct fixture *x = *state;

	put(x, addr_of(x, 0, 0), addr_of(x, 0, 64));
	put(x, addr_of(x, 0, 64), addr_of(x, 0, 128));
	reach_opaque(x->r, addr_of(x, 0, 70));
	reach_value(x->r, addr_of(x, 0, 0));
	run(x);
	assert_true(reach_is_reached(x->r, addr_of(x, 0, 64)));
	assert_false(reach_is_reached(x->r, addr_of(x, 0, 128)));
	/* More roots may follow. */
	reach_value(x->r, addr_of(x, 0, 128));
	run(x);
	assert_true(reach_is_reached(x->r, addr_of(x, 0, 128)));
}

static void test_roots(void **state)
{
	struct fixture *x = *state;
	uint64_t data[130] = {0};
	uint8_t mask[17] = {0};
	uint64_t lo = (uint64_t)(uintptr_t)data;

	data[0] = addr_of(x, 0, 0);
	data[9] = addr_of(x, 0, 64);
	data[129] = addr_of(x, 0, 128);
	mask[9 / 8] = 1 << 9 % 8;
	assert_int_equal(reach_range(x->r, lo, lo + sizeof(data), mask), 0);
	assert_false(reach_is_reached(x->r, data[0]));
	assert_true(reach_is_reached(x->r, data[9]));
	/* Not a whole number of words, at either end. */
	assert_int_equal(reach_range(x->r, lo + 1, lo + sizeof(data) - 1, NULL), 0);
	assert_false(reach_is_reached(x->r, data[0]));
	assert_false(reach_is_reached(x->r, data[129]));
	assert_int_equal(reach_range(x->r, lo, lo + sizeof(data), NULL), 0);
	assert_true(reach_is_reached(x->r, data[0]));
	assert_true(reach_is_reached(x->r, data[129]));
	/* Nothing there: counted, no error. */
	assert_int_equal(reach_range(x->r, 4096, 4096 + 800, NULL), 0);
	assert_int_equal(reach_stats(x->r).unread, 800);
	assert_int_equal(reach_range(x->r, lo + 8, lo, NULL), 0);
	/* At the end of all addresses, from which none is the next. */
	assert_int_equal(reach_range(x->r, UINT64_MAX - 4099, UINT64_MAX, NULL), 0);
	assert_int_equal(reach_range(x->r, UINT64_MAX - 2, UINT64_MAX, NULL), 0);
	assert_int_equal(reach_range(x->r, UINT64_MAX - 4099, UINT64_MAX - 7, NULL), 0);
	assert_int_equal(reach_stats(x->r).unread, 800 + 4088 + 4088);
}

/* A thousand goroutines say that their stacks are of a gigabyte, or a module of its data: no
 * program has so much. */
static void test_too_many_roots(void **state)
{
	struct fixture *x = *state;
	unsigned n = 0;

	while (n < 1000 && !reach_range(x->r, 4096, 4096 + (1ull << 30), NULL))
		n++;
	assert_in_range(n, 16, 64);
	assert_int_equal(reach_range(x->r, 4096, 8192, NULL), -E2BIG);
}

/* Memory that went away while it was marked. */
static void test_hole(void **state)
{
	struct fixture *x = *state;

	put(x, addr_of(x, 0, 0), addr_of(x, 128, 0));
	assert_int_equal(munmap((void *)(uintptr_t)addr_of(x, 128, 0), LARGE), 0);
	reach_value(x->r, addr_of(x, 0, 0));
	run(x);
	assert_true(reach_is_reached(x->r, addr_of(x, 128, 0)));
	assert_true(reach_stats(x->r).unread > 0);
}

/* What cannot be a map is none; an empty one has no objects. */
static void test_spans(void **state)
{
	const struct heap_span over[] = {
		{.base = 0xc000000000, .limit = 0xc000004000, .elem_size = 64},
		{.base = 0xc000002000, .limit = 0xc000006000, .elem_size = 64},
	};
	struct heap *h = NULL;

	(void)state;
	assert_int_equal(heap_from_spans(over, 2, &h), -EINVAL);
	/* The map of what a program says it has is bounded. */
	assert_int_equal(
		heap_from_spans(&(struct heap_span){.base = 0xc000000000,
						    .limit = 0xc000000000 + HEAP_BYTES_MAX + 8192,
						    .elem_size = 8192},
				1, &h),
		-E2BIG);
	assert_int_equal(heap_from_spans(NULL, 0, &h), 0);
	assert_null(heap_span_at(h, 0));
	assert_null(heap_span_at(h, 0xc000000000));
	heap_free(h);
}

/* What lies behind a stack is not reached by the stack's bounds, wherever such a record is. */
static void test_stack_bounds(void **state)
{
	struct fixture *x = *state;
	const uint64_t behind = addr_of(x, 5, 0), stack = behind - 2048;

	for (unsigned i = 0; i < 2; i++) { /* the second has no guard: no record of a stack */
		const uint64_t g = addr_of(x, 5, 512 * (i + 2));

		put(x, g, stack);
		put(x, g + 8, behind);
		put(x, g + 16, i ? 0 : stack + 928);
		put(x, g + 24, addr_of(x, 0, 64));
		reach_value(x->r, g);
		run(x);
		assert_true(reach_is_reached(x->r, addr_of(x, 0, 64)));
		assert_int_equal(reach_is_reached(x->r, behind), i);
	}
}

/* A list that was built from its end, each object leading to the one below: its span is read once.
 */
static void test_backward(void **state)
{
	struct fixture *x = *state;
	const size_t n = PAGE / 64;

	for (size_t i = 1; i < n; i++)
		put(x, addr_of(x, 0, 64 * i), addr_of(x, 0, 64 * (i - 1)));
	reach_value(x->r, addr_of(x, 0, 64 * (n - 1)));
	run(x);
	assert_int_equal(reach_stats(x->r).objects, n);
	assert_int_equal(reach_stats(x->r).bytes, PAGE);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_map),
		TEST(test_chain),
		TEST(test_large),
		TEST(test_opaque),
		TEST(test_roots),
		TEST(test_hole),
		TEST(test_too_many_roots),
		cmocka_unit_test(test_spans),
		TEST(test_stack_bounds),
		TEST(test_backward),
	};

	return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
