/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events as lines on stdout, when nothing is mounted: what the original does. A thread of its own
 * follows the feed with a cursor, so that a slow terminal never slows capture; what it could not
 * keep up with is said in the output and counted.
 */
#ifndef XGOTOPFS_ENGINE_STDOUT_LOG_H
#define XGOTOPFS_ENGINE_STDOUT_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/model/model.h"

struct stdout_log;

struct stdout_log_config {
	struct model *model;      /* borrowed */
	bool many;                /* lines carry pid= */
	const atomic_bool *asked; /* somebody wants an end: a reader that takes nothing is left */
	void (*ended)(void *ctx); /* stdout takes no more. On the log's thread */
	void *ctx;
};

/* Starts at the feed's oldest event. 0 or -errno. */
int stdout_log_start(const struct stdout_log_config *config, struct stdout_log **ret);
/* How many events of the feed it has yet to read. Any thread. */
uint64_t stdout_log_behind(const struct stdout_log *s);
/*
 * Writes what is left of the feed (which must be closed, or it only stops), ends and frees. 0; or
 * -errno of a write that failed, a closed pipe (`| head`) not among them. NULL is fine.
 */
int stdout_log_stop(struct stdout_log *s);

#endif
