/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An event as the feed keeps it: 44 bytes, with its links to the goroutines' events before it. What
 * every real event has fits; one that does not (a number of 2^40 and more, a time a day and a half
 * from its neighbours', a field that its type has no use for: a foreign session may say anything)
 * is kept whole beside it, so that each event is read as it was put in.
 */
#ifndef XGOTOPFS_MODEL_PACKED_H
#define XGOTOPFS_MODEL_PACKED_H

#include <stddef.h>

#include "core/model/event.h"

/* How far back the previous event is that concerns the same goroutine: the actor's, and the
 * subject's where it is another one. 0 = none that is retained. */
struct feed_link {
	uint32_t actor, subject;
};

#define PACKED_TIME_MIDDLE (1ull << 47) /* a time is its distance from the base plus this */
#define PACKED_TYPE_MASK   7u
#define PACKED_EXIT_TIMED  1u
#define PACKED_FLAGS_BITS  4
#define PACKED_WIDE        0x80 /* in kind: the event is kept whole elsewhere, here are its links */

struct packed_event {
	uint32_t goid, target, parent, time; /* the lower 32 bits */
	uint16_t time_high;                  /* 48 bits */
	uint16_t cpu;
	uint8_t goid_high, target_high, parent_high; /* 40 bits */
	uint8_t kind;  /* enum event_type | enum event_flag << 3, or PACKED_WIDE */
	uint32_t link; /* feed_link.actor */
	uint32_t site_id;
	union {
		struct {
			uint32_t subject_link, string_id;
		} goroutine; /* casgstatus, newgoroutine, goexit; and what is wide */
		struct {
			uint32_t type_id, cap;
		} allocation; /* the three, and lost */
	};
	uint16_t proc;
	uint8_t extra; /* casgstatus: from << 4 | to; goexit: 1: exit_time is time_ns, else it is 0;
			  allocation: the upper bits of cap */
	uint8_t reserved;
};

_Static_assert(sizeof(struct packed_event) == 44, "what -retain costs an event");
_Static_assert(offsetof(struct event, reserved) == 60, "a new field needs its place in here");
_Static_assert(EVENT_LOST <= PACKED_TYPE_MASK, "the type's bits");

/* Of one that is not wide. */
void event_unpack(const struct packed_event *p, uint64_t base_ns, struct event *ret);

static inline bool packed_is_wide(const struct packed_event *p)
{
	return p->kind & PACKED_WIDE;
}

/* Allocations and losses tell of no other goroutine. */
static inline bool event_has_subject(uint8_t type)
{
	return type == EVENT_CASGSTATUS || type == EVENT_NEWGOROUTINE || type == EVENT_GOEXIT;
}

static inline struct feed_link packed_link(const struct packed_event *p)
{
	bool both = packed_is_wide(p) || event_has_subject(p->kind & 7);

	return (struct feed_link){p->link, both ? p->goroutine.subject_link : 0};
}

/* What is in no field of the packed form, by its type: bits that are set. */
static inline uint64_t packed_excess(const struct event *ev, uint64_t time)
{
	uint64_t excess = (ev->goid | ev->target | ev->parent) >> 40 | time >> 48 |
			  (uint64_t)ev->flags >> PACKED_FLAGS_BITS;

	if (!event_has_subject(ev->type))
		return excess | ev->cap >> 40 | ev->string_id | ev->from | ev->to |
		       (ev->type > EVENT_LOST);
	if (ev->type == EVENT_GOEXIT)
		return excess | ev->type_id | ev->from | ev->to |
		       (ev->exit_time && ev->exit_time != ev->time_ns);
	return excess | ev->type_id | ev->cap | (unsigned)ev->from >> 4 | (unsigned)ev->to >> 4;
}

/* Here, as each event goes through it. `base_ns`: a time near the event's, the same when it is
 * unpacked. false: it is wide, and only its links are in *ret. */
static inline bool event_pack(const struct event *ev, uint64_t base_ns, struct feed_link link,
			      struct packed_event *ret)
{
	uint64_t time = ev->time_ns - base_ns + PACKED_TIME_MIDDLE;

	ret->link = link.actor;
	ret->proc = ev->proc;
	if (__builtin_expect(packed_excess(ev, time) != 0, 0)) {
		ret->goroutine.subject_link = link.subject;
		ret->kind = PACKED_WIDE;
		return false;
	}
	ret->goid = (uint32_t)ev->goid;
	ret->target = (uint32_t)ev->target;
	ret->parent = (uint32_t)ev->parent;
	ret->time = (uint32_t)time;
	ret->time_high = (uint16_t)(time >> 32);
	ret->cpu = ev->cpu;
	ret->goid_high = (uint8_t)(ev->goid >> 32);
	ret->target_high = (uint8_t)(ev->target >> 32);
	ret->parent_high = (uint8_t)(ev->parent >> 32);
	ret->kind = (uint8_t)(ev->type | (unsigned)ev->flags << 3);
	ret->site_id = ev->site_id;
	if (!event_has_subject(ev->type)) {
		ret->allocation.type_id = ev->type_id;
		ret->allocation.cap = (uint32_t)ev->cap;
		ret->extra = (uint8_t)(ev->cap >> 32);
		return true;
	}
	ret->goroutine.subject_link = link.subject;
	ret->goroutine.string_id = ev->string_id;
	ret->extra = ev->type == EVENT_GOEXIT ? (ev->exit_time ? PACKED_EXIT_TIMED : 0)
					      : (uint8_t)((unsigned)ev->from << 4 | ev->to);
	return true;
}

#endif
