/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A growable, sortable list of folder entries. */
#include "fs/dirlist.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/util.h"

void dirlist_add(struct dirlist *d, uint64_t key, struct node_id id, const char *name)
{
	struct dirent_row *rows;
	size_t cap;

	if (d->err)
		return;
	if (d->n == d->cap) {
		cap = d->cap ? d->cap * 2 : 32;
		rows = realloc(d->rows, cap * sizeof(*rows));
		if (!rows) {
			d->err = -ENOMEM;
			return;
		}
		d->rows = rows;
		d->cap = cap;
	}
	d->rows[d->n++] = (struct dirent_row){
		.key = key, .id = id, .name = name ? (uint32_t)d->names.len : UINT32_MAX};
	if (name) {
		buf_adds(&d->names, name);
		buf_addc(&d->names, '\0');
		d->err = buf_error(&d->names);
	}
}

size_t dirlist_seek(const struct dirlist *d, uint64_t key)
{
	return FIRST_NOT_BELOW(d->rows, d->n, key, key);
}

const char *dirlist_name(const struct dirlist *d, size_t i, char space[24])
{
	if (d->rows[i].name != UINT32_MAX)
		return d->names.data + d->rows[i].name;
	snprintf(space, 24, "%llu", (unsigned long long)d->rows[i].key);
	return space;
}

static int by_key(const void *a, const void *b)
{
	const struct dirent_row *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

void dirlist_sort(struct dirlist *d)
{
	if (d->n > 1)
		qsort(d->rows, d->n, sizeof(*d->rows), by_key);
}

void dirlist_free(struct dirlist *d)
{
	free(d->rows);
	buf_free(&d->names);
	*d = (struct dirlist){0};
}
