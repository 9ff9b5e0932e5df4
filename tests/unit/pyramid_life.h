/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of the pyramid share: lives made up from a fixed seed. */
#ifndef XGOTOPFS_TESTS_PYRAMID_LIFE_H
#define XGOTOPFS_TESTS_PYRAMID_LIFE_H

#include <stdint.h>

#include "core/model/event.h"

#define ORIGIN (1ull << 44)

struct change {
	uint64_t time;
	uint8_t from, to;
};

static uint64_t seed = 88172645463325252ull;

static inline uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20);
}

static inline struct event state_event(uint64_t goid, const struct change *c)
{
	return (struct event){.type = EVENT_CASGSTATUS,
			      .time_ns = c->time,
			      .target = goid,
			      .goid = goid,
			      .from = c->from,
			      .to = c->to};
}

#endif
