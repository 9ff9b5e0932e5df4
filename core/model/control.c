/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What controls take, as text (control.h); rates in the original's form. Pure functions. */
#include "core/model/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"

#define GOROUTINES "goroutines" /* the rate that is no event's */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
	while (*len && is_space((*text)[0])) {
		++*text;
		--*len;
	}
	while (*len && is_space((*text)[*len - 1]))
		--*len;
}

/* A decimal fraction such as "1", "0.05" or ".5", in parts of RATE_ONE; or what is wrong with it.
 */
static const char *parse_rate(const char *text, size_t len, uint32_t *ret)
{
	const char *at = text, *end = text + len;
	uint64_t value = 0;
	bool rest = false;
	int err = scan_scaled(&at, end, RATE_ONE, &value, &rest);

	/* What follows a number is part of its text: "50%" is none. */
	if (err == -EINVAL || (!err && at != end && value <= RATE_ONE))
		return "is not a decimal number";
	if (err || value > RATE_ONE || (value == RATE_ONE && rest))
		return "is not between 0 and 1";
	if (rest)
		return "is finer than 0.0001";
	*ret = (uint32_t)value;
	return NULL;
}

/* What goes into a reason, which is one line. */
static void copy_line(const char *text, size_t len, char *ret, size_t size)
{
	snprintf(ret, size, "%.*s", (int)(len < size ? len : size - 1), text);
	for (; *ret; ret++) {
		if ((unsigned char)*ret < ' ' || *ret == 0x7f)
			*ret = '?';
	}
}

static int parse_item(const char *item, size_t len, uint32_t rates[RATES], bool named[RATES],
		      char *why, size_t size)
{
	const char *colon = memchr(item, ':', len), *wrong, *rate;
	size_t name_len = colon ? (size_t)(colon - item) : len, rate_len;
	const char *name_text = item;
	char name[32], shown[41];
	int type;

	trim(&name_text, &name_len);
	copy_line(name_text, name_len, name, sizeof(name));
	type = name_len >= sizeof(name)   ? -EINVAL
	       : strcmp(name, GOROUTINES) ? event_type_parse(name)
					  : RATE_GOROUTINES;
	if (type < 0) {
		snprintf(why, size,
			 "\"%s\" is not an event: use casgstatus, makeslice, makemap, newobject, "
			 "newgoroutine, goexit, or " GOROUTINES,
			 name);
		return -EINVAL;
	}
	if (named[type]) {
		snprintf(why, size, "%s is named twice", name);
		return -EINVAL;
	}
	rate = colon ? colon + 1 : item + len;
	rate_len = (size_t)(item + len - rate);
	trim(&rate, &rate_len);
	if (rate_len == 0) {
		snprintf(why, size, "%s has no rate: write %s:0.1 for one in ten", name, name);
		return -EINVAL;
	}
	wrong = parse_rate(rate, rate_len, &rates[type]);
	if (wrong) {
		copy_line(rate, rate_len, shown, sizeof(shown));
		snprintf(why, size, "%s: rate \"%s\" %s", name, shown, wrong);
		return -EINVAL;
	}
	if (type == RATE_GOROUTINES && !rates[type]) {
		snprintf(why, size, GOROUTINES ": rate 0 chooses none, whose events then?");
		return -EINVAL;
	}
	named[type] = true;
	return 0;
}

int control_parse_rates(const char *text, uint32_t ret[RATES], char *why, size_t size)
{
	uint32_t rates[RATES] = {[RATE_GOROUTINES] = RATE_ONE};
	bool named[RATES] = {0}, any = false, wanted = false;
	size_t len = strlen(text);

	trim(&text, &len);
	if (len == 0) {
		snprintf(why, size, "the list of events is empty");
		return -EINVAL;
	}
	for (;;) {
		const char *comma = memchr(text, ',', len);
		size_t item_len = comma ? (size_t)(comma - text) : len;
		const char *item = text;
		size_t trimmed = item_len;

		trim(&item, &trimmed);
		if (trimmed == 0) {
			snprintf(why, size, "an event is missing between two commas, or at an end");
			return -EINVAL;
		}
		if (parse_item(item, trimmed, rates, named, why, size))
			return -EINVAL;
		if (!comma)
			break;
		text += item_len + 1;
		len -= item_len + 1;
	}
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		any = any || named[type];
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		if (!any)
			rates[type] = RATE_ONE;
		wanted = wanted || rates[type];
	}
	if (!wanted)
		rates[RATE_GOROUTINES] = RATE_ONE;
	memcpy(ret, rates, sizeof(rates));
	return 0;
}

static int refuse(const char *text, const char *takes, char *why, size_t size)
{
	char shown[41];

	copy_line(text, strlen(text), shown, sizeof(shown));
	snprintf(why, size, "\"%s\" is not taken: %s", shown, takes);
	return -EINVAL;
}

int control_parse_paused(const char *text, bool *ret, char *why, size_t size)
{
	if (strcmp(text, "0") && strcmp(text, "1"))
		return refuse(text, "0 (go on) or 1 (pause)", why, size);
	*ret = text[0] == '1';
	return 0;
}

/* A lower one is shown with an exponent, which cannot be written back; and it means nothing. */
bool control_max_overhead_ok(double percent)
{
	return percent == 0 || (percent >= 0.0001 && percent <= 100);
}

int control_parse_max_overhead(const char *text, double *ret, char *why, size_t size)
{
	if (parse_real(text, ret) || !control_max_overhead_ok(*ret))
		return refuse(text, CONTROL_MAX_OVERHEAD_TAKES, why, size);
	return 0;
}

bool rate_chooses(uint32_t rate, int pid, uint64_t goid)
{
	uint64_t x = goid + (uint64_t)(uint32_t)pid * 0x9e3779b97f4a7c15ull;

	/* The finaliser of splitmix64. */
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	return (x >> 32) * RATE_ONE >> 32 < rate;
}

void control_format_rate(uint32_t rate, struct buf *out)
{
	uint32_t part = rate % RATE_ONE;
	int digits = 4;

	buf_addu(out, rate / RATE_ONE);
	if (part == 0)
		return;
	while (part % 10 == 0) {
		part /= 10;
		digits--;
	}
	buf_addc(out, '.');
	buf_addu_pad(out, part, digits);
}

void control_format_rates(const uint32_t rates[RATES], struct buf *out)
{
	bool first = true;

	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		if (rates[type] == 0)
			continue;
		if (!first)
			buf_addc(out, ',');
		first = false;
		buf_adds(out, event_type_name(type));
		buf_addc(out, ':');
		control_format_rate(rates[type], out);
	}
	if (!first && rates[RATE_GOROUTINES] < RATE_ONE) {
		buf_adds(out, "," GOROUTINES ":");
		control_format_rate(rates[RATE_GOROUTINES], out);
	}
}
