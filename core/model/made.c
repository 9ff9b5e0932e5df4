/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many goroutines were made at each go statement: exact, however many of them are kept. A table
 * a shard and process, by whose shard the goroutine is; summed up for who asks.
 */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"

#define ROWS_FIRST 32

static struct made_row *row_of(const struct made_rows *t, uint32_t site_id, uint32_t start_func_id)
{
	uint32_t at = (site_id * 0x9e3779b1u ^ start_func_id * 0x85ebca6bu) & (t->cap - 1);
	struct made_row *row = &t->rows[at];

	while (row->n && (row->site_id != site_id || row->start_func_id != start_func_id))
		row = &t->rows[++at & (t->cap - 1)];
	return row;
}

static bool grow(struct made_rows *t)
{
	struct made_rows more = {.n = t->n, .cap = t->cap ? 2 * t->cap : ROWS_FIRST};

	more.rows = calloc(more.cap, sizeof(*more.rows));
	if (!more.rows)
		return false;
	for (uint32_t i = 0; i < t->cap; i++)
		if (t->rows[i].n)
			*row_of(&more, t->rows[i].site_id, t->rows[i].start_func_id) = t->rows[i];
	free(t->rows);
	*t = more;
	return true;
}

/* false: no memory. */
static bool add(struct made_rows *t, uint32_t site_id, uint32_t start_func_id, uint64_t n)
{
	struct made_row *row;

	if (2 * (t->n + 2) > t->cap && !grow(t))
		return false;
	row = row_of(t, site_id, start_func_id);
	if (!row->n && t->n >= MODEL_MADE_MAX) {
		site_id = start_func_id = 0;
		row = row_of(t, 0, 0);
	}
	if (!row->n) {
		t->n++;
		row->site_id = site_id;
		row->start_func_id = start_func_id;
	}
	row->n += n;
	return true;
}

void made_count(struct shard *s, struct made_rows *rows, uint32_t site_id, uint32_t start_func_id)
{
	uint32_t cap = rows->cap;

	if (!add(rows, site_id, start_func_id, 1))
		s->dropped_rows++;
	s->memory += (size_t)(rows->cap - cap) * sizeof(*rows->rows);
}

int model_made(struct model *m, unsigned proc, struct made_at **ret, size_t *ret_n)
{
	struct made_rows all = {0};
	struct made_at *list = NULL;
	size_t n = 0;
	int err;

	pthread_rwlock_rdlock(&m->lock);
	err = proc_known(m, proc) ? 0 : -ENOENT;
	for (unsigned i = 0; !err && i < m->n_shards; i++) {
		const struct made_rows *t = &m->shards[i].procs[proc]->made;

		for (uint32_t k = 0; k < t->cap && !err; k++)
			if (t->rows[k].n &&
			    !add(&all, t->rows[k].site_id, t->rows[k].start_func_id, t->rows[k].n))
				err = -ENOMEM;
	}
	pthread_rwlock_unlock(&m->lock);
	if (!err) {
		list = malloc((all.n + 1) * sizeof(*list));
		err = list ? 0 : -ENOMEM;
	}
	for (uint32_t k = 0; !err && k < all.cap; k++)
		if (all.rows[k].n)
			list[n++] = (struct made_at){all.rows[k].site_id, all.rows[k].start_func_id,
						     all.rows[k].n};
	free(all.rows);
	if (err)
		return err;
	*ret = list;
	*ret_n = n;
	return 0;
}
