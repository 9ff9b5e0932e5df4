/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers from outside; see parse.h. */
#include "core/base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRACTION_MAX 1000000000000000000ull /* 10^18: times any `one` it fits into 128 bits */

static bool digit_at(const char *at, const char *end)
{
	return at < end && *at >= '0' && *at <= '9';
}

int scan_u64(const char **at, const char *end, uint64_t *ret)
{
	const char *p = *at;
	uint64_t value = 0;

	if (!digit_at(p, end))
		return -EINVAL;
	for (; digit_at(p, end); p++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	*at = p;
	*ret = value;
	return 0;
}

int scan_scaled(const char **at, const char *end, uint64_t one, uint64_t *ret, bool *ret_rest)
{
	const char *p = *at;
	uint64_t whole = 0, fraction = 0, scale = 1, value;
	bool digits = digit_at(p, end), rest = false;
	unsigned __int128 part;
	int err = digits ? scan_u64(&p, end, &whole) : 0;

	if (err)
		return err;
	if (p < end && *p == '.') {
		for (p++; digit_at(p, end); p++, digits = true) {
			if (scale < FRACTION_MAX) {
				fraction = fraction * 10 + (uint64_t)(*p - '0');
				scale *= 10;
			} else if (*p != '0') {
				rest = true;
			}
		}
	}
	if (!digits)
		return -EINVAL;
	part = (unsigned __int128)fraction * one;
	if (__builtin_mul_overflow(whole, one, &value) ||
	    __builtin_add_overflow(value, (uint64_t)(part / scale), &value))
		return -ERANGE;
	*at = p;
	*ret = value;
	*ret_rest = rest || part % scale;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret)
{
	const char *end = text + strlen(text);
	uint64_t value;
	int err;

	/* "12x" is no number, whatever the size of its digits. */
	if (text[strspn(text, "0123456789")])
		return -EINVAL;
	err = scan_u64(&text, end, &value);
	if (!err)
		*ret = value;
	return err;
}

int parse_u64_in(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	int err = parse_u64(text, &value);

	if (err)
		return err;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_u64_name(const char *text, uint64_t *ret)
{
	return text[0] == '0' && text[1] ? -EINVAL : parse_u64(text, ret);
}

int parse_scaled(const char *text, uint64_t one, uint64_t *ret)
{
	const char *end = text + strlen(text);
	uint64_t value;
	bool rest;
	int err = scan_scaled(&text, end, one, &value, &rest);

	if (err)
		return err;
	if (text != end)
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_real(const char *text, double *ret)
{
	size_t whole = strspn(text, "0123456789"), len = whole, fraction = 0;
	double value;

	if (text[len] == '.') {
		fraction = strspn(text + len + 1, "0123456789");
		len += 1 + fraction;
	}
	if (text[len] || !(whole || fraction))
		return -EINVAL;
	/* What else strtod() would take (inf, nan, 0x10, 1e3, blanks) is out already. */
	value = strtod(text, NULL);
	/* Next to nothing is not nothing: 0 may mean something else. */
	if (!isfinite(value) || (value == 0 && text[strspn(text, "0.")]))
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const char letters[] = "KMGT";
	const char *end = text + strlen(text), *letter;
	uint64_t value;
	int err = scan_u64(&text, end, &value);

	if (err)
		return err;
	if (*text) {
		letter = strchr(letters, toupper((unsigned char)*text));
		if (!letter ||
		    (text[1] && strcmp(text + 1, "B") != 0 && strcmp(text + 1, "iB") != 0))
			return -EINVAL;
		for (const char *l = letters; l <= letter; l++) {
			if (__builtin_mul_overflow(value, 1024u, &value))
				return -ERANGE;
		}
	}
	*ret = value;
	return 0;
}

/* One "7" or "9-12". */
static int scan_range(const char **at, const char *end, uint64_t *ret_first, uint64_t *ret_last)
{
	int err = scan_u64(at, end, ret_first);

	if (err)
		return err;
	*ret_last = *ret_first;
	if (*at == end || **at != '-')
		return 0;
	++*at;
	err = scan_u64(at, end, ret_last);
	if (!err && *ret_last < *ret_first)
		err = -EINVAL;
	return err;
}

int parse_u64_list(const char *text, uint64_t *ret, size_t max, size_t *ret_n)
{
	const char *end = text + strlen(text);
	uint64_t first, last;
	size_t n = 0;
	int err;

	while (text < end) {
		err = scan_range(&text, end, &first, &last);
		if (err)
			return err;
		/* Both are differences of what is in range, so neither wraps. */
		if (n == max || last - first >= max - n)
			return -E2BIG;
		/* Counted by how many there are: `last` may be the largest number there is. */
		for (uint64_t i = 0, count = last - first + 1; i < count; i++)
			ret[n++] = first + i;
		if (text == end)
			break;
		/* A comma has something after it. */
		if (*text++ != ',' || text == end)
			return -EINVAL;
	}
	*ret_n = n;
	return 0;
}
