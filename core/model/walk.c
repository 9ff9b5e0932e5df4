/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an event means: walk.h. Pure functions; any thread. */
#include "core/model/walk.h"

#include "core/base/util.h"

/* A goroutine runs while its stack is copied (running -> copystack -> running, newstack()). */
uint8_t walk_fold(uint8_t state)
{
	return state == GSTATE_COPYSTACK ? GSTATE_RUNNING : state;
}

static bool is_dead(uint8_t state)
{
	return state == GSTATE_DEAD || state == GSTATE_DEADEXTRA;
}

/*
 * Transitions that pass no casgstatus (docs/go_runtime.md): a running goroutine that is stopped
 * for a stack scan is waiting when next seen, and so is a leaked one that was found again. The time
 * counts for the state we saw.
 */
static bool known_gap(uint8_t have, uint8_t from)
{
	return from == GSTATE_WAITING && (have == GSTATE_RUNNING || have == GSTATE_LEAKED);
}

/* A stack copied while it runs, or a system call told of by its site and by casgstatus. */
static bool is_repeat(const struct life *l, uint8_t from, uint8_t to)
{
	bool call = (from == GSTATE_RUNNING || from == GSTATE_SYSCALL) &&
		    (to == GSTATE_RUNNING || to == GSTATE_SYSCALL);

	return life_known(l) && !(l->flags & GOROUTINE_GAP) && l->state == to &&
	       (from == to || call);
}

/* --- what can become of a life ---------------------------------------------------------------- */

static uint64_t not_before(const struct life *l, uint64_t time_ns)
{
	return MAX(time_ns, MAX(l->since_ns, l->ran_ns));
}

static void appear(struct meaning *m, uint64_t time_ns, bool created)
{
	m->life = (struct life){.since_ns = time_ns,
				.state = GSTATE_RUNNING,
				.flags = LIFE_SEEN | GOROUTINE_STATE_UNKNOWN |
					 (created ? 0 : GOROUTINE_FOUND)};
	m->means |= MEANS_APPEARED;
}

/* The stay it is in ends at a time when it was seen to be in another state: how long it lasted is
 * not known, but what ran when it last acted ran until then. */
static void break_stay(struct meaning *m)
{
	const struct life *l = &m->life;

	if (life_known(l) && !(l->flags & GOROUTINE_GAP) && l->state == GSTATE_RUNNING &&
	    l->ran_ns > l->since_ns)
		m->sure_ns = l->ran_ns;
}

static void enter(struct meaning *m, uint8_t state, uint64_t time_ns)
{
	m->life.before = m->life.state;
	m->life.state = state;
	m->life.since_ns = time_ns;
	m->life.flags &=
		(uint16_t) ~(GOROUTINE_STATE_UNKNOWN | GOROUTINE_STATE_READ | GOROUTINE_GAP);
	m->means |= MEANS_STATE;
}

static void forget_state(struct meaning *m)
{
	m->life.flags |= GOROUTINE_STATE_UNKNOWN;
	m->life.flags &= (uint16_t)~GOROUTINE_STATE_READ;
	m->means |= MEANS_STATE;
}

static void revive(struct meaning *m, uint8_t state, uint64_t time_ns)
{
	m->life.flags &= (uint16_t) ~(GOROUTINE_EXITED | GOROUTINE_EXIT_READ);
	m->means |= MEANS_REVIVED;
	enter(m, state, time_ns);
}

static void end(struct meaning *m, uint8_t state, uint64_t time_ns)
{
	enter(m, state, time_ns);
	m->life.flags |= GOROUTINE_EXITED;
	m->means = (m->means & ~(unsigned)MEANS_STATE) | MEANS_EXITED;
}

/* What runs can end, in a system call or not; of another a change was missed. */
static void end_of_one(struct meaning *m, uint8_t state, uint64_t time_ns)
{
	const struct life *l = &m->life;

	if (life_known(l) && !(l->flags & GOROUTINE_GAP) &&
	    (l->state == GSTATE_RUNNING || l->state == GSTATE_SYSCALL))
		m->sure_ns = time_ns;
	end(m, state, time_ns);
}

/* --- an event that tells of a goroutine ------------------------------------------------------- */

static void meet_newgoroutine(const struct event *ev, struct meaning *m)
{
	bool cgo = ev->flags & EVENT_CGO_THREAD;

	/* A change of state tells in which it is; else it is not known. */
	if (m->means & MEANS_APPEARED)
		m->life.state = cgo ? GSTATE_SYSCALL : GSTATE_RUNNABLE;
	if (m->life.flags & GOROUTINE_EXITED && cgo && ev->time_ns >= m->life.since_ns) {
		revive(m, GSTATE_SYSCALL, ev->time_ns);
		forget_state(m);
	}
}

static void meet_goexit(const struct event *ev, struct meaning *m)
{
	uint64_t at = not_before(&m->life, ev->time_ns);

	if (m->life.flags & GOROUTINE_EXITED)
		return; /* a change of state said so */
	/* Told late: it did something since. But what was read from memory may be older. */
	if (ev->time_ns < m->life.since_ns && !(m->life.flags & GOROUTINE_STATE_READ))
		return;
	end_of_one(m, GSTATE_DEAD, at);
}

/* The stay it was in is over, if that was the one the event says. */
static void settle_stay(struct meaning *m, uint8_t from, uint8_t to, uint64_t at)
{
	const struct life *l = &m->life;

	if (!life_known(l) || l->flags & GOROUTINE_GAP)
		return;
	if (l->state != from && !known_gap(l->state, from)) {
		break_stay(m);
		m->life.flags |= GOROUTINE_UNCERTAIN;
		return;
	}
	m->sure_ns = at;
	if (from == GSTATE_RUNNABLE && to == GSTATE_RUNNING && !(l->flags & GOROUTINE_STATE_READ))
		m->means |= MEANS_LATENCY;
}

/* Who woke it, and what it had waited for or waits for now. */
static void note_wait(const struct life *have, const struct event *ev, uint8_t from, uint8_t to,
		      struct meaning *m)
{
	if (gstate_waits(from) && gstate_waits(to) && life_known(have) &&
	    gstate_waits(have->state)) {
		m->means |= MEANS_WAITS_ON;
	} else if (from == GSTATE_WAITING && life_known(have) && gstate_waits(have->state)) {
		m->waited_id = have->reason_id;
		m->means |= MEANS_WAITED;
	}
	if (event_is_wake(ev)) {
		m->woken_by = ev->goid == ev->target ? 0 : ev->goid;
		m->means |= MEANS_WOKEN;
	}
	if (to == GSTATE_WAITING)
		m->life.reason_id = ev->string_id;
	else if (to == GSTATE_LEAKED && !(m->means & MEANS_WAITS_ON))
		m->life.reason_id = 0; /* the event does not tell */
}

static void meet_casgstatus(const struct life *have, const struct event *ev, struct meaning *m)
{
	uint8_t from = walk_fold(ev->from), to = walk_fold(ev->to);
	uint64_t at = not_before(&m->life, ev->time_ns);

	if (from == GSTATE_IDLE || to == GSTATE_IDLE)
		return; /* a g structure being made: its goid is not set yet (malg, oneNewExtraM) */
	if (is_dead(to)) {
		if (!gstate_is_exit(from, to))
			m->life.flags |= GOROUTINE_UNCERTAIN;
		if (m->life.flags & GOROUTINE_EXITED)
			return;
		end_of_one(m, to, at);
		return;
	}
	if (m->life.flags & (GOROUTINE_EXITED | GOROUTINE_STATE_READ) &&
	    ev->time_ns < m->life.since_ns)
		return; /* told late, or from before its memory was read */
	if (is_repeat(have, from, to))
		return;
	note_wait(have, ev, from, to, m);
	if (m->life.flags & GOROUTINE_EXITED) {
		if (!gstate_is_creation(from, to))
			m->life.flags |= GOROUTINE_UNCERTAIN;
		revive(m, to, at);
	} else {
		/* A creation after its newgoroutine event, or of one found before, ends no stay. */
		if (gstate_is_creation(from, to))
			break_stay(m);
		else
			settle_stay(m, from, to, at);
		enter(m, to, at);
	}
	/* With state changes not sampled, this is the last we hear of its state. */
	if (ev->flags & EVENT_HIDDEN)
		forget_state(m);
}

/* A C thread comes in: the change of state that its newgoroutine, which has the flag, is told with.
 */
static bool comes_from_c(const struct event *ev)
{
	return ev->type == EVENT_CASGSTATUS && ev->to == GSTATE_SYSCALL &&
	       gstate_is_creation(ev->from, ev->to);
}

void walk_subject(const struct life *have, const struct event *ev, struct meaning *ret)
{
	*ret = (struct meaning){.life = *have};
	if (!(have->flags & LIFE_SEEN)) {
		/* A g structure without a goroutine in it. */
		if (ev->type == EVENT_CASGSTATUS &&
		    (ev->from == GSTATE_IDLE || ev->to == GSTATE_IDLE))
			return;
		appear(ret, ev->time_ns, event_is_creation(ev));
	}
	if (event_is_creation(ev))
		ret->means |= MEANS_CREATED;
	if (ev->flags & EVENT_CGO_THREAD || comes_from_c(ev))
		ret->life.flags |= GOROUTINE_CGO;
	if (ev->type == EVENT_CASGSTATUS)
		meet_casgstatus(have, ev, ret);
	else if (ev->type == EVENT_NEWGOROUTINE)
		meet_newgoroutine(ev, ret);
	else if (ev->type == EVENT_GOEXIT)
		meet_goexit(ev, ret);
}

/* --- what it did ------------------------------------------------------------------------------ */

void walk_actor(const struct life *have, const struct event *ev, struct meaning *ret)
{
	struct life *l = &ret->life;

	*ret = (struct meaning){.life = *have};
	if (!(have->flags & LIFE_SEEN))
		appear(ret, ev->time_ns, false);
	if (!event_is_act(ev))
		return;
	if (l->flags & GOROUTINE_EXITED) {
		if (!(l->flags & GOROUTINE_EXIT_READ) || ev->time_ns <= l->since_ns)
			return;
		revive(ret, GSTATE_RUNNING, ev->time_ns);
		forget_state(ret);
		l->flags |= GOROUTINE_UNCERTAIN;
	} else if (life_known(l) && l->state != GSTATE_RUNNING) {
		if (l->flags & GOROUTINE_STATE_READ && ev->time_ns < l->since_ns)
			return;
		/* We missed a change, or changes are not sampled. */
		enter(ret, GSTATE_RUNNING, not_before(l, ev->time_ns));
		forget_state(ret);
		l->flags |= GOROUTINE_UNCERTAIN;
	}
	l->ran_ns = MAX(l->ran_ns, ev->time_ns);
}

void walk_event(const struct life *have, uint64_t goid, const struct event *ev, struct meaning *ret)
{
	if (ev->type != EVENT_LOST && event_subject(ev) == goid && !event_is_allocation(ev->type))
		walk_subject(have, ev, ret);
	else if (ev->type != EVENT_LOST && ev->goid == goid)
		walk_actor(have, ev, ret);
	else
		*ret = (struct meaning){.life = *have};
}

/* --- what memory says ------------------------------------------------------------------------- */

bool walk_is_live(uint8_t state)
{
	return state != GSTATE_IDLE && !is_dead(state) && state < GSTATES;
}

bool walk_runs_still(const struct life *have, uint8_t state, uint64_t time_ns)
{
	return state == GSTATE_RUNNING && have->flags & GOROUTINE_STATE_UNKNOWN &&
	       have->since_ns <= time_ns;
}

void walk_read(const struct life *have, const struct goroutine_seen *seen, uint64_t time_ns,
	       struct meaning *ret)
{
	uint8_t state = walk_fold(seen->state);
	struct life *l = &ret->life;

	*ret = (struct meaning){.life = *have};
	if (state == GSTATES && !(have->flags & LIFE_SEEN))
		appear(ret, time_ns, false); /* it is there: no more is known */
	if (!walk_is_live(state))
		return; /* a dead g keeps the goid it had: as good as not seen */
	if (!(have->flags & LIFE_SEEN))
		appear(ret, time_ns, false);
	if (l->flags & GOROUTINE_EXITED) {
		/* Only an end that no event told of, or a C thread's, can be taken back. */
		if (l->since_ns >= time_ns || !(l->flags & (GOROUTINE_EXIT_READ | GOROUTINE_CGO)))
			return;
		revive(ret, state, time_ns);
		l->flags |= GOROUTINE_STATE_READ | GOROUTINE_UNCERTAIN;
	} else if (MAX(l->since_ns, l->ran_ns) > time_ns &&
		   !walk_runs_still(have, state, time_ns)) {
		return; /* what an event said since stands */
	} else if (life_state(l) != state) {
		break_stay(ret);
		/* Of one whose state was never known, nothing was wrong. */
		if (life_known(l))
			l->flags |= GOROUTINE_UNCERTAIN;
		enter(ret, state, time_ns);
		l->flags |= GOROUTINE_STATE_READ;
	}
	if (gstate_waits(state))
		l->reason_id = seen->reason_id;
}

void walk_missing(const struct life *have, uint64_t time_ns, struct meaning *ret)
{
	*ret = (struct meaning){.life = *have};
	if (!life_there(have) || MAX(have->since_ns, have->ran_ns) > time_ns)
		return;
	break_stay(ret);
	end(ret, GSTATE_DEAD, time_ns);
	ret->life.flags |= GOROUTINE_UNCERTAIN | GOROUTINE_EXIT_READ;
}

void walk_unwatched(const struct life *have, uint64_t time_ns, struct meaning *ret)
{
	*ret = (struct meaning){.life = *have};
	if (!life_there(have) || have->flags & GOROUTINE_GAP)
		return;
	if (life_known(have)) {
		time_ns = not_before(have, time_ns);
		enter(ret, have->state, time_ns);
		ret->sure_ns = time_ns;
		ret->life.flags |= GOROUTINE_STATE_READ;
	}
	ret->life.flags |= GOROUTINE_GAP;
}

void walk_watched(const struct life *have, uint64_t time_ns, struct meaning *ret)
{
	*ret = (struct meaning){.life = *have};
	if (!life_there(have) || !(have->flags & GOROUTINE_GAP) ||
	    MAX(have->since_ns, have->ran_ns) > time_ns)
		return;
	if (life_known(have)) {
		enter(ret, have->state, time_ns);
		ret->life.flags |= GOROUTINE_STATE_READ;
	}
	ret->life.flags &= (uint16_t)~GOROUTINE_GAP;
}

void walk_seen_again(const struct life *have, uint64_t time_ns, struct meaning *ret)
{
	*ret = (struct meaning){.life = *have};
	if (!life_there(have) || !life_known(have) || !(have->flags & GOROUTINE_GAP) ||
	    MAX(have->since_ns, have->ran_ns) >= time_ns)
		return;
	enter(ret, have->state, time_ns);
	ret->life.flags |= GOROUTINE_STATE_READ | GOROUTINE_GAP;
}

void walk_lost(const struct life *have, uint64_t time_ns, struct meaning *ret)
{
	*ret = (struct meaning){.life = *have};
	if (!life_there(have) || !life_known(have) || MAX(have->since_ns, have->ran_ns) > time_ns)
		return;
	break_stay(ret);
	enter(ret, have->state, time_ns);
	forget_state(ret);
	ret->life.flags |= GOROUTINE_UNCERTAIN;
}

void walk_execed(const struct life *have, uint64_t time_ns, struct meaning *ret)
{
	*ret = (struct meaning){.life = *have};
	if (!life_there(have))
		return;
	time_ns = not_before(have, time_ns);
	if (!(have->flags & GOROUTINE_GAP))
		ret->sure_ns = time_ns; /* it waited, ran, until then */
	end(ret, GSTATE_DEAD, time_ns);
	ret->life.flags |= GOROUTINE_EXECED;
}

/* --- what the model says ---------------------------------------------------------------------- */

void walk_told(const struct life *have, const struct goroutine *g, struct meaning *ret)
{
	bool exited = g->flags & GOROUTINE_EXITED;
	uint64_t since = exited ? g->exited_ns : g->state_since_ns;
	unsigned told = g->flags & GOROUTINE_STATE_UNKNOWN ? GSTATES : g->state;
	struct life *l = &ret->life;

	*ret = (struct meaning){.life = *have};
	if (have->flags & LIFE_SEEN &&
	    (since < have->since_ns ||
	     (since == have->since_ns && !exited && life_there(have) && life_state(have) == told)))
		return;
	if (!(have->flags & LIFE_SEEN))
		appear(ret, since, false);
	since = not_before(l, since);
	if (exited) {
		if (l->flags & GOROUTINE_EXITED)
			return;
		/* A reading, or an event that is hidden. */
		if (g->flags & GOROUTINE_EXIT_READ) {
			break_stay(ret);
			end(ret, g->state, since);
		} else {
			end_of_one(ret, g->state, since);
		}
		l->flags |= g->flags & (GOROUTINE_EXIT_READ | GOROUTINE_EXECED);
		return;
	}
	if (l->flags & GOROUTINE_EXITED) {
		revive(ret, g->state, since);
	} else {
		/* Only probes that went make of a state the same one. */
		if (g->flags & GOROUTINE_GAP && g->state_before == g->state && life_known(l) &&
		    l->state == g->state && !(l->flags & GOROUTINE_GAP))
			ret->sure_ns = since;
		else
			break_stay(ret);
		enter(ret, g->state, since);
	}
	if (g->flags & GOROUTINE_STATE_UNKNOWN)
		forget_state(ret);
	l->flags |= g->flags & (GOROUTINE_STATE_READ | GOROUTINE_GAP);
	l->reason_id = g->reason_id;
}
