/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a `go` statement starts, from its code (tests/targets/starts): through the compiler's
 * wrappers, and where in a closure it stands what one will call. Held against running programs in
 * tests/cases/starts.sh, but for arm64. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/target/target.h"
#include "tests/unit/sample.h"

static const struct {
	const char *name;
	bool method;
} held[] = {
	{"main.throughInterface", true},   {"main.throughValue", false},
	{"main.throughManyValues", false}, {"main.throughField", false},
	{"main.runner.run-fm", true},
};

struct found {
	unsigned n[sizeof(held) / sizeof(held[0])], all;
};

static int each(void *ctx, uint64_t pc, const struct target_start *start)
{
	struct found *found = ctx;

	assert_true(start->held && start->func.entry == pc);
	found->all += strncmp(start->func.name, "main.", 5) == 0;
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		size_t len = strlen(held[i].name);

		if (strncmp(start->func.name, held[i].name, len) != 0 ||
		    strchr("abcdefghijklmnopqrstuvwxyz", start->func.name[len] | ' '))
			continue;
		found->n[i]++;
		assert_true(start->at >= 8 && start->at % 8 == 0);
		assert_int_equal(start->method != 0, held[i].method);
	}
	return 0;
}

static void same(const struct target *t, const char *name, const char *starts)
{
	struct go_func f;

	assert_int_equal(target_func_by_name(t, name, &f), 0);
	assert_int_equal(target_start_func(t, f.entry, &f), 0);
	assert_string_equal(f.name, starts);
}

static void test_starts(void **state)
{
	static const char *const builds[][2] = {
		{"1.17", "stripped"}, {"1.23", "plain"}, {"1.27", "pie-arm64"}};

	for (size_t b = 0; b < sizeof(builds) / sizeof(builds[0]); b++) {
		char path[4096];
		struct found found = {0};
		struct target *t;
		struct go_func f;
		struct target_start start;

		if (!sample_build(builds[b][0], builds[b][1], "starts", path))
			continue;
		assert_int_equal(target_open(path, &t), 0);
		assert_int_equal(target_each_held(t, each, &found), 0);
		for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
			assert_true(found.n[i] == 1);
		assert_in_range(found.all, 11, 12);
		/* Users' names. */
		same(t, "main.uploadwrapper", "main.uploadwrapper");
		same(t, "main.gowrapped", "main.gowrapped");
		same(t, "main.dwrap", "main.dwrap");
		same(t, "main.gowrap1.gowrap1", "main.gowrap1.gowrap1");
		same(t, "main.gowrap1.deferwrap1", "main.gowrap1.deferwrap1");
		assert_int_equal(target_func_by_name(t, "main.gowrap1.deferwrap1", &f), 0);
		assert_int_equal(target_deferred(t, f.entry, &start), -ENOENT);
		/* A promoted method. */
		same(t, "main.(*outer).run", "main.(*inner).run");
		target_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_starts)};

	return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
