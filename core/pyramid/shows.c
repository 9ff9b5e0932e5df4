/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a row shows: the state of a goroutine and, of one that waits, the kind of it. */
#include "core/pyramid/internal.h"

static const uint8_t waits[WAIT_KINDS] = PYRAMID_WAITS;

uint8_t shown_state(uint8_t shown)
{
	/* By number, as PYRAMID_WAITS has them; asked for each stay. */
	static const uint8_t states[PYRAMID_NONE + 1] = {
		GSTATE_IDLE,      GSTATE_RUNNABLE,  GSTATE_RUNNING, GSTATE_SYSCALL,
		GSTATE_WAITING,   GSTATE_WAITING,   GSTATE_WAITING, GSTATE_WAITING,
		GSTATE_COPYSTACK, GSTATE_PREEMPTED, GSTATE_LEAKED,  GSTATE_WAITING,
		PYRAMID_UNKNOWN,  GSTATE_WAITING,   GSTATE_WAITING, PYRAMID_NONE,
	};

	return shown <= PYRAMID_NONE ? states[shown] : PYRAMID_UNKNOWN;
}

static uint8_t kind_of(struct kind_cache *kinds, uint32_t reason_id)
{
	unsigned at = reason_id % ARRAY_SIZE(kinds->v);

	if (!kinds->names || !reason_id)
		return WAIT_OTHER;
	if (kinds->v[at].reason_id != reason_id) {
		kinds->v[at].reason_id = reason_id;
		kinds->v[at].kind = (uint8_t)wait_kind_of(names_string(kinds->names, reason_id));
	}
	return kinds->v[at].kind;
}

uint8_t shown_as(struct kind_cache *kinds, unsigned state, uint32_t reason_id)
{
	if (state == GSTATE_WAITING)
		return waits[kind_of(kinds, reason_id)];
	/* A number that Go has no use for, from a session that says so all the same. */
	return shown_state((uint8_t)state) == state ? (uint8_t)state : PYRAMID_UNKNOWN;
}

uint8_t row_shows(struct kind_cache *kinds, const struct life *l)
{
	if (!life_there(l))
		return PYRAMID_NONE;
	return l->flags & GOROUTINE_GAP ? PYRAMID_UNKNOWN
					: shown_as(kinds, life_state(l), l->reason_id);
}

void wait_vote(struct wait_vote *v, uint8_t shown, uint64_t weight)
{
	if (shown_state(shown) != GSTATE_WAITING || !weight)
		return;
	if (v->shown == shown)
		v->weight += weight;
	else if (weight > v->weight)
		*v = (struct wait_vote){weight - v->weight, shown};
	else
		v->weight -= weight;
}

uint8_t wait_voted(const struct wait_vote *v, uint8_t state)
{
	return state == GSTATE_WAITING && shown_state(v->shown) == GSTATE_WAITING ? v->shown
										  : state;
}
