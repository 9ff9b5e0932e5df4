/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A session's metadata.json: the original's keys {id, start_time, end_time, pid, binary_path,
 * event_count} and ours beside them. Plain data, by value; no threads here.
 *
 * Reading takes what is there and valid: an absent or odd key is its zero, so the original's files
 * read as well as ours. Writing goes through a temporary file and rename, so that a reader sees the
 * old or the new text, never half of one.
 */
#ifndef XGOTOPFS_SESSION_META_H
#define XGOTOPFS_SESSION_META_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/model/event.h"
#include "core/model/recording.h"

#define SESSION_ID_LEN 36 /* uuid: 8-4-4-4-12 lower-case hex digits */

enum session_format { SESSION_PROTOBUF, SESSION_JSONL };

struct session_meta {
	char id[SESSION_ID_LEN + 1];
	int64_t start_time_ns; /* CLOCK_REALTIME */
	int64_t end_time_ns;   /* 0: it runs, or it was cut off */
	int64_t pid;
	char binary_path[1024];
	uint64_t event_count; /* recorded; while it runs, as of the last update */

	/* Ours. `ours` is false when none of these keys is there, as in a session the original
	 * recorded, and then the rest is zero. */
	bool ours;
	bool many; /* a binary was watched: there may be several processes */
	bool has_wall_offset;
	int64_t wall_offset_ns;                 /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
	uint64_t first_event_ns, last_event_ns; /* CLOCK_MONOTONIC; 0 without events */
	/* CLOCK_MONOTONIC: all that happened until then is in it, and after the last event nothing
	 * did. 0: not known, as when another session goes on from this one. */
	uint64_t recorded_until_ns;
	uint64_t events[EVENT_TYPES];
	uint64_t lost;         /* by the tracing: gap records say where */
	uint64_t missed;       /* by the recorder: it could not keep up */
	uint64_t not_recorded; /* after the recording had to stop (stopped says why) */
	char stopped[160];     /* "" unless a write failed … */
	int64_t stopped_ns;    /* … then; CLOCK_REALTIME */
	char go_version[64], host[65], machine[16], version[32];
	char continues[SESSION_ID_LEN + 1]; /* the session this one goes on from, "" none */
	/* What was attached when it was written last ("" not recorded), and how long, all in all,
	 * no probe was: of that time there is no event. */
	char probes[16];
	char sample[RECORDING_SAMPLE_MAX]; /* in the -sample form; "": all, or not recorded */
	char view[2048]; /* what of it is to be looked at: session_view_valid(), or "" */
	uint64_t probes_off_ns, probes_switched;
	char audit[16]; /* audit_state_name(), "" not recorded … */
	uint64_t audit_comparisons, audit_found[AUDIT_KINDS]; /* … and what it came to */
};

#define SESSION_META_MAX (1u << 20) /* bytes of metadata.json */

/* "protobuf" or "jsonl"; the events file's name. */
const char *session_format_name(enum session_format format);
const char *session_format_file(enum session_format format);
/* 0 or -EINVAL. */
int session_format_parse(const char *text, enum session_format *ret);

/* Exactly the form of a uuid: nothing that passes can leave the storage folder. */
bool session_id_valid(const char *id);
/* A new random (version 4) id. */
int session_id_new(char ret[SESSION_ID_LEN + 1]);

/* Reads metadata.json in the folder `dir_fd`. -ENOENT, -EINVAL when it is no JSON object, -EFBIG
 * past 1 MiB, or as file_open_at(); with one line of reason in `why` (size bytes; may be NULL, 0).
 */
int session_meta_load(int dir_fd, struct session_meta *ret, char *why, size_t size);
/* Writes it there (0600), whole or not at all. `sync`: to the disk before it returns. */
int session_meta_save(int dir_fd, const struct session_meta *meta, bool sync);
/* The text of metadata.json. */
void session_meta_render(const struct session_meta *meta, struct buf *out);
/* What may stand behind the # of an address (RFC 3986, fragment), and is short enough. */
bool session_view_valid(const char *view);
/* Puts in what is known of the source. */
void session_meta_note(struct session_meta *meta, const struct recording_noted *noted);
/* For views of a session that is looked at: how it stopped, or that nothing is recorded. */
void session_meta_recording(const struct session_meta *meta, struct recording *ret);

/* CLOCK_REALTIME minus the events' clock. Where it is not said, or could not be any, it is an
 * estimate: the first event (at first_ns; 0 there is none) came when the session began. */
int64_t session_wall_offset(const struct session_meta *meta, uint64_t first_ns, bool *ret_estimate);

/* RFC 3339 with nanoseconds, UTC: "2026-11-23T05:07:30.358415102Z". */
void session_time_format(int64_t realtime_ns, struct buf *out);

#endif
