/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What lock_flow.c and lock_which.c share: a function's code, and what each place of it does to
 * locks. For these two. */
#ifndef XGOTOPFS_TARGET_LOCK_FLOW_INTERNAL_H
#define XGOTOPFS_TARGET_LOCK_FLOW_INTERNAL_H

#include "core/target/copies.h"
#include "core/target/lock_flow.h"
#include "core/target/lock_operands.h"
#include "core/target/place_code.h"

#define NAMES        (3 * LOCK_CALLS_MAX)
#define MOST         3u   /* "3 or more" */
#define CALLS_MAX    63   /* that are told apart; the pair's other number is a bit of a word */
#define HELPER_BYTES 1024 /* longer functions are not looked into */

enum effect { NOTHING, TAKES, TRIES, GIVES, MAY_GIVE };

_Static_assert(NAMES <= COPIES_NAMES_MAX, "each name is looked for");

struct place {
	uint64_t held[MOST + 1]; /* by how many: a bit for each call by which this may be so */
	uint8_t call;            /* which one it is, or is a part of, from 1 */
	uint8_t effect;
	bool part;   /* of a call that was put in */
	bool helper; /* a call of a function that takes it, or gives it up */
	bool decides;
	bool waits;     /* to be looked at */
	bool jumped_to; /* where one lock is asked for */
};

struct flow {
	struct code code;
	struct place *places; /* one an instruction */
	uint32_t *waiting;
	size_t n_waiting;
	const char *names[NAMES];
	uint8_t effects[NAMES];
	unsigned n_names;
	const char *found;     /* one of them that it calls */
	bool takes, gives;     /* is there such a call? */
	bool may_give;         /* one that gives up a lock that is not known */
	unsigned depth, *left; /* of a function that another one calls; how many are looked into */
	bool deep;             /* what those call is looked into, too */
	uint8_t hidden;        /* the number of all calls of code that is not known; 0: none */
	int32_t copied[CALLS_MAX]; /* of those that were put in: what struct copy calls them */
	bool is_copied[CALLS_MAX];
	unsigned n_calls;
	bool too_many;              /* calls: what the code does is not known */
	struct lock_variable which; /* hi 0: any lock */
	struct lock_time *time;
};

/* A number for another call. */
uint8_t flow_new_call(struct flow *f);
/* Is it a call of a function that a register tells? */
bool flow_calls_by_pointer(const struct target *t, const struct insn *insn);

/* Does a function call function values that it is given? Long ones are not looked into. */
bool flow_calls_values(const struct target *t, const struct go_func *func);

/* --- lock_which.c: one lock ------------------------------------------------------------------- */

/* Leaves the effects on the lock that is a variable: another's are none, one that is not known may
 * give it up. */
void flow_keep_variable(struct flow *f);
/* The same of the lock that a word tells at the place; false: it cannot be told. *ret: on what that
 * rests beside the code. */
bool flow_keep_word(const struct target *t, struct flow *f, const struct place *place,
		    const struct lock_word *word, struct lock_method *ret);

#endif
