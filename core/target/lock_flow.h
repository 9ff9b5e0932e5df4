/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a function's code says of locks: which calls it makes that take one or give it up, and
 * whether, at a place, it has taken one and not given it up on every way that leads there. Calls
 * that the compiler put into the function count as those that it makes. It is not told of which
 * lock, so this supports other evidence and is none by itself. Stateless; any thread.
 */
#ifndef XGOTOPFS_TARGET_LOCK_FLOW_H
#define XGOTOPFS_TARGET_LOCK_FLOW_H

#include "core/target/target.h"

#define LOCK_CALLS_MAX 4

/* Is it a function of the runtime or of sync? Their locks are other ones: an RWMutex has a Mutex in
 * it. */
bool lock_is_machinery(const char *function);

/* Names of functions, e.g. "sync.(*Mutex).Lock"; NULL: no more. */
struct lock_calls {
	const char *takes[LOCK_CALLS_MAX];
	const char *tries[LOCK_CALLS_MAX]; /* may take it */
	const char *gives[LOCK_CALLS_MAX];
};

/* A short function that it calls, and that returns with such a lock, or without one that it was
 * called with, counts as these: s.lock(), s.unlock(). */
enum lock_held {
	LOCK_HELD_UNKNOWN, /* there are no such calls, or the code cannot be followed */
	LOCK_HELD_NO,      /* on no way */
	LOCK_HELD_MAYBE,   /* on some, or it gives up what others took */
	LOCK_HELD_LENT,    /* on all by the calls that are seen; but it makes a function value whose
			      code gives such a lock up */
	LOCK_HELD_HIDDEN, /* the same, but it has called a function value whose code is not known */
	LOCK_HELD_YES,    /* on all */
};

/* How long questions may take together. Once that has passed nothing is told: LOCK_HELD_UNKNOWN,
 * NULL. Each takes such a pointer; NULL: as long as they need. */
struct lock_time {
	uint64_t until_ns; /* CLOCK_THREAD_CPUTIME_ID */
	bool late;         /* it has: an answer since then says nothing */
};

/* At a place in the code: for a return address pass pc - 1, so that a call that it is in the middle
 * of has not been made yet. Deferred calls do not count. */
enum lock_held lock_held_at(const struct target *t, uint64_t pc, const struct lock_calls *calls,
			    struct lock_time *time);
/* The same of a lock that the function was called with: does its caller still have that one?
 * LOCK_HELD_HIDDEN: unless a function value that it has called gave it up.
 * *ret_taking: the place is a call that takes a lock. */
enum lock_held lock_kept_at(const struct target *t, uint64_t pc, const struct lock_calls *calls,
			    struct lock_time *time, bool *ret_taking);

/* A lock that is a variable: code names it by its address. [lo, hi), static. */
struct lock_variable {
	uint64_t lo, hi;
};

/*
 * The same of that lock alone. LOCK_HELD_YES: on every way there the function has taken this very
 * lock, and nothing on the way may have given it up: neither a call whose lock is not known, nor
 * one through a pointer. LOCK_HELD_UNKNOWN also when the code does not name it.
 */
enum lock_held lock_variable_held_at(const struct target *t, uint64_t pc,
				     const struct lock_calls *calls, struct lock_variable which,
				     struct lock_time *time);
/*
 * A lock that is told by a word of the frame: so many bytes from where that points to. Or by `own`:
 * the one that the place is about to take.
 */
struct lock_word {
	bool own;
	bool closure; /* the word is a part of a function value, which nobody changes */
	int64_t disp; /* of the word, above sp */
	int64_t off;
	uint32_t size; /* the lock's */
};

/*
 * Which lock is taken through an interface (a sync.Locker) is in the code; whether it is, is not:
 * that is what the method does which the interface's table has so many bytes into it. The table's
 * address is in the frame's word so many bytes above sp, or else (`own`) it is the method that the
 * place is in a call of.
 */
struct lock_method {
	bool needed, own;
	int64_t disp;
	uint32_t method;
};

/* LOCK_HELD_YES: on every way there the function has taken the lock that this word, which has not
 * been changed since, tells; and nothing on the way may have given it up. *ret_method: if that
 * method takes a lock. */
enum lock_held lock_word_held_at(const struct target *t, uint64_t pc,
				 const struct lock_calls *calls, const struct lock_word *word,
				 struct lock_time *time, struct lock_method *ret_method);

/* One of `names` that the function which begins at `entry` calls for that lock; NULL: none. */
const char *lock_variable_called(const struct target *t, uint64_t entry, const char *const *names,
				 struct lock_variable which, struct lock_time *time);

/* One of `names` (up to a NULL) that the function which begins at `entry` calls; NULL: none,
 * or its code cannot be read. */
const char *lock_called(const struct target *t, uint64_t entry, const char *const *names,
			struct lock_time *time);

#endif
