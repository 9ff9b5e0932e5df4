/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events in 44 bytes: packed.h. */
#include "core/model/packed.h"

#define TIME_MIDDLE (1ull << 47) /* a time is kept as its distance from the base plus this */
#define TYPE_MASK   7u
#define EXIT_TIMED  1u

_Static_assert(EVENT_LOST <= TYPE_MASK, "the type's bits");

static inline bool above_40(uint64_t v)
{
	return v >> 40;
}

static inline uint64_t join(uint32_t low, uint16_t high)
{
	return (uint64_t)high << 32 | low;
}

/* What is in no field of the packed form, by its type. */
static inline bool fits(const struct event *ev, uint64_t time)
{
	if (above_40(ev->goid | ev->target | ev->parent) || time >> 48 ||
	    ev->flags >> PACKED_FLAGS_BITS || ev->type > EVENT_LOST)
		return false;
	if (!event_has_subject(ev->type))
		return !above_40(ev->cap) && !ev->string_id && !ev->from && !ev->to;
	if (ev->type_id)
		return false;
	if (ev->type == EVENT_GOEXIT)
		return (ev->exit_time == 0 || ev->exit_time == ev->time_ns) && !ev->from && !ev->to;
	return !ev->cap && ev->from < 16 && ev->to < 16;
}

bool event_pack(const struct event *ev, uint64_t base_ns, struct feed_link link,
		struct packed_event *ret)
{
	uint64_t time = ev->time_ns - base_ns + TIME_MIDDLE;

	ret->link = link.actor;
	ret->proc = ev->proc;
	if (!fits(ev, time)) {
		ret->goroutine.subject_link = link.subject;
		ret->kind = PACKED_WIDE;
		return false;
	}
	ret->goid = (uint32_t)ev->goid;
	ret->target = (uint32_t)ev->target;
	ret->parent = (uint32_t)ev->parent;
	ret->time = (uint32_t)time;
	ret->goid_high = (uint8_t)(ev->goid >> 32);
	ret->target_high = (uint8_t)(ev->target >> 32);
	ret->parent_high = (uint8_t)(ev->parent >> 32);
	ret->time_high = (uint16_t)(time >> 32);
	ret->cpu = ev->cpu;
	ret->site_id = ev->site_id;
	ret->kind = (uint8_t)(ev->type | (unsigned)ev->flags << 3);
	if (!event_has_subject(ev->type)) {
		ret->allocation.type_id = ev->type_id;
		ret->allocation.cap = (uint32_t)ev->cap;
		ret->extra = (uint8_t)(ev->cap >> 32);
		return true;
	}
	ret->goroutine.subject_link = link.subject;
	ret->goroutine.string_id = ev->string_id;
	ret->extra = ev->type == EVENT_GOEXIT ? (ev->exit_time ? EXIT_TIMED : 0)
					      : (uint8_t)((unsigned)ev->from << 4 | ev->to);
	return true;
}

void event_unpack(const struct packed_event *p, uint64_t base_ns, struct event *ret)
{
	uint8_t type = p->kind & TYPE_MASK;

	*ret = (struct event){
		.time_ns = base_ns - TIME_MIDDLE + join(p->time, p->time_high),
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
		ret->exit_time = p->extra & EXIT_TIMED ? ret->time_ns : 0;
	} else {
		ret->from = p->extra >> 4;
		ret->to = p->extra & 15;
	}
}
