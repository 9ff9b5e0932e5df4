/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the traced processes' goroutines from their memory and brings the model in line: those that
 * were there before us at the start, corrections after a loss, and once a second while state
 * changes are not all captured. A thread of its own; the functions from any.
 *
 * A reading is used once all events up to its end were applied (source.h, delivered): then what an
 * event says since it was begun stands, and all else is as it was read. Where more was lost
 * meanwhile, or the backlog is long, it is read again; until then the process is in doubt
 * (model_in_doubt()). Where nothing can be read, the states that are in doubt become unknown.
 */
#ifndef XGOTOPFS_ENGINE_HEALER_H
#define XGOTOPFS_ENGINE_HEALER_H

#include <stdbool.h>

#include "core/engine/source.h"

struct healer;

/* Both are borrowed. 0 or -errno. */
int healer_new(const struct source *source, struct model *model, struct healer **ret);
/*
 * Reads those that are there now, and starts the thread. Of a process that has made HEALER_MANY
 * goroutines and more, the thread does that, and after HEALER_FIRST_NS it is waited for no longer:
 * model_awaits() until it is done. 0 or -errno.
 */
#define HEALER_MANY     200000
#define HEALER_FIRST_NS (NS_PER_SEC / 4)
int healer_start(struct healer *h);
/* Waits for the first reading of the process, so long at most; at once when it was done. */
void healer_await(struct healer *h, unsigned proc, uint64_t patience_ns);
void healer_free(struct healer *h); /* ends the thread first; NULL is fine */

/* Process `proc` should be read soon. Never blocks. */
void healer_ask(struct healer *h, unsigned proc);
void healer_ask_all(struct healer *h);
/* Read every process each second (not all state changes are captured), or no longer. */
void healer_always(struct healer *h, bool on);
/* Reads every process now. */
void healer_now_all(struct healer *h);
/*
 * While memory alone tells (healer_always()), somebody looks at process `proc`: it is read, unless
 * that was done HEALER_FRESH_NS ago, or ten times as long as a reading takes. Waits for that, so
 * long at most.
 */
#define HEALER_FRESH_NS (NS_PER_SEC / 10)
void healer_look(struct healer *h, unsigned proc, uint64_t patience_ns);
/* How many numbers its goroutines had been given by the last reading while memory alone told
 * (source.h, goids); 0: not known. */
void healer_goids(const struct healer *h, unsigned proc, uint64_t *ret_least, uint64_t *ret_most);
/* When the last reading of it that was used was begun, CLOCK_MONOTONIC; 0: there is none. */
uint64_t healer_as_of(const struct healer *h, unsigned proc);

/* Stacks as Go's debug=2 dump has them, of one goroutine or of all. -ESRCH when it or the process
 * is gone, or as the source's. Any thread. */
int healer_stack(struct healer *h, unsigned proc, uint64_t goid, struct buf *out);
int healer_stacks(struct healer *h, unsigned proc, enum live_stacks what, live_text_fn *fn,
		  void *arg);

/* Of the last readings: where goroutines come from, for `health`; static text. */
const char *healer_source(const struct healer *h);

#endif
