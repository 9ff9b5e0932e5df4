/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every way in which something can be lost between a hit and who reads of it: one table, which
 * stats, health, metrics, the view `losses` and the UI show, and each row of which
 * tests/cases/losses.sh or a unit test brings about. Whoever drops something counts it, and adds a
 * row here. Any thread.
 */
#ifndef XGOTOPFS_VIEW_LOSSES_H
#define XGOTOPFS_VIEW_LOSSES_H

#include "core/view/view.h"

enum loss_kind {
	LOSS_DATA,   /* figures are too low, or something is wrong */
	LOSS_SAMPLE, /* estimates are of fewer samples, and so too low */
	LOSS_READER, /* the figures are right; somebody who reads has not had all of it */
	LOSS_BOUND,  /* no longer kept, as a bound says: what is shown of the past is shorter */
};

struct loss_way {
	const char *name; /* snake_case: in keys, and the label of the metric */
	const char *unit;
	enum loss_kind kind;
	const char *what; /* "found no room in a ring: …" */
	const char *knob; /* what helps; "" nothing that a user can do */
	size_t offset;    /* of its count in struct losses */
	bool recording;   /* of a recording: nothing where there is none */
	bool said;        /* health says it with what became of the recording */
	bool told;        /* its events are among those that model_lost() was told of */
};

/* Counts since the start, of all processes. */
struct losses {
	uint64_t ring_full, unreadable, absent_fields, misnamed_fields, outside_namespace,
		unfollowed, undecodable, left_in_rings, malformed, unknown_process,
		untracked_goroutines, untracked_allocations, torn, unread, skipped, out_of_range,
		nameless, alloc_samples, cpu_samples, offcpu_samples, creation_samples,
		recording_missed, not_recorded, recording_nameless, stdout_missed, stream_missed,
		mount_missed, download_missed, timeline_missed, events_forgotten,
		goroutines_forgotten, timeline_forgotten;
};

extern const struct loss_way loss_ways[];
extern const unsigned n_loss_ways;

void losses_count(const struct view *v, struct losses *ret);
uint64_t losses_of(const struct losses *losses, const struct loss_way *way);
/* How many events figures are too low by, of all processes: what model_lost() was told of, or is
 * the session's, and each other way of LOSS_DATA that counts events or hits. Bytes, fields, names,
 * … are in no sum: they go by their own unit. */
uint64_t losses_events(const struct view *v, const struct losses *losses);
/* Does that sum have it? */
bool loss_is_of_events(const struct loss_way *way);
/* Of all ways of LOSS_SAMPLE, which all count samples. */
uint64_t losses_samples(const struct losses *losses);
/* "data", "sample", "reader", "bound" */
const char *loss_kind_name(enum loss_kind kind);

#endif
