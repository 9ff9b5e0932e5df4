/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/base/parse: numbers, lists and ranges from outside. What does not fit is an error, and
 * nothing is written past an array. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/parse.h"
#include "core/base/util.h"

/* Not a number for anybody. */
static const char *const no_numbers[] = {
	"",    " ",   "-",   "+1",  "-1",   " 1",       "1 ",        "1\n", "0x10", "1e3",
	"nan", "inf", "1_0", "1,0", "1k2x", "\xd9\xa3", "\xff\xfez", "--1", "''",   "1e400",
};

static void test_whole(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},
		{"007", 7},
		{"9223372036854775808", 1ull << 63},
		{"18446744073709551615", UINT64_MAX},
		{"0000000000000000000000000000000018446744073709551615", UINT64_MAX},
	};
	static const char *const large[] = {
		"18446744073709551616",
		"18446744073709551625",
		"99999999999999999999",
		"340282366920938463463374607431768211456",
	};
	uint64_t v = 77;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_u64(good[i].text, &v), 0);
		assert_true(v == good[i].value);
	}
	v = 77;
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		assert_int_equal(parse_u64(large[i], &v), -ERANGE);
	for (size_t i = 0; i < ARRAY_SIZE(no_numbers); i++) {
		assert_int_equal(parse_u64(no_numbers[i], &v), -EINVAL);
		assert_int_equal(parse_u64_name(no_numbers[i], &v), -EINVAL);
	}
	assert_int_equal(parse_u64("1.5", &v), -EINVAL);
	assert_int_equal(parse_u64("99999999999999999999x", &v), -EINVAL);
	assert_int_equal(parse_u64_in("7", 8, 9, &v), -ERANGE);
	assert_int_equal(parse_u64_in("10", 8, 9, &v), -ERANGE);
	assert_int_equal(parse_u64_name("07", &v), -EINVAL);
	assert_int_equal(v, 77);
	assert_int_equal(parse_u64_in("9", 8, 9, &v), 0);
	assert_int_equal(parse_u64_name("0", &v), 0);
	assert_int_equal(v, 0);
}

static void test_real(void **state)
{
	char digits[401], small[401];
	double v = 77, zero = 77;
	uint64_t u = 77;

	memset(digits, '9', sizeof(digits) - 1);
	digits[sizeof(digits) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(no_numbers); i++) {
		assert_int_equal(parse_real(no_numbers[i], &v), -EINVAL);
		assert_int_equal(parse_scaled(no_numbers[i], 1000, &u), -EINVAL);
	}
	assert_int_equal(parse_real(".", &v), -EINVAL);
	assert_int_equal(parse_real("1.2.3", &v), -EINVAL);
	assert_int_equal(parse_real(digits, &v), -ERANGE);
	memset(small, '0', sizeof(small) - 1);
	small[sizeof(small) - 1] = '\0';
	small[1] = '.';
	assert_int_equal(parse_real(small, &zero), 0);
	assert_true(zero == 0);
	small[sizeof(small) - 2] = '1';
	assert_int_equal(parse_real(small, &v), -ERANGE);
	assert_true(v == 77);
	assert_int_equal(parse_real("5.", &v), 0);
	assert_true(v == 5);
	assert_int_equal(parse_real(".25", &v), 0);
	assert_true(v == 0.25);

	assert_int_equal(parse_scaled(".", 1000, &u), -EINVAL);
	assert_int_equal(parse_scaled("1.2.3", 1000, &u), -EINVAL);
	assert_int_equal(parse_scaled(digits, 1000, &u), -ERANGE);
	assert_int_equal(parse_scaled("18446744073.709551616", NS_PER_SEC, &u), -ERANGE);
	assert_int_equal(parse_scaled("1.9", UINT64_MAX, &u), -ERANGE);
	assert_int_equal(u, 77);
	assert_int_equal(parse_scaled("18446744073.709551615", NS_PER_SEC, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(parse_scaled("0.9999999999999999999999", UINT64_MAX, &u), 0);
	assert_int_equal(parse_scaled("12.5009", 1000, &u), 0);
	assert_int_equal(u, 12500);
}

static void test_rest(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
		bool rest;
	} cases[] = {
		{"1", 100, false},
		{"1.00", 100, false},
		{"1.001", 100, true},
		{".999", 99, true},
		{"0.010", 1, false},
		{"5.", 500, false},
		{"0.3", 30, false},
		{"1.00000000000000000000000000000000000001", 100, true},
		{"1.00000000000000000000000000000000000000", 100, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = cases[i].text, *end = at + strlen(at);
		uint64_t v;
		bool rest;

		assert_int_equal(scan_scaled(&at, end, 100, &v, &rest), 0);
		assert_ptr_equal(at, end);
		assert_int_equal(v, cases[i].value);
		assert_int_equal(rest, cases[i].rest);
	}
}

static void test_size(void **state)
{
	uint64_t v = 77;

	for (size_t i = 0; i < ARRAY_SIZE(no_numbers); i++)
		assert_int_equal(parse_size(no_numbers[i], &v), -EINVAL);
	assert_int_equal(parse_size("1X", &v), -EINVAL);
	assert_int_equal(parse_size("1KK", &v), -EINVAL);
	assert_int_equal(parse_size("1.5G", &v), -EINVAL);
	assert_int_equal(parse_size("K", &v), -EINVAL);
	assert_int_equal(parse_size("16777216T", &v), -ERANGE);
	assert_int_equal(parse_size("18446744073709551615K", &v), -ERANGE);
	assert_int_equal(parse_size("18446744073709551616", &v), -ERANGE);
	assert_int_equal(v, 77);
	assert_int_equal(parse_size("16777215T", &v), 0);
	assert_true(v == 16777215ull << 40);
	assert_int_equal(parse_size("2GiB", &v), 0);
	assert_true(v == 2ull << 30);
}

#define MAX_ITEMS 1024

/* The array has a guard behind it, and a sanitizer sees more. */
static int parse_list(const char *text, uint64_t ret[MAX_ITEMS], size_t *n)
{
	uint64_t guarded[MAX_ITEMS + 1];
	int err;

	guarded[MAX_ITEMS] = 0x5a5a5a5a;
	*n = 4711;
	err = parse_u64_list(text, guarded, MAX_ITEMS, n);
	assert_true(guarded[MAX_ITEMS] == 0x5a5a5a5a);
	if (err)
		assert_int_equal(*n, 4711);
	memcpy(ret, guarded, MAX_ITEMS * sizeof(*ret));
	return err;
}

static void test_list(void **state)
{
	static const char *const bad[] = {
		",",     "1,",   ",1",
		"1,,2",  "1-",   "-1",
		"1-2-3", "5-4",  "18446744073709551615-0",
		"1 2",   "1, 2", "1;2",
		"a",     "1-b",  "*",
		"1-2,",  "1--2", "0x1",
	};
	static const char *const large[] = {
		"18446744073709551616",
		"1-18446744073709551616",
		"99999999999999999999999",
	};
	static const char *const many[] = {
		"0-18446744073709551615",
		"1-18446744073709551615",
		"0-18446744073709551614",
		"1-1025",
		"1-1024,7",
		"7,1-1024",
		"1-512,1-512,1",
	};
	uint64_t v[MAX_ITEMS];
	char text[30000] = "";
	size_t n;

	assert_int_equal(parse_list("", v, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(parse_list("1,5,9-12,5", v, &n), 0);
	assert_int_equal(n, 7);
	assert_memory_equal(v, ((uint64_t[]){1, 5, 9, 10, 11, 12, 5}), 7 * sizeof(*v));
	/* The largest number ends a range, and is one. */
	assert_int_equal(parse_list("18446744073709551615", v, &n), 0);
	assert_int_equal(n, 1);
	assert_true(v[0] == UINT64_MAX);
	assert_int_equal(parse_list("18446744073709551610-18446744073709551615", v, &n), 0);
	assert_int_equal(n, 6);
	assert_true(v[5] == UINT64_MAX);
	assert_int_equal(parse_list("18446744073709550592-18446744073709551615", v, &n), 0);
	assert_int_equal(n, MAX_ITEMS);
	assert_int_equal(parse_list("18446744073709550591-18446744073709551615", v, &n), -E2BIG);
	assert_int_equal(parse_list("1-1024", v, &n), 0);
	assert_int_equal(n, MAX_ITEMS);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_list(bad[i], v, &n) != -EINVAL)
			fail_msg("\"%s\"", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		assert_int_equal(parse_list(large[i], v, &n), -ERANGE);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		assert_int_equal(parse_list(many[i], v, &n), -E2BIG);
	for (unsigned i = 0; i < 10000; i++)
		strcpy(text + 2 * i, "1,");
	assert_int_equal(parse_list(text, v, &n), -E2BIG);
	assert_int_equal(parse_u64_list("1", v, 0, &n), -E2BIG);
	assert_int_equal(parse_u64_list("", v, 0, &n), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole), cmocka_unit_test(test_real),
		cmocka_unit_test(test_rest),  cmocka_unit_test(test_size),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
