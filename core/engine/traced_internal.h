/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What traced.c and traced_file.c share. */
#ifndef XGOTOPFS_ENGINE_TRACED_INTERNAL_H
#define XGOTOPFS_ENGINE_TRACED_INTERNAL_H

#include <pthread.h>

#include "core/engine/reader.h"
#include "core/engine/traced.h"

struct traced {
	struct traced_config c;
	struct source source;
	uint64_t trap_ns;
	struct reader *reader;

	/* The main thread changes what follows, and need not lock to look at it. */
	pthread_rwlock_t lock;
	struct target *target; /* protected by lock, as the next three */
	struct capture *capture;
	struct capture_stats earlier; /* of the captures before it, summed */
	char file_why[512];           /* why the file cannot be traced; "" */
	_Atomic int low_latency;      /* asked for so many times */
	_Atomic int processes;        /* traced and alive */

	/* As the main thread knows it. */
	enum capture_file file;
	unsigned file_changes;
	uint64_t file_since_ns;
	bool file_said, file_retry;
};

/* A capture for `target` that tells of its processes. -errno, logged but for -ESTALE. */
int traced_make_capture(struct traced *t, struct target *target, const uint32_t rates[EVENT_TYPES],
			struct capture **ret);
/* *sum += *s */
void traced_add_stats(struct capture_stats *sum, const struct capture_stats *s);
/* Health's part, holding the lock. */
void traced_file_health(struct traced *t, struct health *ret);

#endif
