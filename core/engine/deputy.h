/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads that serve have no privileges (core/base/confine.h). What needs some is asked for here: a
 * request is a few numbers, done by a thread of ours that has them. Nothing but the requests below
 * can be asked for. Who asks waits, but only so long.
 */
#ifndef XGOTOPFS_ENGINE_DEPUTY_H
#define XGOTOPFS_ENGINE_DEPUTY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/model/event.h"

enum errand {
	ERRAND_STACK,        /* proc, goid; text */
	ERRAND_STACKS,       /* proc, style; text */
	ERRAND_RATES,        /* rates */
	ERRAND_PAUSED,       /* on */
	ERRAND_PROBES,       /* level */
	ERRAND_READERS,      /* of events, or CPUs: they may have come, or gone */
	ERRAND_MAX_OVERHEAD, /* percent */
	ERRAND_MEASURE,      /* what a hit costs */
	ERRAND_WAITS,        /* proc */
	ERRAND_LEAKS,        /* proc */
	ERRAND_RUNTIME,      /* proc; struct runtime_seen */
	ERRAND_HEAP,         /* proc; struct live_heap */
};

struct errand_args {
	enum errand what;
	unsigned proc;
	uint64_t goid;
	uint32_t rates[RATES];
	bool on;
	double percent;
	int style; /* enum live_stacks */
	int level; /* enum probe_level */
};

struct deputy;

/* `run` does it, on the deputy's thread: 0 or -errno; what there is to say goes to errand_add()
 * with `reply`. 0 or -errno, logged. */
typedef int errand_fn(void *ctx, const struct errand_args *args, void *reply);
int deputy_new(const char *thread_name, errand_fn *run, void *ctx, struct deputy **ret);
/* Waits while what was said before is not taken. 0, -ECANCELED (nobody wants it any more), -ENOMEM.
 */
int errand_add(void *reply, const char *text, size_t len);
/*
 * What it does when nobody asks for anything, `after_ns` from now on; `fn` returns when it wants to
 * be called again (CLOCK_MONOTONIC). It should end when it is wanted elsewhere: deputy_is_idle()
 * says so, on its thread.
 */
typedef uint64_t deputy_idle_fn(void *ctx);
void deputy_when_idle(struct deputy *d, deputy_idle_fn *fn, uint64_t after_ns);
bool deputy_is_idle(struct deputy *d);
/* Ends it when it has done what it is at; nobody may be asking any more. NULL is fine. */
void deputy_free(struct deputy *d);

/*
 * Waits until it is done; `out` may be NULL. What `run` returned, or -EBUSY (too many wait
 * already), -ETIMEDOUT (it takes too long: it may still be done), -ENOMEM. Any thread.
 */
int deputy_ask(struct deputy *d, const struct errand_args *args, struct buf *out);
/* Has it done some time, and waits for nothing. -EBUSY, -ENOMEM. */
int deputy_send(struct deputy *d, const struct errand_args *args);
/* The same for answers too long to hold: `fn` gets them as they come, on the thread that asks, some
 * of errand_add()'s texts at a time and each whole. What it returns, unless 0, ends it. */
int deputy_ask_each(struct deputy *d, const struct errand_args *args,
		    int (*fn)(void *arg, const char *text, size_t len), void *arg);

#endif
