/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/base/duration: Go's syntax, and nothing that Go would refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "core/base/duration.h"
#include "core/base/util.h"

static void reads_what_go_writes(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{"0", 0},
		{"0s", 0},
		{"1ns", 1},
		{"100ms", 100 * 1000000ull},
		{"1.5s", 1500 * 1000000ull},
		{".5s", 500 * 1000000ull},
		{"1.s", NS_PER_SEC},
		{"1h15m30.918s", 4530918 * 1000000ull},
		{"12us", 12000},
		{"12\xc2\xb5s", 12000},
		{"12\xce\xbcs", 12000},
		{"1.000000001s", 1000000001},
		{"0.1m", 6 * NS_PER_SEC},
		{"2m3ms", 120 * NS_PER_SEC + 3000000},
		{"7d", 7ull * 86400 * NS_PER_SEC},
		{"1d12h", 36ull * 3600 * NS_PER_SEC},
		{"2562047h", 2562047ull * 3600 * NS_PER_SEC},
		{"9223372036.854775807s", INT64_MAX},
		{"9223372036.8547758079999999999999999s", INT64_MAX},
		/* What a minute's digits beyond its own make up is not lost. */
		{"0.16666666667m", 10 * NS_PER_SEC},
		{"0.00001157407408d", NS_PER_SEC},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ns = 77;

		assert_int_equal(duration_parse(cases[i].text, &ns), 0);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void refuses_the_rest(void **state)
{
	static const char *const bad[] = {"",    "1",   "s",    ".s",   "1x",  "1 s",
					  "-1s", "+1s", "1.5",  "1e3s", "1s ", " 1s",
					  "1ss", "1s2", "1..s", "0x1s", "00",  "ms1"};
	uint64_t ns;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (duration_parse(bad[i], &ns) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
	}
	assert_int_equal(duration_parse("2562048h", &ns), -ERANGE);
	assert_int_equal(duration_parse("9223372036854775807ns1ns", &ns), -ERANGE);
	assert_int_equal(duration_parse("99999999999999999999s", &ns), -ERANGE);
	/* Whole part and fraction fit, their sum does not. */
	assert_int_equal(duration_parse("18446744073.709551616s", &ns), -ERANGE);
	assert_int_equal(duration_parse("18446744073.709551615s", &ns), -ERANGE);
	assert_int_equal(duration_parse("9223372036.854775808s", &ns), -ERANGE);
	assert_int_equal(duration_parse("307445734.56182586027m", &ns), -ERANGE);
	assert_int_equal(duration_parse("213503.98233460129d", &ns), -ERANGE);
	assert_int_equal(duration_parse("18446744073709551615.9ns", &ns), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_go_writes),
		cmocka_unit_test(refuses_the_rest),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
