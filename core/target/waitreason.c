/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The texts of g.waitreason, from the binary's own table runtime.waitReasonStrings (runtime2.go):
 * their numbers change with nearly every release. Found the first time somebody asks; constant
 * from then on. Any thread.
 */
#include <string.h>

#include "core/target/target_internal.h"

#define FIRST_TEXT "GC assist marking" /* reason 1 in every release */

struct wait_reasons {
	size_t n;
	char *text[128];
};

/* How many there are; a newer release says so by its symbol, or where sense ends. */
static size_t known_count(unsigned minor)
{
	return minor <= 19   ? 27
	       : minor <= 21 ? 32
	       : minor <= 22 ? 37
	       : minor <= 23 ? 38
	       : minor <= 24 ? 44
	       : minor <= 27 ? 47
			     : 0;
}

static const char *string_at(const struct target *t, uint64_t addr, size_t *ret_n)
{
	uint64_t ptr, n;
	const char *text;

	if (image_word(t->img, addr, &ptr) || image_word(t->img, addr + 8, &n) || n > 100)
		return NULL;
	*ret_n = (size_t)n;
	if (!n)
		return "";
	text = image_at(t->img, ptr, (size_t)n);
	for (size_t i = 0; text && i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			return NULL;
	return text;
}

static bool is_table(const struct target *t, uint64_t addr)
{
	const char *text;
	size_t n;

	text = string_at(t, addr, &n);
	if (!text || n)
		return false;
	text = string_at(t, addr + 16, &n);
	return text && n == strlen(FIRST_TEXT) && !memcmp(text, FIRST_TEXT, n);
}

/* Its second entry is a string header {text, 17}: look for that among the variables. */
static uint64_t find_table(const struct target *t)
{
	struct image_segment seg;
	uint64_t n;

	for (size_t i = 0; image_segment_at(t->img, i, &seg); i++) {
		if (!seg.writable)
			continue;
		for (uint64_t at = (-seg.vaddr & 7) + 16; at + 16 <= seg.size; at += 8) {
			memcpy(&n, seg.data + at + 8, sizeof(n));
			if (n == strlen(FIRST_TEXT) && is_table(t, seg.vaddr + at - 16))
				return seg.vaddr + at - 16;
		}
	}
	return 0;
}

static struct wait_reasons *read_table(const struct target *t)
{
	struct wait_reasons *reasons = calloc(1, sizeof(*reasons));
	uint64_t addr = find_table(t), symbol, size;
	size_t max = known_count(t->build.minor), n;

	if (!reasons || !addr)
		return reasons;
	if (!max) {
		max = ARRAY_SIZE(reasons->text);
		if (!image_symbol(t->img, "runtime.waitReasonStrings", &symbol, &size) &&
		    symbol == addr)
			max = MIN(max, (size_t)(size / 16));
	}
	for (size_t i = 0; i < max; i++) {
		const char *text = string_at(t, addr + 16 * i, &n);

		if (!text || (i && !n))
			break;
		reasons->text[i] = strndup(text, n);
		if (!reasons->text[i])
			break;
		reasons->n++;
	}
	return reasons;
}

void wait_reasons_free(struct wait_reasons *reasons)
{
	if (!reasons)
		return;
	for (size_t i = 0; i < reasons->n; i++)
		free(reasons->text[i]);
	free(reasons);
}

const char *target_wait_reason(const struct target *t, unsigned reason)
{
	/* Only the lazily read table changes, and only here. */
	struct target *mut = (struct target *)t;
	const struct wait_reasons *reasons;

	pthread_mutex_lock(&mut->lock);
	if (!mut->reasons_ready)
		mut->reasons = read_table(t);
	mut->reasons_ready = true;
	reasons = mut->reasons;
	pthread_mutex_unlock(&mut->lock);
	return reasons && reason < reasons->n ? reasons->text[reason] : NULL;
}
