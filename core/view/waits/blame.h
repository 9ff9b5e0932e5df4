/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a goroutine waited: the chain from its wait to the root. Whoever woke it (a fact, told by an
 * event) or is likely to hold what it waits for (an estimate, from memory), what that one was doing
 * in that time, who woke that one in turn. For this room only; any thread.
 *
 * Of each in the chain all of the time that is looked at is known by state. Where it waited most of
 * it, the chain goes on with who ended the longest of those waits, in the time of that wait; else
 * what it did is the root. So times only get shorter and earlier, and there is no going in circles;
 * but a likely holder may be one who waits himself for who waits for him, and then that is the end.
 */
#ifndef XGOTOPFS_VIEW_BLAME_H
#define XGOTOPFS_VIEW_BLAME_H

#include "core/view/chosen_stay.h"

#define BLAME_HOPS 64

enum blame_by {
	BLAME_START, /* whose wait is asked about */
	BLAME_WOKE,  /* woke the one before: a fact */
	BLAME_HOLDS, /* likely to hold what the one before waits for: an estimate */
	BLAME_MADE,  /* made the one before, which was not there for most of the time: a fact */
	BLAME_BYS
};

enum blame_root {
	BLAME_RAN,      /* it ran */
	BLAME_RUNNABLE, /* it waited for a CPU: ran_instead says who had it */
	BLAME_SYSCALL,
	BLAME_TIMER,   /* it slept, and the time came, or has not come */
	BLAME_IO,      /* the poller woke it, or has not */
	BLAME_RUNTIME, /* the runtime woke it, on nobody's behalf */
	BLAME_NOBODY,  /* it waits still, and nobody is known who may end it */
	BLAME_CIRCLE,  /* it waits for one who waits for it */
	BLAME_UNKNOWN, /* what it did is not kept, or was lost */
	BLAME_CUT,     /* the chain is longer than BLAME_HOPS */
	BLAME_ROOTS
};

struct blame_hop {
	uint64_t goid;
	enum blame_by by;
	uint64_t at_ns;           /* BLAME_WOKE, BLAME_MADE: when */
	uint64_t from, to;        /* what is looked at */
	uint64_t ns[GSTATES + 1]; /* of that by state; GSTATES: not known */
	uint64_t absent_ns;       /* it was not made yet */
	uint32_t func_id, reason_id;
	bool waited;        /* most of it: the chain goes on with `wait` */
	struct stay wait;   /* the longest of its waits there */
	bool likely;        /* BLAME_HOLDS: there is more to it than that it may be the one */
	char evidence[240]; /* BLAME_HOLDS */
};

struct blame_waiter {
	uint64_t goid, begin, end; /* end 0: it waits */
};

struct blame {
	struct blame_hop hops[BLAME_HOPS];
	unsigned n;
	enum blame_root root; /* what the last one is */
	/* All who waited for the same in that time, with who is asked about: on the same object, as
	 * memory has it (same_object), or woken by the same one, or by who was woken by him. By
	 * begin. */
	struct blame_waiter *waiters;
	size_t n_waiters;
	bool same_object, waiters_cut;
};

/* `stay` is a wait. blame_free() it, also after an error. 0 or -ENOMEM. */
int blame_walk(const struct view *v, unsigned proc, const struct chosen_stay *stay,
	       struct blame *ret);
void blame_free(struct blame *b);

const char *blame_by_word(unsigned by);     /* "start", "woke", "likely_holder", "created" */
const char *blame_root_word(unsigned root); /* "ran", "runnable", … */

#endif
