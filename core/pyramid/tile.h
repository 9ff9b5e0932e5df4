/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tile's bytes (docs/api.md, "Tiles"): a header, then of each goroutine a row and its cells.
 * Little-endian, nothing between them. tile.c writes them; core/view/contract.c tells the UI where
 * what lies.
 */
#ifndef XGOTOPFS_PYRAMID_TILE_H
#define XGOTOPFS_PYRAMID_TILE_H

#include <stdint.h>

#include "core/pyramid/pyramid.h"

#define TILE_SHIFT 8 /* a tile is 2^TILE_SHIFT buckets wide */
_Static_assert(1 << TILE_SHIFT == PYRAMID_TILE_BUCKETS, "tile width");

#define TILE_MAGIC 0x31544758u /* "XGT1" */

struct tile_header {
	uint32_t magic;
	uint16_t level, rows;
	uint64_t begin_ns, known_ns; /* known_ns: nothing is known of what is later */
} __attribute__((packed));

/* A row's flags; from bit TILE_COARSER on, by how many levels its cells are coarser. */
enum tile_flag {
	TILE_KNOWN = 1 << 0,
	TILE_GONE = 1 << 1, /* something happened, but its events are no longer kept */
};
#define TILE_COARSER 2

struct tile_row {
	uint64_t goid;
	uint8_t before; /* state before the first cell */
	uint8_t flags;
	uint16_t cells;
} __attribute__((packed));

struct tile_cell {
	uint16_t bucket; /* of the cells' level, from the tile's begin */
	uint8_t states;  /* dominant << 4 | state at the end; of one that waits: PYRAMID_WAITS */
	uint8_t flags;   /* enum pyramid_flag */
	uint8_t share[SHARES];
	uint16_t transitions, allocs;
	uint32_t alloc_bytes;
} __attribute__((packed));

/* Of which state each share is. */
#define SHARE_STATES                                                                               \
	{                                                                                          \
		[SHARE_RUNNING] = GSTATE_RUNNING, [SHARE_RUNNABLE] = GSTATE_RUNNABLE,              \
		[SHARE_SYSCALL] = GSTATE_SYSCALL, [SHARE_WAITING] = GSTATE_WAITING,                \
	}

#endif
