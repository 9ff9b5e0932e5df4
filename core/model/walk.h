/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an event means for a goroutine: the first of an event's three steps (model_internal.h), and
 * the only place where state changes are interpreted. Pure: it is given what is known of the
 * goroutine and an event, and says what changes. The model changes its records by it; the pyramid,
 * stays and Perfetto keep a struct life of their own and take this step alone. So they all agree.
 *
 * The rules, for all of them:
 * - An event's new state is what counts; its old one is held against what was known. Where they
 *   agree the stay is certain. Where they do not, changes were missed, and the time is that of no
 *   state: it is not known. Only a running goroutine that did something certainly ran until then.
 * - A stack that is copied runs (copystack is running); a change into the state it is in, and a
 *   system call told of twice, change nothing.
 * - What acts runs. One that acts while it should not missed a change: its state is not known until
 *   the next one.
 * - While probes are off (GOROUTINE_GAP) no time counts for any state, and what is met then is no
 *   contradiction.
 * - Time does not go back: what is told late of an earlier time counts from what is known already.
 */
#ifndef XGOTOPFS_MODEL_WALK_H
#define XGOTOPFS_MODEL_WALK_H

#include "core/model/model.h"

/* Beside enum goroutine_flag; nobody but who keeps a struct life sees it. */
#define LIFE_SEEN (1u << 15) /* something is known of it at all */

/* What is known of one goroutine at a time; all zero: nothing. */
struct life {
	uint64_t since_ns;  /* its state's begin, or its end; else when it was first seen */
	uint32_t reason_id; /* why it waits, or waited last; names_string() */
	uint16_t flags;     /* enum goroutine_flag, LIFE_SEEN */
	uint8_t state;      /* enum gstate; with GOROUTINE_STATE_UNKNOWN a guess */
	uint8_t before;     /* the one it left for it */
	uint64_t ran_ns;    /* it ran then: its last act; 0 none */
};

/* What changes, in the order in which it does. */
enum meaning_bit {
	MEANS_APPEARED = 1 << 0, /* nothing was known of it */
	MEANS_CREATED = 1 << 1,  /* the event tells of its creation */
	MEANS_STATE = 1 << 2,    /* from life.since_ns on it is in life's state, known or not */
	MEANS_LATENCY = 1 << 3,  /* it got a CPU, and when it began to wait for one was seen */
	MEANS_WOKEN = 1 << 4,    /* from waiting to runnable, by woken_by */
	MEANS_WAITED = 1 << 5,   /* a wait ended whose reason was known: waited_id */
	MEANS_EXITED = 1 << 6,
	MEANS_REVIVED = 1 << 7,  /* it had exited: the end was inferred, or a C thread is back */
	MEANS_WAITS_ON = 1 << 8, /* leaked, or no longer: the wait it was in goes on */
};

struct meaning {
	struct life life;  /* what is known now */
	uint64_t sure_ns;  /* it was in the state before until here, what is left of the time until
			      life.since_ns is not known; 0: nothing of it is */
	uint64_t woken_by; /* goid; 0: itself or the runtime */
	uint32_t waited_id;
	unsigned means; /* enum meaning_bit; 0: nothing changes but ran_ns */
};

/* What an event means for the goroutine that it tells of: event_subject(). */
void walk_subject(const struct life *have, const struct event *ev, struct meaning *ret);
/* And for who did it, where that is somebody else, or an allocation. */
void walk_actor(const struct life *have, const struct event *ev, struct meaning *ret);
/* Either, whichever concerns `goid`; nothing when none does. */
void walk_event(const struct life *have, uint64_t goid, const struct event *ev,
		struct meaning *ret);

/* What a reading of the target's memory means: it has it in this state, or, complete, has it not.
 */
void walk_read(const struct life *have, const struct goroutine_seen *seen, uint64_t time_ns,
	       struct meaning *ret);
/* Its state is not known, no change was told since the reading, and what it does agrees with it. */
bool walk_runs_still(const struct life *have, uint8_t state, uint64_t time_ns);
/* A state of Go's as it counts here: copystack is running. */
uint8_t walk_fold(uint8_t state);
/* A reading of this state is of one that lives. */
bool walk_is_live(uint8_t state);
/* Changes before time_ns were lost, and none is told of since: its state is not known. */
void walk_lost(const struct life *have, uint64_t time_ns, struct meaning *ret);
void walk_missing(const struct life *have, uint64_t time_ns, struct meaning *ret);
/* Probes went at time_ns: what is known until then counts, what comes is not known. */
void walk_unwatched(const struct life *have, uint64_t time_ns, struct meaning *ret);
/* They are back, and a reading that was begun at time_ns has it in the state it had when they went
 * (walk_read() changed nothing). */
void walk_watched(const struct life *have, uint64_t time_ns, struct meaning *ret);
/* They are still out, and a reading has it in the state it had, which need not be the same stay: it
 * is in it from here on. */
void walk_seen_again(const struct life *have, uint64_t time_ns, struct meaning *ret);
/* Its process executed another program. */
void walk_execed(const struct life *have, uint64_t time_ns, struct meaning *ret);

/* For who follows events alone: what the model knows beside them (readings, hidden events). */
void walk_told(const struct life *have, const struct goroutine *g, struct meaning *ret);

/* It allocates, creates: it runs. */
static inline bool event_is_act(const struct event *ev)
{
	return event_is_allocation(ev->type) || ev->type == EVENT_NEWGOROUTINE;
}

static inline bool life_known(const struct life *l)
{
	return (l->flags & (LIFE_SEEN | GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN)) == LIFE_SEEN;
}

static inline bool life_there(const struct life *l)
{
	return (l->flags & (LIFE_SEEN | GOROUTINE_EXITED)) == LIFE_SEEN;
}

/* Of one that is there: enum gstate, GSTATES when it is not known. */
static inline unsigned life_state(const struct life *l)
{
	return l->flags & GOROUTINE_STATE_UNKNOWN ? GSTATES : l->state;
}

/* The short way of walk_actor(): true when it is known to run, and nothing else changes. */
static inline bool life_runs_on(struct life *l, const struct event *ev)
{
	if (!life_known(l) || l->state != GSTATE_RUNNING)
		return false;
	if (ev->time_ns > l->ran_ns)
		l->ran_ns = ev->time_ns;
	return true;
}

/* What nearly every event is: a change of state, told in time, of one that is known by events to be
 * in the old one; between states that come and go. walk_subject() then says that it is in ev->to,
 * since ev->time_ns and from the old one, whose stay is certain until then; that it waits for
 * ev->string_id, if it waits; and nothing else but MEANS_STATE, LATENCY, WAITED and WOKEN. */
static inline bool life_moves_on(const struct life *l, const struct event *ev)
{
	const unsigned common = 1u << GSTATE_RUNNABLE | 1u << GSTATE_RUNNING |
				1u << GSTATE_SYSCALL | 1u << GSTATE_WAITING;

	return ev->type == EVENT_CASGSTATUS && l->state == ev->from && ev->from != ev->to &&
	       common >> ev->from & common >> ev->to & 1 && !(ev->flags & ~EVENT_SYSCALL_SITE) &&
	       (l->flags & (LIFE_SEEN | GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN |
			    GOROUTINE_STATE_READ | GOROUTINE_GAP)) == LIFE_SEEN &&
	       ev->time_ns >= l->since_ns && ev->time_ns >= l->ran_ns;
}

/* ns of the state before that are certain. */
static inline uint64_t meaning_stay(const struct life *have, const struct meaning *m)
{
	return m->sure_ns > have->since_ns ? m->sure_ns - have->since_ns : 0;
}

/* From here until life.since_ns its state was not known, though it had been before; UINT64_MAX: at
 * no time. */
static inline uint64_t meaning_unknown_from(const struct life *have, const struct meaning *m)
{
	uint64_t from = m->sure_ns > have->since_ns ? m->sure_ns : have->since_ns;

	return life_known(have) && m->means & (MEANS_STATE | MEANS_EXITED) &&
			       from < m->life.since_ns
		       ? from
		       : UINT64_MAX;
}

#endif
