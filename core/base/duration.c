/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Durations in Go's syntax. Whole nanoseconds throughout, so that nothing is rounded by a double.
 */
#include "core/base/duration.h"

#include <errno.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/util.h"

struct unit {
	const char *name;
	uint64_t ns;
};

/* Longest match first: "ms" before "m". */
static const struct unit units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\xc2\xb5s", 1000}, /* U+00B5, micro sign */
	{"\xce\xbcs", 1000}, /* U+03BC, Greek mu */
	{"ms", 1000 * 1000},
	{"s", NS_PER_SEC},
	{"m", 60 * NS_PER_SEC},
	{"h", 3600 * NS_PER_SEC},
	{"d", 24 * 3600 * NS_PER_SEC},
};

static const struct unit *unit_at(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strncmp(text, units[i].name, strlen(units[i].name)) == 0)
			return &units[i];
	}
	return NULL;
}

/* One "1.5h" term; moves *at past it. What is below a nanosecond is dropped. */
static int term_parse(const char **at, const char *end, uint64_t *ret_ns)
{
	const char *p = *at, *unit_text = p + strspn(p, "0123456789.");
	const struct unit *unit = unit_at(unit_text);
	bool rest;
	int err;

	if (!unit)
		return -EINVAL;
	err = scan_scaled(&p, end, unit->ns, ret_ns, &rest);
	if (err)
		return err;
	if (p != unit_text)
		return -EINVAL;
	*at = p + strlen(unit->name);
	return 0;
}

int duration_parse(const char *text, uint64_t *ret_ns)
{
	const char *end = text + strlen(text);
	uint64_t sum = 0, ns;
	int err;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		err = term_parse(&text, end, &ns);
		if (err)
			return err;
		if (__builtin_add_overflow(sum, ns, &sum) || sum > INT64_MAX)
			return -ERANGE;
	}
	*ret_ns = sum;
	return 0;
}
