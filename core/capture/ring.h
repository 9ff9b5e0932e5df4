/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One ring as its reader sees it: struct wire_ring and struct wire_slot of bpf/abi.h, mapped. One
 * reader; all inline, so that a test can run it over plain memory.
 */
#ifndef XGOTOPFS_CAPTURE_RING_H
#define XGOTOPFS_CAPTURE_RING_H

#include <linux/types.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/util.h"

struct ring {
	struct wire_ring *control;
	const struct wire_slot *slots; /* WIRE_NEAR + n_slots */
	uint64_t n_slots;              /* far ones; a power of two */
};

/* Every record below this number has a slot, written or being written. */
static inline uint64_t ring_produced(const struct ring *r)
{
	return __atomic_load_n(&r->control->head, __ATOMIC_ACQUIRE);
}

/* Slots of records below `number` may be used again. */
static inline void ring_consumed(struct ring *r, uint64_t number)
{
	__atomic_store_n(&r->control->tail, number, __ATOMIC_RELEASE);
}

enum ring_state {
	RING_RECORD,
	RING_BUSY,        /* still being written */
	RING_OVERWRITTEN, /* a newer record took the far slot: writers ran a whole ring ahead */
};

/* Copies record `number`, which must be below ring_produced(). */
static inline enum ring_state ring_take(const struct ring *r, uint64_t number,
					union wire_record *ret)
{
	const struct wire_slot *slot = &r->slots[number & (WIRE_NEAR - 1)];
	uint64_t seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);

	if (seq != number + 1) {
		slot = &r->slots[WIRE_NEAR + (number & (r->n_slots - 1))];
		seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
	}
	if (seq != number + 1)
		/* 0, this number, or one of the rounds before: not written yet */
		return seq > number + 1 ? RING_OVERWRITTEN : RING_BUSY;
	memcpy(ret, &slot->record, sizeof(*ret));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) == seq ? RING_RECORD
								    : RING_OVERWRITTEN;
}

#endif
