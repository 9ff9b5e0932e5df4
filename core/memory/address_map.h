/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From addresses to small numbers. Address 0 is none. For this room; its user owns it. */
#ifndef XGOTOPFS_MEMORY_ADDRESS_MAP_H
#define XGOTOPFS_MEMORY_ADDRESS_MAP_H

#include "core/base/util.h"

struct address_map {
	struct address_slot {
		uint64_t address;
		uint32_t value;
	} * slots;
	size_t n, cap; /* cap: a power of two, or 0 */
};

#define ADDRESS_NONE UINT32_MAX

void address_map_free(struct address_map *m);
/* ADDRESS_NONE when it is not there. */
uint32_t address_map_get(const struct address_map *m, uint64_t address);
/* What is there already stays. 1: it was put, 0: it was there, or -ENOMEM. */
int address_map_put(struct address_map *m, uint64_t address, uint32_t value);

#endif
