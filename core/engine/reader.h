/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is in a live process's memory (core/memory), in the model's terms: addresses become names.
 * Any thread.
 */
#ifndef XGOTOPFS_ENGINE_READER_H
#define XGOTOPFS_ENGINE_READER_H

#include "core/base/buf.h"
#include "core/model/model.h"
#include "core/target/target.h"
#include "core/view/live.h"

struct reader;
struct runtime_seen;
struct unreachable;
struct unreachable_pace;
struct wait_graph;

/* Both are borrowed. 0 or -ENOMEM. */
int reader_new(const struct target *target, struct names *names, struct reader **ret);
void reader_free(struct reader *r); /* NULL is fine */

/* As the source's functions (source.h) of the same names. */
int reader_goroutines(struct reader *r, unsigned proc, pid_t pid, struct goroutine_seen **ret,
		      size_t *ret_n, bool *ret_complete);
int reader_goids(struct reader *r, pid_t pid, uint64_t *ret_least, uint64_t *ret_most);
int reader_of_threads(struct reader *r, unsigned proc, uint64_t *ret);
int reader_stack(struct reader *r, unsigned proc, pid_t pid, uint64_t goid, struct buf *out);
int reader_stacks(struct reader *r, pid_t pid, enum live_stacks what, live_text_fn *fn, void *ctx);
/* Shared (target_share()), for what takes long. */
struct target *reader_target(const struct reader *r);
int reader_runtime(struct reader *r, pid_t pid, struct runtime_seen **ret);
int reader_heap_profile(struct reader *r, pid_t pid, struct live_heap **ret);
int reader_waits(struct reader *r, pid_t pid, struct wait_graph **ret);
/* Of reader_target(), which it frees: it takes seconds, and who has to change something does not
 * wait for that. */
int reader_unreachable(struct target *target, pid_t pid, const struct wait_graph *graph,
		       const struct unreachable_pace *pace, struct unreachable *ret);

#endif
