/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the control groups leave, of both versions, in folders as the kernel makes them. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/memory_room.h"

static char root[PATH_MAX / 4];

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static uint64_t room(void)
{
	char cgroup[PATH_MAX];

	(void)snprintf(cgroup, sizeof(cgroup), "%s/cgroup", root);
	return memory_room(cgroup, root);
}

static int begin(void **state)
{
	(void)snprintf(root, sizeof(root), "/tmp/test_memory_room.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
	char line[PATH_MAX + 16];

	(void)snprintf(line, sizeof(line), "rm -rf %s", root);
	return system(line); /* NOLINT(cert-env33-c) */
}

static void without_a_bound_there_is_none(void **state)
{
	assert_true(room() == UINT64_MAX); /* no such file */
	put("cgroup", "0::/a/b\n");
	assert_true(room() == UINT64_MAX); /* no controller */
	put("a/b/memory.max", "max\n");
	put("a/b/memory.current", "1000\n");
	assert_true(room() == UINT64_MAX);
	put("cgroup", "4:memory:/x\n");
	put("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
	put("memory/x/memory.usage_in_bytes", "7001595904\n");
	assert_true(room() == UINT64_MAX);
}

static void the_narrowest_of_all_it_is_in(void **state)
{
	put("cgroup", "0::/a/b\n");
	put("a/b/memory.max", "1000000\n");
	put("a/b/memory.current", "400000\n");
	put("a/b/memory.stat", "anon 1\ninactive_file_x 7\ninactive_file 100000\n");
	assert_int_equal(room(), 700000);
	put("a/memory.max", "2000000\n");
	put("a/memory.current", "1900000\n");
	assert_int_equal(room(), 100000);
	put("a/memory.current", "2100000\n");
	assert_int_equal(room(), 0);
}

static void a_container_sees_its_own_group_alone(void **state)
{
	put("cgroup", "9:name=systemd:/\n4:memory:/docker/0123\n0::/\n");
	put("memory/memory.limit_in_bytes", "134217728\n");
	put("memory/memory.usage_in_bytes", "34217728\n");
	assert_int_equal(room(), 100000000);
	put("memory/memory.stat", "inactive_file 5\ntotal_inactive_file 99999999999\n");
	assert_int_equal(room(), 134217728);
}

static void what_makes_no_sense_is_no_bound(void **state)
{
	put("cgroup", "\n::\n0\n0:\n:::\n0::/a\n");
	put("a/memory.max", "-1\n");
	assert_true(room() == UINT64_MAX);
	put("a/memory.max", "");
	assert_true(room() == UINT64_MAX);
	put("a/memory.max", "5000\n");
	assert_int_equal(room(), 5000); /* how much is used is not known */
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(without_a_bound_there_is_none),
		IN_FOLDER(the_narrowest_of_all_it_is_in),
		IN_FOLDER(a_container_sees_its_own_group_alone),
		IN_FOLDER(what_makes_no_sense_is_no_bound),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
