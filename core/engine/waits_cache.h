/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The last wait graphs that were read: a reading serves all who look within a moment, and the next
 * one waits ten times as long as the last took, whoever asks. Any thread.
 */
#ifndef XGOTOPFS_ENGINE_WAITS_CACHE_H
#define XGOTOPFS_ENGINE_WAITS_CACHE_H

#include "core/engine/source.h"
#include "core/memory/wait_graph.h"

struct waits_cache;

/* Both are borrowed. 0 or -ENOMEM. */
int waits_cache_new(const struct source *source, struct model *model, struct waits_cache **ret);
void waits_cache_free(struct waits_cache *c); /* NULL is fine */

/* In how many ns may process `proc` be read, for somebody who wants a reading that began after
 * newer_ns (CLOCK_MONOTONIC)? UINT64_MAX less the time: the last one is. */
uint64_t waits_cache_due_in(struct waits_cache *c, unsigned proc, uint64_t newer_ns);
/* May it be read again? */
bool waits_cache_is_due(struct waits_cache *c, unsigned proc);
/* Is it the caller who asks for the next reading? Not when somebody just did. */
bool waits_cache_claim(struct waits_cache *c, unsigned proc);
/* Reads it, when it is due. 0, -ESRCH (it has ended), or as the source's waits(). Needs
 * privileges. */
int waits_cache_read(struct waits_cache *c, unsigned proc);
/* The last one, to be put. -EAGAIN: there is none. */
int waits_cache_get(struct waits_cache *c, unsigned proc, struct wait_graph **ret);

#endif
