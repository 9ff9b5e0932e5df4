/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/base/top: the first of many, against sorting all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/top.h"
#include "core/base/util.h"

#define MANY 5000

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check(size_t n, size_t limit, uint64_t below)
{
	struct top top = TOP_INIT(uint64_t, limit, ascending);
	uint64_t all[MANY], seed = 88172645463325252ull + n;

	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		/* below 1: descending, the worst order */
		all[i] = below > 1 ? (seed >> 20) % below : n - i;
		assert_int_equal(top_add(&top, &all[i]), 0);
	}
	qsort(all, n, sizeof(*all), ascending);
	top_sort(&top);
	assert_int_equal(top.n, MIN(n, limit));
	assert_int_equal(top.more, n > limit);
	assert_true(top.cap <= limit);
	assert_true(!top.n || !memcmp(top.v, all, top.n * sizeof(*all)));
	top_free(&top);
	top_free(&top);
}

static void keeps_the_first(void **state)
{
	static const size_t limits[] = {1, 2, 3, 64, 65, 1000, MANY - 1, MANY, SIZE_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		check(0, limits[i], UINT64_MAX);
		check(1, limits[i], UINT64_MAX);
		check(MANY, limits[i], UINT64_MAX);
		check(MANY, limits[i], 20); /* many equal ones */
		check(MANY, limits[i], 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
