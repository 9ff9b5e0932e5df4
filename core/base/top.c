/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first `limit` of many: a heap whose root is the last of those kept, so what comes is held
 * against that one alone. */
#include "core/base/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

static char *at(const struct top *t, size_t i)
{
	return (char *)t->v + i * t->size;
}

/* Puts *item where the hole `i` is, or further up. */
static void rise(struct top *t, size_t i, const void *item)
{
	while (i && t->compare(at(t, (i - 1) / 2), item) < 0) {
		memcpy(at(t, i), at(t, (i - 1) / 2), t->size);
		i = (i - 1) / 2;
	}
	memcpy(at(t, i), item, t->size);
}

/* Puts *item in the root's place, or further down. */
static void sink(struct top *t, const void *item)
{
	size_t i = 0, child;

	while ((child = 2 * i + 1) < t->n) {
		if (child + 1 < t->n && t->compare(at(t, child), at(t, child + 1)) < 0)
			child++;
		if (t->compare(at(t, child), item) <= 0)
			break;
		memcpy(at(t, i), at(t, child), t->size);
		i = child;
	}
	memcpy(at(t, i), item, t->size);
}

int top_add(struct top *t, const void *item)
{
	if (t->n == t->limit) {
		t->more = true;
		if (t->n && t->compare(item, t->v) < 0)
			sink(t, item);
		return 0;
	}
	if (t->n == t->cap) {
		size_t cap = MIN(t->cap ? t->cap * 2 : 64, t->limit);
		void *v = reallocarray(t->v, cap, t->size);

		if (!v)
			return -ENOMEM;
		t->v = v;
		t->cap = cap;
	}
	rise(t, t->n++, item);
	return 0;
}

void top_sort(struct top *t)
{
	if (t->n)
		qsort(t->v, t->n, t->size, t->compare);
}

void top_free(struct top *t)
{
	free(t->v);
	t->v = NULL;
	t->n = t->cap = 0;
}
