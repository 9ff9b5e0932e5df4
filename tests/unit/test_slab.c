/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Large pages, and pieces of them: zeroed, apart, found again, given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/slab.h"

static void test_pages(void **state)
{
	static const size_t sizes[] = {1, 4096, SLAB_SIZE, SLAB_SIZE + 1, 3 * SLAB_SIZE};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *p = pages_new(sizes[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % SLAB_SIZE, 0);
		assert_int_equal(p[0] | p[sizes[i] - 1], 0);
		memset(p, 1, sizes[i]);
		pages_free(p, sizes[i]);
	}
	assert_null(pages_new(SIZE_MAX));
	assert_null(pages_new(SIZE_MAX - SLAB_SIZE));
	pages_free(NULL, 1);
}

static bool is_all(const unsigned char *p, size_t n, unsigned char value)
{
	return p[0] == value && memcmp(p, p + 1, n - 1) == 0;
}

/* Taken and put in any order: what one holds is its own, and what is new is zero. */
static void any_order(size_t piece)
{
	static unsigned char *held[400];
	struct slabs s = {.piece = piece};
	uint64_t seed = 88172645463325252ull;

	memset(held, 0, sizeof(held));
	for (int step = 0; step < 6000; step++) {
		unsigned at;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		at = (unsigned)(seed >> 33) % ARRAY_SIZE(held);
		if (!held[at]) {
			held[at] = slabs_get(&s);
			assert_non_null(held[at]);
			assert_int_equal((uintptr_t)held[at] % 64, 0);
			assert_true(is_all(held[at], piece, 0));
			memset(held[at], (int)(1 + at % 255), piece);
			continue;
		}
		assert_true(is_all(held[at], piece, (unsigned char)(1 + at % 255)));
		slabs_put(&s, held[at]);
		held[at] = NULL;
	}
	for (unsigned at = 0; at < ARRAY_SIZE(held); at++) {
		if (held[at])
			slabs_put(&s, held[at]);
	}
	assert_null(s.room); /* nothing is kept */
}

static void test_pieces(void **state)
{
	any_order(64);
	any_order(4096 - 64);
	any_order(100032);
	any_order(SLAB_SIZE / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
