/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See label_numbers.h. */
#include "fs/label_numbers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

/* FNV-1a, as many bits as a number has. */
uint64_t label_hash(uint64_t in, const char *text)
{
	uint64_t h = in ^ 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return (h ^ h >> NODE_KEY_BITS) & NODE_KEY_MAX;
}

struct folder {
	uint64_t number;
	size_t first, end; /* its labels */
};

static int by_number(const void *a, const void *b)
{
	const struct folder *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

/* No number twice, and none above NODE_KEY_MAX. */
static void make_apart(struct folder *folders, size_t n)
{
	uint64_t end = NODE_KEY_MAX + 1;

	qsort(folders, n, sizeof(*folders), by_number);
	for (size_t i = 1; i < n; i++)
		folders[i].number = MAX(folders[i].number, folders[i - 1].number + 1);
	for (size_t i = n; i-- && folders[i].number >= end;)
		folders[i].number = --end;
}

static size_t add(struct folder *folders, size_t n, size_t at, uint64_t number)
{
	folders[n] = (struct folder){number, at, at + 1};
	return n + 1;
}

static size_t of_keys(const struct view_label *labels, size_t n, label_hash_fn *hash,
		      struct folder *folders)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && !strcmp(labels[i].key, labels[i - 1].key))
			folders[found - 1].end++;
		else
			found = add(folders, found, i, hash(0, labels[i].key));
	}
	return found;
}

static size_t of_values(const struct view_label *labels, size_t n, label_hash_fn *hash,
			const struct label_numbers *numbers, struct folder *folders)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && numbers[i].key == numbers[i - 1].key &&
		    !strcmp(labels[i].value, labels[i - 1].value))
			folders[found - 1].end++;
		else
			found = add(folders, found, i, hash(numbers[i].key + 1, labels[i].value));
	}
	return found;
}

int label_numbers(const struct view_label *labels, size_t n, label_hash_fn *hash,
		  struct label_numbers **ret)
{
	struct label_numbers *numbers = calloc(n + 1, sizeof(*numbers));
	cleanup_free_ struct folder *folders = calloc(n + 1, sizeof(*folders));
	size_t found;

	if (!numbers || !folders) {
		free(numbers);
		return -ENOMEM;
	}
	found = of_keys(labels, n, hash, folders);
	make_apart(folders, found);
	for (size_t i = 0; i < found; i++)
		for (size_t k = folders[i].first; k < folders[i].end; k++)
			numbers[k].key = folders[i].number;
	found = of_values(labels, n, hash, numbers, folders);
	make_apart(folders, found);
	for (size_t i = 0; i < found; i++)
		for (size_t k = folders[i].first; k < folders[i].end; k++)
			numbers[k].value = folders[i].number;
	*ret = numbers;
	return 0;
}

void label_name(const struct nodes *nodes, unsigned dir, const char *text, uint64_t number,
		char ret[ESCAPE_MAX + 1])
{
	if (!*text)
		strcpy(ret, "%empty");
	else if (node_static_child(nodes, dir, text) >= 0) /* such names are short */
		snprintf(ret, ESCAPE_MAX + 1, "%%%02X%s", (unsigned)(unsigned char)*text, text + 1);
	else
		escape_name(text, number, ret);
}

bool label_is(const struct nodes *nodes, unsigned dir, const char *text, uint64_t number,
	      const char *name)
{
	char want[ESCAPE_MAX + 1];

	if (*text && *name != '%')
		return escape_is(text, number, name) && node_static_child(nodes, dir, text) < 0;
	label_name(nodes, dir, text, number, want);
	return !strcmp(want, name);
}
