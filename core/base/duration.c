/* Durations in Go's syntax. Whole nanoseconds throughout, so that nothing is rounded by a double.
 */
#include "core/base/duration.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/base/util.h"

struct unit {
	const char *name;
	uint64_t ns;
};

/* Longest match first: "ms" before "m". */
static const struct unit units[] = {
	{"ns", 1},           {"us", 1000},      {"\xc2\xb5s", 1000}, /* U+00B5, micro sign */
	{"\xce\xbcs", 1000},                                         /* U+03BC, Greek mu */
	{"ms", 1000 * 1000}, {"s", NS_PER_SEC}, {"m", 60 * NS_PER_SEC}, {"h", 3600 * NS_PER_SEC},
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

/* One "1.5h" term; moves *text past it. Digits of the fraction below a nanosecond are dropped. */
static int term_parse(const char **text, uint64_t *ret_ns)
{
	const char *p = *text, *fraction = NULL;
	const struct unit *unit;
	uint64_t whole = 0, ns, scale;
	bool digits = false;

	for (; isdigit((unsigned char)*p); p++, digits = true) {
		if (__builtin_mul_overflow(whole, 10ull, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -ERANGE;
	}
	if (*p == '.') {
		fraction = ++p;
		for (; isdigit((unsigned char)*p); p++)
			digits = true;
	}
	unit = unit_at(p);
	if (!digits || !unit)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, unit->ns, &ns))
		return -ERANGE;
	scale = unit->ns;
	/* h and m are no powers of ten: a digit may carry a rest, which the next scale drops. */
	for (; fraction && fraction < p && scale >= 10; fraction++) {
		scale /= 10;
		if (__builtin_add_overflow(ns, scale * (uint64_t)(*fraction - '0'), &ns))
			return -ERANGE;
	}
	*text = p + strlen(unit->name);
	*ret_ns = ns;
	return 0;
}

int duration_parse(const char *text, uint64_t *ret_ns)
{
	uint64_t sum = 0, ns;
	int err;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		err = term_parse(&text, &ns);
		if (err)
			return err;
		if (__builtin_add_overflow(sum, ns, &sum) || sum > INT64_MAX)
			return -ERANGE;
	}
	*ret_ns = sum;
	return 0;
}
