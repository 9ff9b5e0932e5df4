/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow half of idmap.h: growing. */
#include "core/capture/idmap.h"

#include <errno.h>

#define IDMAP_FIRST 64

void idmap_free(struct idmap *m)
{
	free(m->entries);
	*m = IDMAP_INIT;
}

static void insert(struct idmap *m, struct idmap_entry e)
{
	size_t i = idmap_slot(m, e.key, e.salt);

	while (m->entries[i].id)
		i = (i + 1) & (m->cap - 1);
	m->entries[i] = e;
}

static int grow(struct idmap *m)
{
	struct idmap bigger = {.cap = m->cap ? 2 * m->cap : IDMAP_FIRST, .used = m->used};

	bigger.entries = calloc(bigger.cap, sizeof(*bigger.entries));
	if (!bigger.entries)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->entries[i].id)
			insert(&bigger, m->entries[i]);
	free(m->entries);
	*m = bigger;
	return 0;
}

int idmap_put(struct idmap *m, uint64_t key, uint32_t salt, uint32_t id)
{
	int err;

	if (idmap_full(m))
		return -ENOSPC;
	if (2 * m->used >= m->cap) {
		err = grow(m);
		if (err)
			return err;
	}
	insert(m, (struct idmap_entry){.key = key, .salt = salt, .id = id + 1});
	m->used++;
	return 0;
}

bool idmap_full(const struct idmap *m)
{
	return m->used >= IDMAP_MAX;
}
