/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Open addressing, at most half full. See address_map.h. */
#include "core/memory/address_map.h"

#include <errno.h>

#include "core/base/hash.h"

#define FIRST 256

static struct address_slot *slot_of(const struct address_map *m, uint64_t address)
{
	size_t at = hash_u64(address) & (m->cap - 1);

	while (m->slots[at].address && m->slots[at].address != address)
		at = (at + 1) & (m->cap - 1);
	return &m->slots[at];
}

static int grow(struct address_map *m)
{
	struct address_map next = {.n = m->n, .cap = m->cap ? m->cap * 2 : FIRST};

	next.slots = calloc(next.cap, sizeof(*next.slots));
	if (!next.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++) {
		if (m->slots[i].address)
			*slot_of(&next, m->slots[i].address) = m->slots[i];
	}
	free(m->slots);
	*m = next;
	return 0;
}

void address_map_free(struct address_map *m)
{
	free(m->slots);
	*m = (struct address_map){0};
}

uint32_t address_map_get(const struct address_map *m, uint64_t address)
{
	const struct address_slot *slot = m->cap && address ? slot_of(m, address) : NULL;

	return slot && slot->address ? slot->value : ADDRESS_NONE;
}

int address_map_put(struct address_map *m, uint64_t address, uint32_t value)
{
	struct address_slot *slot;

	if (!address)
		return 0;
	if (m->n * 2 >= m->cap && grow(m))
		return -ENOMEM;
	slot = slot_of(m, address);
	if (slot->address)
		return 0;
	*slot = (struct address_slot){address, value};
	m->n++;
	return 1;
}
