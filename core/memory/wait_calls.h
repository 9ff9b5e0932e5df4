/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the program's code has to do with waits: what a deferred closure calls, and whether a
 * function is between taking a lock and giving it up. Remembers what it has found out. For this
 * room; one thread.
 */
#ifndef XGOTOPFS_MEMORY_WAIT_CALLS_H
#define XGOTOPFS_MEMORY_WAIT_CALLS_H

#include "core/memory/wait_graph.h"
#include "core/target/lock_flow.h"

struct wait_calls;

/* Reads code until `until_ns` (CLOCK_THREAD_CPUTIME_ID). -ENOMEM. */
int wait_calls_new(const struct target *t, uint64_t until_ns, struct wait_calls **ret);
void wait_calls_free(struct wait_calls *c); /* NULL is fine */
/* Has that passed? Answers since then say nothing. */
bool wait_calls_is_late(struct wait_calls *c);

/*
 * What a closure whose code begins at `entry` (static) does when it is called, of what ends waits
 * on such an object. *ret_call NULL: nothing. *ret_via NULL: the closure was made to defer that one
 * call, and the object's address is the first thing that it has captured; else the function that
 * makes it, of whatever is captured.
 */
void wait_calls_deferred(struct wait_calls *c, uint64_t entry, enum wait_kind kind,
			 const char **ret_call, const char **ret_via);
/* Which lock, where it is a variable: addresses, static. */
void wait_calls_deferred_variable(struct wait_calls *c, uint64_t entry, enum wait_kind kind,
				  struct lock_variable which, const char **ret_call,
				  const char **ret_via);
/* Was it made to defer a method's call through an interface? `ret` says where in the closure that
 * is. */
bool wait_calls_interface(struct wait_calls *c, uint64_t entry, struct target_start *ret);
/* The name of the function that begins there, when a call of it ends such a wait; NULL. */
const char *wait_calls_ends(struct wait_calls *c, uint64_t entry, enum wait_kind kind);
/* Was it made to defer one call that ends waits, on whatever? */
bool wait_calls_is_wrapper(struct wait_calls *c, uint64_t entry);

/* `lookup` as stack_frame.lookup. */
enum wait_section wait_calls_section(struct wait_calls *c, uint64_t lookup, enum wait_kind kind);
/* Has a caller's lock been given up on the way there? WAIT_SECTION_HIDDEN: maybe by a function
 * value that it has called. *ret_taking: it is a call that takes one. */
enum wait_section wait_calls_kept(struct wait_calls *c, uint64_t lookup, enum wait_kind kind,
				  bool *ret_taking);

/* Has it taken the lock that a word of the frame tells, if that method takes a lock
 * (core/target/lock_flow.h)? */
enum wait_section wait_calls_section_by_word(struct wait_calls *c, uint64_t lookup,
					     enum wait_kind kind, const struct lock_word *word,
					     struct lock_method *ret_method);
/* Is the function there what a call that takes a lock waits in? */
bool wait_calls_is_lock_slow(struct wait_calls *c, uint64_t pc);
/* Is the function there one that takes a lock of that kind? */
bool wait_calls_takes(struct wait_calls *c, uint64_t pc, enum wait_kind kind);
/* Has the frame's code taken this very lock (core/target/lock_flow.h)? */
enum wait_section wait_calls_section_of(struct wait_calls *c, uint64_t lookup, enum wait_kind kind,
					struct lock_variable which);

/* One of `names` (up to a NULL) that the function makes which the place lies in; NULL: none. */
const char *wait_calls_made(struct wait_calls *c, uint64_t lookup, const char *const *names);

/* sync.(*Cond).Wait: it gives up the Cond's lock while it waits. */
bool wait_calls_is_cond_wait(struct wait_calls *c, uint64_t lookup);
/* A function of the runtime, of sync, or of internal/poll: its frames are those of the wait. */
bool wait_calls_is_machinery(struct wait_calls *c, uint64_t lookup);

#endif
