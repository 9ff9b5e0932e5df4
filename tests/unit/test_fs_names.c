/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Go names and numbers as file names; the table by inode; sorted folder listings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/parse.h"
#include "fs/dirlist.h"
#include "fs/escape.h"
#include "fs/label_numbers.h"
#include "fs/node.h"
#include "fs/table.h"

static void check_name(const char *text, const char *want)
{
	char name[ESCAPE_MAX + 1];

	escape_name(text, 7, name);
	assert_string_equal(name, want);
	assert_true(escape_is(text, 7, want));
	assert_false(escape_is(text, 7, "something else"));
}

static void test_escape(void **state)
{
	char long_text[1024], one[ESCAPE_MAX + 1], other[ESCAPE_MAX + 1];

	check_name("main.worker", "main.worker");
	check_name("net/http.(*conn).serve", "net%2Fhttp.(*conn).serve");
	check_name("github.com/x/y.F[...]", "github.com%2Fx%2Fy.F[...]");
	check_name("chan receive (nil chan)", "chan receive (nil chan)");
	check_name("100%", "100%25");
	check_name("a\nb\x7f", "a%0Ab%7F");
	check_name(".", "%2E");
	check_name("..", "%2E.");
	check_name("...", "...");
	check_name("", "unknown");
	check_name("main.Größe", "main.Größe");
	check_name("a\xc2\x9b\x9b"
		   "b\xe2\x80\xae",
		   "a%C2%9B%9Bb%E2%80%AE");
	assert_false(escape_is("main.a", 1, "main.ab"));
	assert_false(escape_is("main.ab", 1, "main.a"));
	assert_false(escape_is("a/b", 1, "a%2f"));

	/* Two long names that differ at the end, with escapes and UTF-8 around the cut. */
	for (size_t offset = 0; offset < 4; offset++) {
		memset(long_text, 'x', offset);
		for (size_t i = offset; i + 2 < sizeof(long_text) - 1; i += 3)
			memcpy(long_text + i, "/\xc3\xb6", 3);
		long_text[900] = '\0';
		escape_name(long_text, 0x1234, one);
		escape_name(long_text, 0xffffffff, other);
		assert_true(strlen(one) <= ESCAPE_MAX && strlen(other) <= ESCAPE_MAX);
		assert_string_not_equal(one, other);
		assert_non_null(strstr(one, "%~1234"));
		assert_true(escape_is(long_text, 0x1234, one));
		assert_false(escape_is(long_text, 0x1235, one));
	}
	memset(long_text, 'y', 255);
	long_text[255] = '\0';
	check_name(long_text, long_text);
}

static uint64_t no_hash(uint64_t in, const char *text)
{
	return 41 - (in > 40);
}

static uint64_t last_hash(uint64_t in, const char *text)
{
	return NODE_KEY_MAX;
}

/* Folders of labels are apart whatever the hash says, and the same when one looks again. */
static void test_label_folders(void **state)
{
	static const struct view_label labels[] = {
		{.key = "a", .value = "", .goid = 1},   {.key = "a", .value = "x", .goid = 1},
		{.key = "a", .value = "x", .goid = 2},  {.key = "b", .value = "x", .goid = 3},
		{.key = "b", .value = "y", .goid = 3},  {.key = "cc", .value = "", .goid = 3},
		{.key = "cc", .value = "z", .goid = 4},
	};
	label_hash_fn *const hashes[] = {label_hash, no_hash, last_hash};
	const size_t n = ARRAY_SIZE(labels);

	for (unsigned h = 0; h < ARRAY_SIZE(hashes); h++) {
		struct label_numbers *of, *again;

		assert_int_equal(label_numbers(labels, n, hashes[h], &of), 0);
		assert_int_equal(label_numbers(labels, n, hashes[h], &again), 0);
		assert_memory_equal(of, again, n * sizeof(*of));
		for (size_t i = 0; i < n; i++) {
			assert_true(of[i].key <= NODE_KEY_MAX && of[i].value <= NODE_KEY_MAX);
			for (size_t k = 0; k < i; k++) {
				bool same = !strcmp(labels[i].key, labels[k].key);

				assert_int_equal(of[i].key == of[k].key, same);
				same = same && !strcmp(labels[i].value, labels[k].value);
				assert_int_equal(of[i].value == of[k].value, same);
			}
		}
		free(of);
		free(again);
	}
}

static void check_label(const struct nodes *nodes, const char *text, const char *want)
{
	char name[ESCAPE_MAX + 1];

	label_name(nodes, ROW_BY_LABEL, text, 7, name);
	assert_string_equal(name, want);
	assert_true(label_is(nodes, ROW_BY_LABEL, text, 7, want));
	assert_false(label_is(nodes, ROW_BY_LABEL, text, 7, "something else"));
	assert_false(label_is(nodes, ROW_BY_LABEL, text, 7, "COUNTS"));
}

/* No two labels have the same name, nor has one that of a file. */
static void test_label_names(void **state)
{
	struct nodes *nodes;

	assert_int_equal(nodes_new(views, n_views, &nodes), 0);
	check_label(nodes, "", "%empty");
	check_label(nodes, "unknown", "unknown");
	check_label(nodes, "%empty", "%25empty");
	check_label(nodes, "COUNTS", "%43OUNTS");
	check_label(nodes, "COUNTS.json", "%43OUNTS.json");
	check_label(nodes, "COUNTS2", "COUNTS2");
	check_label(nodes, "/job/7", "%2Fjob%2F7");
	free(nodes);
}

static void test_numbers(void **state)
{
	uint64_t value = 5;

	assert_true(!parse_u64_name("18446744073709551615", &value));
	assert_int_equal(value, UINT64_MAX);
	assert_true(!parse_u64_name("1", &value) && value == 1);
	assert_false(!parse_u64_name("18446744073709551616", &value));
	assert_false(!parse_u64_name("", &value));
	assert_false(!parse_u64_name("0", &value) && value != 0);
	assert_false(!parse_u64_name("01", &value));
	assert_false(!parse_u64_name("+1", &value));
	assert_false(!parse_u64_name(" 1", &value));
	assert_false(!parse_u64_name("1x", &value));
}

static bool drop_third(void *value, void *arg)
{
	return (uintptr_t)value % 3 == 0;
}

static void test_table(void **state)
{
	struct table t = {0};

	assert_null(table_get(&t, 1));
	table_sweep(&t, drop_third, NULL);
	for (int round = 0; round < 3; round++) {
		for (uintptr_t i = 1; i <= 5000; i++) {
			if (!table_get(&t, i << 45))
				assert_int_equal(table_add(&t, i << 45, (void *)i), 0);
		}
		assert_int_equal(t.used, 5000);
		table_sweep(&t, drop_third, NULL);
		for (uintptr_t i = 1; i <= 5000; i++)
			assert_ptr_equal(table_get(&t, i << 45), i % 3 ? (void *)i : NULL);
	}
	table_free(&t);
}

static void test_listing(void **state)
{
	struct dirlist d = {0};
	char space[24];

	dirlist_sort(&d);
	assert_int_equal(dirlist_seek(&d, 0), 0);
	dirlist_add(&d, 30, (struct node_id){0}, NULL);
	dirlist_add(&d, 10, (struct node_id){0}, "ten");
	dirlist_add(&d, 20, (struct node_id){0}, "twenty");
	dirlist_sort(&d);
	assert_int_equal(d.err, 0);
	assert_string_equal(dirlist_name(&d, 0, space), "ten");
	assert_string_equal(dirlist_name(&d, 1, space), "twenty");
	assert_string_equal(dirlist_name(&d, 2, space), "30");
	assert_int_equal(dirlist_seek(&d, 0), 0);
	assert_int_equal(dirlist_seek(&d, 10), 0);
	assert_int_equal(dirlist_seek(&d, 11), 1);
	assert_int_equal(dirlist_seek(&d, 31), 3);
	dirlist_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),      cmocka_unit_test(test_label_folders),
		cmocka_unit_test(test_label_names), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_table),       cmocka_unit_test(test_listing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
