/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From (address, salt) to a small id: the caches that keep decoding an event to a few loads. Open
 * addressing, grows, never forgets, bounded. One thread; its user owns it; IDMAP_INIT is empty.
 */
#ifndef XGOTOPFS_CAPTURE_IDMAP_H
#define XGOTOPFS_CAPTURE_IDMAP_H

#include "core/base/util.h"

struct idmap_entry {
	uint64_t key;
	uint32_t salt;
	uint32_t id;
};

struct idmap {
	struct idmap_entry *entries; /* id + 1; 0 = empty */
	size_t cap, used;
};

#define IDMAP_INIT ((struct idmap){0})
#define IDMAP_MAX  (1u << 20)

void idmap_free(struct idmap *m);
/* -ENOSPC at IDMAP_MAX entries, -ENOMEM; then it is not in. The key must be new; id < UINT32_MAX.
 */
int idmap_put(struct idmap *m, uint64_t key, uint32_t salt, uint32_t id);
bool idmap_full(const struct idmap *m);

static inline size_t idmap_slot(const struct idmap *m, uint64_t key, uint32_t salt)
{
	uint64_t hash = (key + salt * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;

	return (hash ^ hash >> 32) & (m->cap - 1);
}

static inline bool idmap_get(const struct idmap *m, uint64_t key, uint32_t salt, uint32_t *ret)
{
	if (!m->cap)
		return false;
	for (size_t i = idmap_slot(m, key, salt);; i = (i + 1) & (m->cap - 1)) {
		const struct idmap_entry *e = &m->entries[i];

		if (!e->id)
			return false;
		if (e->key == key && e->salt == salt) {
			*ret = e->id - 1;
			return true;
		}
	}
}

#endif
