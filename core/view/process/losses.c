/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of losses, and the view of it: losses.h. */
#include "core/view/process/losses.h"

#include <string.h>

#include "core/model/samples.h"
#include "core/pyramid/pyramid.h"
#include "core/view/view_internal.h"

#define WAY(name_, unit_, kind_, what_, knob_, ...)                                                \
	{                                                                                          \
		.name = #name_, .unit = (unit_), .kind = LOSS_##kind_, .what = (what_),            \
		.knob = (knob_), .offset = offsetof(struct losses, name_), __VA_ARGS__             \
	}

#define A_BUG  "none: please report it"
#define BEHIND "a faster reader, or a larger -retain"

const struct loss_way loss_ways[] = {
	WAY(ring_full, "hits", DATA, "found no room in a ring: more came than was read",
	    "a larger -ring-size; fewer events with -sample or -max-overhead", .told = true),
	WAY(unreadable, "hits", DATA, "of a goroutine whose memory was not to be read", A_BUG,
	    .told = true),
	WAY(absent_fields, "fields", DATA,
	    "are absent: the program's memory was not there when they were read",
	    "Linux 6.0 or newer, which waits for it"),
	WAY(misnamed_fields, "fields", DATA,
	    "may name a goroutine whose end was not seen, and not the one after it", A_BUG),
	WAY(unfollowed, "hits", DATA, "of processes that are not followed",
	    "-pid, for one of them"),
	WAY(undecodable, "hits", DATA, "whose records made no sense", A_BUG),
	WAY(left_in_rings, "hits", DATA, "still in the rings when tracing had to end", ""),
	WAY(malformed, "events", DATA, "that made no sense", A_BUG),
	WAY(unknown_process, "events", DATA, "of no process that is known", A_BUG),
	WAY(untracked_goroutines, "goroutines", DATA, "without a record: there are too many",
	    "-sample without casgstatus, newgoroutine and goexit"),
	WAY(untracked_allocations, "allocations", DATA, "in no row of `types`: short of memory",
	    "more memory, or -sample without allocations"),
	WAY(torn, "bytes", DATA, "of the recorded session could not be read", "", .said = true),
	WAY(unread, "events", DATA, "that the recorded session counts are not in what was read",
	    ""),
	WAY(skipped, "events", DATA, "of the recorded session are of no type that exists", ""),
	WAY(out_of_range, "fields", DATA,
	    "of the recorded session (cpu, line, pid, nth) cannot be: taken as absent", ""),
	WAY(nameless, "names", DATA, "not kept: the table of names is full", "a new start"),
	WAY(alloc_samples, "samples", SAMPLE,
	    "of allocations lost: sampled bytes and sites are too low by them", ""),
	WAY(cpu_samples, "samples", SAMPLE,
	    "of CPU time lost: cpu_ns and pprof/cpu are too low by them", ""),
	WAY(offcpu_samples, "samples", SAMPLE,
	    "of time not running lost: pprof/offcpu is too low by them", ""),
	WAY(creation_samples, "samples", SAMPLE,
	    "of ways to a go statement lost: how many are made there is counted all the same", ""),
	WAY(outside_namespace, "hits", READER,
	    "of processes that have no number in this pid namespace",
	    "run it in the pid namespace of the host"),
	WAY(recording_missed, "events", READER,
	    "not in the recording: it could not keep up with them",
	    "a faster disk, -storage-format protobuf, or a larger -retain", .recording = true,
	    .said = true),
	WAY(not_recorded, "events", READER, "not in the recording: an error had ended it",
	    "room on the disk (-storage-max-size)", .recording = true, .said = true),
	WAY(recording_nameless, "names", READER,
	    "not in the recording: it has too many, and shows what has a new one without it",
	    "a new session", .recording = true),
	WAY(stdout_missed, "events", READER, "not printed: stdout was too slow",
	    "-s, a mount, or a larger -retain"),
	WAY(stream_missed, "events", READER, "not sent to clients of /ws that are too slow",
	    BEHIND),
	WAY(mount_missed, "events", READER, "not in `events` or `events_pipe`: read too late",
	    BEHIND),
	WAY(download_missed, "events", READER, "missing in what a slow client downloads", BEHIND),
	WAY(timeline_missed, "events", READER, "not in the timeline: it could not keep up",
	    "a larger -retain"),
	WAY(events_forgotten, "events", BOUND, "no longer retained", "-retain"),
	WAY(goroutines_forgotten, "goroutines", BOUND, "that exited and are no longer retained",
	    "-retain-exited"),
	WAY(timeline_forgotten, "cells", BOUND, "of the timeline no longer kept: the finest first",
	    "-record, which keeps all"),
};

const unsigned n_loss_ways = ARRAY_SIZE(loss_ways);

const char *loss_kind_name(enum loss_kind kind)
{
	static const char *const names[] = {[LOSS_DATA] = "data",
					    [LOSS_SAMPLE] = "sample",
					    [LOSS_READER] = "reader",
					    [LOSS_BOUND] = "bound"};

	return names[kind];
}

uint64_t losses_of(const struct losses *losses, const struct loss_way *way)
{
	return *(const uint64_t *)(const void *)((const char *)losses + way->offset);
}

static void count_live(const struct view *v, struct losses *ret)
{
	struct live_losses live = {0};

	if (v->live->losses)
		v->live->losses(v->live->ctx, &live);
	ret->ring_full = live.ring_full;
	ret->unreadable = live.unreadable;
	ret->absent_fields = live.absent_fields;
	ret->misnamed_fields = live.misnamed_fields;
	ret->outside_namespace = live.outside_namespace;
	ret->unfollowed = live.unfollowed;
	ret->undecodable = live.undecodable;
	ret->left_in_rings = live.left_in_rings;
}

static void count_readers(const struct view *v, struct losses *ret)
{
	struct feed *feed = model_feed(v->model);
	struct pyramid_info timeline;
	struct recording rec;

	view_recording(v, &rec);
	ret->recording_missed = rec.missed;
	ret->not_recorded = rec.not_recorded;
	ret->recording_nameless = rec.nameless;
	ret->torn = rec.torn_bytes;
	ret->unread = rec.unread_events;
	ret->skipped = rec.skipped;
	ret->out_of_range = rec.out_of_range;
	ret->stdout_missed = feed_missed(feed, FEED_STDOUT);
	ret->stream_missed = feed_missed(feed, FEED_STREAM);
	ret->mount_missed = feed_missed(feed, FEED_MOUNT);
	ret->download_missed = feed_missed(feed, FEED_DOWNLOAD);
	ret->timeline_missed = feed_missed(feed, FEED_TIMELINE);
	ret->timeline_forgotten = feed_missed(feed, FEED_CELLS);
	if (v->meter || !v->pyramid)
		return;
	/* A recorded session that is looked at: nobody follows it. */
	pyramid_info(v->pyramid, &timeline);
	ret->timeline_forgotten = timeline.forgotten;
}

bool loss_is_of_events(const struct loss_way *way)
{
	return way->kind == LOSS_DATA &&
	       (!strcmp(way->unit, "events") || !strcmp(way->unit, "hits"));
}

uint64_t losses_events(const struct view *v, const struct losses *losses)
{
	struct model_totals all;
	uint64_t told = 0, others = 0;

	model_totals(v->model, -1, &all);
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];
		uint64_t *sum = way->told ? &told : &others;

		if (loss_is_of_events(way))
			*sum = sum_u64(*sum, losses_of(losses, way));
	}
	/* A hit may have told of several events; and what was counted just now is told of soon. */
	return sum_u64(MAX(event_counts_sum(all.lost), told), others);
}

uint64_t losses_samples(const struct losses *losses)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n_loss_ways; i++) {
		if (loss_ways[i].kind == LOSS_SAMPLE)
			sum = sum_u64(sum, losses_of(losses, &loss_ways[i]));
	}
	return sum;
}

void losses_count(const struct view *v, struct losses *ret)
{
	struct samples *samples = model_samples(v->model);
	struct model_totals t;

	*ret = (struct losses){0};
	count_live(v, ret);
	count_readers(v, ret);
	ret->alloc_samples = samples_lost_all(samples, SAMPLE_ALLOC);
	ret->cpu_samples = samples_lost_all(samples, SAMPLE_CPU);
	ret->offcpu_samples = samples_lost_all(samples, SAMPLE_OFF_CPU);
	ret->creation_samples = samples_lost_all(samples, SAMPLE_CREATED);
	model_totals(v->model, -1, &t);
	ret->malformed = t.malformed;
	ret->unknown_process = t.unknown_process;
	ret->untracked_goroutines = t.dropped_goroutines;
	ret->untracked_allocations = t.dropped_rows;
	ret->nameless = names_dropped(model_names(v->model));
	ret->events_forgotten = t.trimmed;
	ret->goroutines_forgotten = t.exited_dropped;
}

int view_losses(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const columns[] = {"way", "count", "unit", "of", "what", "helps"};
	struct losses losses;
	struct proc_info info;
	struct emit e;
	int err = q->proc == VIEW_ALL_PROCS ? 0 : model_proc(v->model, q->proc, &info);

	if (err)
		return err;
	losses_count(v, &losses);
	emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];

		emit_row(&e);
		emit_string(&e, NULL, way->name);
		emit_u64(&e, NULL, losses_of(&losses, way));
		emit_string(&e, NULL, way->unit);
		emit_string(&e, NULL, loss_kind_name(way->kind));
		emit_string(&e, NULL, way->what);
		emit_string(&e, NULL, way->knob);
		emit_row_end(&e);
	}
	return emit_table_end(&e);
}
