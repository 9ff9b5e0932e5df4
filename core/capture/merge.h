/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rings' records in the order of their times.
 *
 * What must hold: a goroutine's events come out in the order they happened, although it moves from
 * CPU to CPU and so from ring to ring; and nothing that is older comes after what was handed out.
 *
 * The argument. The BPF program takes a record's slot (an atomic add to the ring's head, a full
 * barrier) and then reads the time. So, for a reader that reads the clock (W) and then all heads
 * (P): a record with time < W took its slot before W was read, and lies below its ring's P. Once a
 * ring was read up to its P without meeting a slot that is taken but not written (busy), all its
 * records with time < W are here: W is that ring's watermark. Records older than the lowest
 * watermark of all rings can be handed out in the order of time; none that is older can still come.
 * A busy record holds its ring's watermark back until it is written (its thread was preempted
 * inside the program: a time slice at most).
 *
 * Two events of one goroutine are at least one trap apart, which is more than the clock differs
 * between CPUs. For clocks that do differ a little, W is taken MERGE_SLACK_NS in the past.
 *
 * Inside a ring the times are nearly in order (a preempted program leaves a swap), so inserting
 * from the end is cheap. One thread; not thread-safe.
 */
#ifndef XGOTOPFS_CAPTURE_MERGE_H
#define XGOTOPFS_CAPTURE_MERGE_H

#include "core/capture/ring.h"

/* Far more than synchronised clocks differ, far less than anybody notices. */
#define MERGE_SLACK_NS 20000

struct merge;

/* `rings` is borrowed. 0 or -ENOMEM. */
int merge_new(struct ring *rings, unsigned n, struct merge **ret);
void merge_free(struct merge *m);

/*
 * Takes what is in the rings now. `clock_ns` is CLOCK_MONOTONIC, read before the call. Returns the
 * number of records read. Memory is bounded: a ring whose records cannot be handed out yet is left
 * alone once many wait (the kernel then counts what does not fit).
 */
size_t merge_drain(struct merge *m, uint64_t clock_ns);

/* The next record in order, or NULL when no other is known to be next. Valid until the next call.
 */
const union wire_record *merge_next(struct merge *m);
/* Everything that happened before this time was handed out, once merge_next() answered NULL. */
uint64_t merge_watermark(const struct merge *m);
/* Nothing is written any more: let all that was read out. */
void merge_finish(struct merge *m);

uint64_t merge_most(const struct merge *m);        /* that the last drain read from one ring */
uint64_t merge_backlog(const struct merge *m);     /* records in the fullest ring, not read yet */
uint64_t merge_unread(const struct merge *m);      /* records in all rings, not read yet */
bool merge_busy(const struct merge *m);            /* the last drain stopped at a busy record */
uint64_t merge_waiting(const struct merge *m);     /* records read, not handed out */
uint64_t merge_read(const struct merge *m);        /* records read so far */
uint64_t merge_undecodable(const struct merge *m); /* that made no sense, or were overwritten */

#endif
