/*
 * The rings' records in the order of their times.
 *
 * What must hold: a goroutine's events come out in the order they happened, although it moves from
 * CPU to CPU and so from ring to ring; and nothing that is older comes after what was handed out.
 *
 * The argument. The BPF program reads a record's time after it reserved the room for it. So, for a
 * reader that reads the clock (W) and then all producer positions (P): a record with time < W was
 * reserved before W was read, and lies before its ring's P. Once a ring was read up to its P
 * without meeting a record that is reserved but not written (busy), all its records with time < W
 * are here: W is that ring's watermark. Records older than the lowest watermark of all rings can be
 * handed out in the order of time; none that is older can still come. A busy record holds its
 * ring's watermark back until it is written (its thread was preempted inside the program: a time
 * slice at most).
 *
 * Two events of one goroutine are at least one trap apart, which is more than the clock differs
 * between CPUs. A reservation may be visible to us a store buffer later than the clock says; W is
 * therefore taken MERGE_SLACK_NS in the past.
 *
 * Inside a ring the times are nearly in order (a preempted program leaves a swap), so inserting
 * from the end is cheap. One thread; not thread-safe but for merge_drain_lane() on different lanes.
 */
#ifndef XGOTOPFS_CAPTURE_MERGE_H
#define XGOTOPFS_CAPTURE_MERGE_H

#include <linux/types.h>

#include "bpf/abi.h"
#include "core/base/util.h"
#include "core/capture/ring.h"

/* Far more than a store buffer needs to drain, far less than anybody notices. */
#define MERGE_SLACK_NS 20000

/* Room for any record; what a shorter one leaves out is 0. */
union wire_record {
	struct wire_header h;
	struct wire_state state;
	struct wire_create create;
	struct wire_alloc alloc;
};

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

/* merge_drain() in three parts, so that several threads can read a lane (ring) each. */
void merge_drain_begin(struct merge *m, uint64_t clock_ns);
void merge_drain_lane(struct merge *m, unsigned lane);
size_t merge_drain_end(struct merge *m);

/* The next record in order, or NULL when no other is known to be next. Valid until the next call.
 */
const union wire_record *merge_next(struct merge *m);
/* Everything that happened before this time was handed out, once merge_next() answered NULL. */
uint64_t merge_watermark(const struct merge *m);
/* Nothing is written any more: let all that was read out. */
void merge_finish(struct merge *m);

/* Bytes in the rings that were not read yet; merge_busy(): a drain stopped at a busy record. */
uint64_t merge_backlog(const struct merge *m);
bool merge_busy(const struct merge *m);
uint64_t merge_waiting(const struct merge *m);     /* records read, not handed out */
uint64_t merge_read(const struct merge *m);        /* records read so far */
uint64_t merge_undecodable(const struct merge *m); /* records of an impossible length or type */

#endif
