/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hashes of what the tables in memory are asked for. Not against who chooses keys that collide. */
#ifndef XGOTOPFS_BASE_HASH_H
#define XGOTOPFS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of any bytes, the same on each run: eight at a time, since they may be many. `seed` tells tables
 * apart. All 32 bits are good. */
static inline uint32_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	uint64_t h = (14695981039346656037ull + seed) ^ len, word;
	const unsigned char *p = data;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	for (; len; p++, len--)
		h = (h ^ *p) * 1099511628211ull;
	return (uint32_t)(h ^ h >> 32);
}

/* Of a goroutine: the lower 32 bits are good, and apart from them the upper 24. */
static inline uint64_t hash_goroutine(unsigned proc, uint64_t goid)
{
	uint64_t h = (goid ^ (uint64_t)proc << 48) * 0x9e3779b97f4a7c15ull;

	return h ^ h >> 29;
}

#endif
