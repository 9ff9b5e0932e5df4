/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Durations, -sample lists, numbers, ranges and sizes as people write them: what is taken is what
 * was meant, by a reckoning of its own that has more room; what is not, changes nothing.
 */
#include <errno.h>
#include <float.h>

#include "core/base/duration.h"
#include "core/base/parse.h"
#include "core/model/control.h"
#include "tests/fuzz/fuzz.h"

typedef unsigned __int128 wide;

#define ONE      ((wide)1000000000000000000u)
#define TOO_MUCH ((wide)1 << 123) /* more than 2^63 units; ten times as much still fits */

/* "12" or "1.5" up to what is neither: as 10^-18ths. -EINVAL without a digit. */
static int read_decimal(const char **text, wide *ret)
{
	wide value = 0, place = ONE;
	bool digits = false, point = false;

	for (; (**text >= '0' && **text <= '9') || (**text == '.' && !point); ++*text) {
		if (**text == '.') {
			point = true;
			continue;
		}
		digits = true;
		if (point) {
			place /= 10;
			value += place * (unsigned)(**text - '0');
		} else if (value < TOO_MUCH) {
			value = value * 10 + ONE * (unsigned)(**text - '0');
		}
	}
	*ret = value;
	return digits ? 0 : -EINVAL;
}

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"ns", 1},           {"us", 1000},          {"\xc2\xb5s", 1000},
	{"\xce\xbcs", 1000}, {"ms", 1000000},       {"s", 1000000000u},
	{"m", 60000000000u}, {"h", 3600000000000u}, {"d", 86400000000000u},
};

/* The same as duration_parse(), with a far bound; each term is rounded down to a nanosecond. */
static int read_duration(const char *text, wide *ret_ns, unsigned *ret_terms)
{
	wide sum = 0, value;

	*ret_terms = 0;
	if (!strcmp(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t unit = 0;

		if (read_decimal(&text, &value))
			return -EINVAL;
		while (unit < 9 && strncmp(text, units[unit].name, strlen(units[unit].name)))
			unit++;
		if (unit == 9)
			return -EINVAL;
		text += strlen(units[unit].name);
		sum += value / ONE * units[unit].ns + value % ONE * units[unit].ns / ONE;
		++*ret_terms;
		if (sum > TOO_MUCH)
			sum = TOO_MUCH;
	}
	*ret_ns = sum;
	return 0;
}

static void check_duration(const char *text)
{
	uint64_t ns = 0xdeadbeef;
	unsigned terms;
	wide want, slack;
	int err = duration_parse(text, &ns), want_err = read_duration(text, &want, &terms);

	/* Which of two things wrong is told does not matter. */
	FUZZ_ASSERT(err == 0 || err == -EINVAL || err == -ERANGE);
	if (want_err) {
		FUZZ_ASSERT(err);
		return;
	}
	slack = terms; /* what is below a nanosecond is dropped */
	if (err == 0) {
		FUZZ_ASSERT(ns <= INT64_MAX);
		FUZZ_ASSERT(ns <= want + slack && want <= ns + slack);
	} else {
		FUZZ_ASSERT(want + slack > INT64_MAX);
	}
}

static void check_rates(const char *text)
{
	uint32_t rates[RATES], again[RATES];
	char why[160] = "";
	struct buf out = BUF_INIT;
	bool any = false;

	memset(rates, 0x5a, sizeof(rates));
	if (control_parse_rates(text, rates, why, sizeof(why))) {
		FUZZ_ASSERT(*why && !strchr(why, '\n'));
		for (unsigned i = 0; i < RATES; i++)
			FUZZ_ASSERT(rates[i] == 0x5a5a5a5a);
		return;
	}
	for (unsigned i = 0; i < RATES; i++) {
		FUZZ_ASSERT(rates[i] <= RATE_ONE);
		any = any || (i != RATE_GOROUTINES && rates[i]);
	}
	control_format_rates(rates, &out);
	FUZZ_ASSERT(any == (out.len > 0));
	if (any) {
		FUZZ_ASSERT(!control_parse_rates(out.data, again, why, sizeof(why)));
		FUZZ_ASSERT(!memcmp(rates, again, sizeof(rates)));
	}
	buf_free(&out);
}

static void check_number(const char *text)
{
	uint64_t value = 1234567, want = 0;
	bool good = *text;
	wide sum = 0;

	for (const char *p = text; *p; p++) {
		good = good && *p >= '0' && *p <= '9';
		if (good && sum <= UINT64_MAX)
			sum = sum * 10 + (unsigned)(*p - '0');
	}
	good = good && sum <= UINT64_MAX;
	want = good ? (uint64_t)sum : 1234567;
	FUZZ_ASSERT(!parse_u64(text, &value) == good);
	FUZZ_ASSERT(value == want);
}

/* As many as the ranges say, each in its place; nothing past the array. */
static void check_list(const char *text)
{
	uint64_t list[65], guard = 0x5a5a5a5a5a5a5a5a;
	size_t n = 4711, at = 0;
	int err;

	list[64] = guard;
	err = parse_u64_list(text, list, 64, &n);
	FUZZ_ASSERT(list[64] == guard);
	if (err) {
		FUZZ_ASSERT((err == -EINVAL || err == -ERANGE || err == -E2BIG) && n == 4711);
		return;
	}
	FUZZ_ASSERT(n <= 64 && (n > 0) == (*text != '\0'));
	for (const char *p = text; *p; p += *p == ',') {
		wide first = 0, last;

		for (; *p >= '0' && *p <= '9'; p++)
			first = first * 10 + (unsigned)(*p - '0');
		last = first;
		if (*p == '-')
			for (last = 0, p++; *p >= '0' && *p <= '9'; p++)
				last = last * 10 + (unsigned)(*p - '0');
		FUZZ_ASSERT(!*p || *p == ',');
		for (wide id = first; id <= last; id++)
			FUZZ_ASSERT(at < n && list[at++] == id);
	}
	FUZZ_ASSERT(at == n);
}

/* What these take is finite, and a size is what its digits and its letter say. */
static void check_real_and_size(const char *text)
{
	double real = 0.5;
	uint64_t size = 1234567, digits;
	int err = parse_real(text, &real);

	FUZZ_ASSERT(err ? real == 0.5 && (err == -EINVAL || err == -ERANGE)
			: real >= 0 && real <= DBL_MAX);
	err = parse_size(text, &size);
	FUZZ_ASSERT(!err || (size == 1234567 && (err == -EINVAL || err == -ERANGE)));
	if (!err && !parse_u64(text, &digits))
		FUZZ_ASSERT(size == digits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	char *text = fuzz_text(&in);

	check_duration(text);
	check_rates(text);
	check_number(text);
	check_list(text);
	check_real_and_size(text);
	free(text);
	return 0;
}
