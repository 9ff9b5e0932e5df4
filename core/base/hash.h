/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hashes of what the tables in memory are asked for. Keys are anybody's: goroutines' numbers,
 * addresses and names of a traced program, or of a recorded session. So they are others in each
 * process, and nobody outside knows which keys would share a place, for a table to become a list.
 * For tables alone: nothing that is kept or shown may hang on them.
 */
#ifndef XGOTOPFS_BASE_HASH_H
#define XGOTOPFS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern uint64_t hash_secret[2]; /* never written to once main() has begun */

/* All 64 bits are good. */
static inline uint64_t hash_u64(uint64_t key)
{
	const unsigned __int128 product =
		(unsigned __int128)(key ^ hash_secret[0]) * hash_secret[1];

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of any bytes, eight at a time, since they may be many. `seed` tells tables apart. All 32 bits are
 * good. */
static inline uint32_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	uint64_t h = hash_u64(seed ^ (uint64_t)len << 8), word;
	const unsigned char *p = data;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = hash_u64(h ^ word);
	}
	word = 0;
	if (len)
		memcpy(&word, p, len);
	h = hash_u64(h ^ word);
	return (uint32_t)(h ^ h >> 32);
}

/*
 * Of a goroutine: the lower 32 bits are good, and apart from them the upper 24. For each event
 * several times, so it is one multiplication by what is known, which spreads neighbours evenly, of
 * what is not: numbers that differ in their upper bits alone can still share places of a table of
 * up to 2^15, which costs no more than a second.
 */
static inline uint64_t hash_goroutine(unsigned proc, uint64_t goid)
{
	uint64_t h = (goid ^ (uint64_t)proc << 48 ^ hash_secret[0]) * 0x9e3779b97f4a7c15ull;

	return h ^ h >> 29;
}

#endif
