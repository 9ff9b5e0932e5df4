/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events in 44 bytes: packed.h. */
#include "core/model/packed.h"

static inline uint64_t join(uint32_t low, uint16_t high)
{
	return (uint64_t)high << 32 | low;
}

void event_unpack(const struct packed_event *p, uint64_t base_ns, struct event *ret)
{
	uint8_t type = p->kind & PACKED_TYPE_MASK;

	*ret = (struct event){
		.time_ns = base_ns - PACKED_TIME_MIDDLE + join(p->time, p->time_high),
		.goid = join(p->goid, p->goid_high),
		.parent = join(p->parent, p->parent_high),
		.target = join(p->target, p->target_high),
		.site_id = p->site_id,
		.proc = p->proc,
		.cpu = p->cpu,
		.type = type,
		.flags = p->kind >> 3 & ((1u << PACKED_FLAGS_BITS) - 1),
	};
	if (!event_has_subject(type)) {
		ret->type_id = p->allocation.type_id;
		ret->cap = join(p->allocation.cap, p->extra);
		return;
	}
	ret->string_id = p->goroutine.string_id;
	if (type == EVENT_GOEXIT) {
		ret->exit_time = p->extra & PACKED_EXIT_TIMED ? ret->time_ns : 0;
	} else {
		ret->from = p->extra >> 4;
		ret->to = p->extra & 15;
	}
}
