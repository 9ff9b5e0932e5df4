/*
 * Threads that serve have no privileges (core/base/confine.h). What needs some is asked for here: a
 * request is a few numbers, done by a thread of ours that has them. Nothing but the requests below
 * can be asked for. Who asks waits, but only so long.
 */
#ifndef XGOTOPFS_APP_DEPUTY_H
#define XGOTOPFS_APP_DEPUTY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/model/event.h"

enum errand {
	ERRAND_STACK,        /* proc, goid; text */
	ERRAND_STACKS,       /* proc; text */
	ERRAND_REFRESH,      /* proc */
	ERRAND_RATES,        /* rates */
	ERRAND_PAUSED,       /* on */
	ERRAND_MAX_OVERHEAD, /* percent */
};

struct errand_args {
	enum errand what;
	unsigned proc;
	uint64_t goid;
	uint32_t rates[EVENT_TYPES];
	bool on;
	double percent;
};

struct deputy;

/* `run` does it, on the deputy's thread: 0 or -errno; what there is to say goes into `out`. 0 or
 * -errno, logged. */
int deputy_new(const char *thread_name,
	       int (*run)(void *ctx, const struct errand_args *args, struct buf *out), void *ctx,
	       struct deputy **ret);
/* Ends it when it has done what it is at; nobody may be asking any more. NULL is fine. */
void deputy_free(struct deputy *d);

/*
 * Waits until it is done; `out` may be NULL. What `run` returned, or -EBUSY (too many wait already),
 * -ETIMEDOUT (it takes too long: it may still be done), -ENOMEM. Any thread.
 */
int deputy_ask(struct deputy *d, const struct errand_args *args, struct buf *out);

#endif
