/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events -> RuntimeEventBatch (proto/event.proto). Keeps the stream's dictionary: what a batch
 * needs and no earlier one defined is defined in it. One encoder a stream (a session's file, one
 * client of /ws that asked for protobuf); one thread uses it.
 *
 * It packs with protobuf-c, which is fast enough (tests/bench/session_bench.c).
 */
#ifndef XGOTOPFS_SESSION_ENCODER_H
#define XGOTOPFS_SESSION_ENCODER_H

#include "core/base/buf.h"
#include "core/model/model.h"
#include "core/session/wire.h"

struct encoder;

int encoder_new(const struct names *names, struct encoder **ret); /* names is borrowed */
void encoder_free(struct encoder *e);

/* Goes into the next batch: a process and its index; again when it has exited. 0 or -ENOMEM. */
int encoder_process(struct encoder *e, unsigned index, const struct proc_info *info);

/* Goes into the next batch, before its events (the seen of model_heal()). Cut it into pieces of at
 * most ENCODER_SNAPSHOT_MAX, one a batch. */
#define ENCODER_SNAPSHOT_MAX 4096
int encoder_snapshot(struct encoder *e, uint64_t time_ns, const struct goroutine *goroutines,
		     size_t n);

/*
 * Appends one batch's bytes (without marker and length) to `out`. EVENT_LOST among the events
 * becomes a gap. by_type holds what of the lost is known by type, and is lessened by what was
 * written; may be NULL. An EVENT_LOST with ENCODER_BY_RECORDER in flags was lost by the recorder.
 * At most ENCODER_BATCH_MAX events. 0 or -ENOMEM.
 */
#define ENCODER_BATCH_MAX   (1u << 20)
#define ENCODER_BY_RECORDER 0x80
int encoder_batch(struct encoder *e, const struct event *events, size_t n,
		  uint64_t by_type[EVENT_TYPES], struct buf *out);

/* Events just as they were recorded, all five attributes: what a conversion of the original's
 * sessions writes. 0 or -ENOMEM. */
int encoder_raw_batch(struct encoder *e, const struct raw_event *events, size_t n, struct buf *out);

/* Is there something for the next batch beside events? */
bool encoder_pending(const struct encoder *e);

/* Names that did not fit into the dictionary (SESSION_TABLE_MAX of a kind). */
uint64_t encoder_dropped(const struct encoder *e);

#endif
