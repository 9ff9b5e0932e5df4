/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where marking begins in a live Go process: what the garbage collector marks from
 * (runtime/mgcmark.go markroot()): variables of all modules, stacks, finalizers and cleanups,
 * timers. Each adds to a struct reach; errors as of reach_range(). One thread.
 */
#ifndef XGOTOPFS_MEMORY_ROOTS_H
#define XGOTOPFS_MEMORY_ROOTS_H

#include "core/memory/reach.h"
#include "core/memory/stack_live.h"

/* data and bss of each module by its pointer masks. -ENOSYS: where they are is not known for this
 * release. *ret_modules: how many there are. */
int roots_variables(struct reach *r, const struct target *t, pid_t pid, uint64_t bias,
		    unsigned *ret_modules);

/* The addresses of all Ps, in order; the caller frees *ret. None where runtime.allp is not found,
 * or not where it is expected. 0, -ENOMEM. */
int roots_list_procs(const struct target *t, pid_t pid, uint64_t bias, uint64_t **ret,
		     size_t *ret_n);
/*
 * The Ps (runtime2.go type p) are made opaque, as they hold old pointers, and their timers roots.
 * Where runtime.allp is not found, or not where it is expected, nothing is done: they are marked
 * through then, which reaches more. Returns how many there are, or an error.
 */
int roots_procs(struct reach *r, const struct target *t, pid_t pid, uint64_t bias);

/* Weak pointers (1.23 on): who reaches the handle can get the object, as long as anybody keeps it,
 * and a parked goroutine does. */
struct weak_pointer {
	uint64_t handle, object; /* addresses */
};

struct weak_pointers {
	struct weak_pointer *list; /* n of them, freed with roots_weak_done() */
	size_t n, room;
};

/* Finalizers and cleanups: what they will call, and what they are of. Weak pointers are no roots:
 * they are added to `weak`. */
int roots_specials(struct reach *r, const struct target *t, pid_t pid, struct weak_pointers *weak);

/* Finalizers and cleanups that are due and wait for the goroutine that calls them. Where the queues
 * are not found nothing is done. */
int roots_queues(struct reach *r, const struct target *t, pid_t pid, uint64_t bias);

/* Those of objects whose handle was reached by now, and that were not: marks these, so reach_run()
 * has more to do. Returns whether there was one. */
bool roots_weak(struct reach *r, const struct weak_pointers *weak);
void roots_weak_done(struct weak_pointers *weak);

/*
 * What a goroutine holds that may run on: its stack and what its g refers to. Of one that waits
 * (stack_live.h) what is live of its stack, if `live` can tell; of all others every word, and of
 * one that runs all of its stack counts, as its registers cannot be read. `live` NULL: every word
 * of all of them. *by_words is counted up for a waiting one whose words all counted.
 */
int roots_goroutine(struct reach *r, const struct target *t, const struct memory_goroutine *g,
		    struct stack_live *live, uint64_t *by_words);

#endif
