/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each process's runtime said last of heap and scheduler, and what that makes a second: read
 * once a second, so that whoever is quick has it at once, and when the process has ended, too.
 * Bounded: of the LAST_RUNTIME_MAX that were read last. Any thread.
 */
#ifndef XGOTOPFS_ENGINE_LAST_RUNTIME_H
#define XGOTOPFS_ENGINE_LAST_RUNTIME_H

#include "core/engine/source.h"

#define LAST_RUNTIME_MAX  1024
#define LAST_RUNTIME_SEEN (16u << 20) /* bytes of what all of them said */

struct last_runtime;

int last_runtime_new(struct last_runtime **ret);
void last_runtime_free(struct last_runtime *l); /* NULL is fine */

/* Reads it. `was_there`: it ran before it was attached to, just now; any other begins with nothing
 * allocated. 0, or as source.h's runtime(): what was read before stays. */
int last_runtime_read(struct last_runtime *l, const struct source *source, struct model *model,
		      unsigned proc, bool was_there);
/* All that it said then, where that is not too much to be kept; the caller frees *ret. -ESRCH: none
 * is, -ENOMEM. */
int last_runtime_seen(struct last_runtime *l, unsigned proc, struct runtime_seen **ret);
/* False: it was never read. */
bool last_runtime_get(struct last_runtime *l, unsigned proc, struct live_runtime *ret);

#endif
