/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a recorded session, both formats, ours and the original's, from its first record to the
 * last good one. Streaming and bounded: memory does not grow with the session's length (but for
 * names, which have a bound of their own). Input is hostile: a torn or malformed record ends the
 * session cleanly there, and session_reader_end() says what is missing and why.
 *
 * One thread uses a reader. Ids in what it gives are ids in the names it was opened with.
 */
#ifndef XGOTOPFS_SESSION_READER_H
#define XGOTOPFS_SESSION_READER_H

#include "core/model/model.h"
#include "core/session/meta.h"
#include "core/session/wire.h"

#define SESSION_RECORD_MAX (64u << 20) /* bytes of one record; a longer one is malformed */
#define SESSION_LINE_MAX   (64u << 10) /* bytes of one JSONL line */
#define SESSION_CHUNK      2048        /* events given at once, at most */

struct session_reader;

/* What is known by type of an EVENT_LOST among the events. */
struct session_gap {
	uint64_t lost[EVENT_TYPES]; /* for model_lost(); sums to the event's count */
	bool recorder; /* the recorder missed them: the types are not known, lost is 0 */
};

/* A chunk of a session. Pointers stay valid until the next call on the reader. In the order to
 * apply them: processes, goroutines, events. */
struct session_chunk {
	struct event *events;        /* the caller may change them */
	const struct raw_event *raw; /* the same as recorded; type 6 for EVENT_LOST */
	size_t n;
	const struct session_gap *gaps; /* one for each EVENT_LOST in events, in order */

	const struct proc_info *procs; /* new or changed */
	const unsigned *proc_index;
	size_t n_procs;

	const struct goroutine_seen *seen; /* model_heal(…, complete false) */
	const unsigned *seen_proc;
	size_t n_seen;
	uint64_t seen_ns;

	uint64_t offset; /* in the events file: of the record the first of these is in */
	uint64_t next; /* of what follows the chunk; a start for session_reader_seek() when !more */
	bool more;     /* the record goes on in the next chunk */
};

/*
 * Opens the session in the folder `dir_fd`, or the archive that it is (not kept). names is
 * borrowed. *ret_meta (may be NULL) is its metadata; a missing or malformed metadata.json is a
 * warning text in session_reader_end().warning and zeros, not an error, as the events may be fine.
 * -ENOENT when there is no events file, or as file_open_at().
 */
int session_reader_open(int dir_fd, struct names *names, struct session_meta *ret_meta,
			struct session_reader **ret);
/* The same for an events file alone (tests, pipes are not supported). fd is taken over. */
int session_reader_open_fd(int fd, enum session_format format, struct names *names,
			   struct session_reader **ret);
/* Why a session could not be opened, in words. */
void session_open_error(int err, char *why, size_t size);
/* Is the first record of an events file of `bytes` bytes whole? A look at its head alone; also true
 * when that cannot be read. fd stays where it is. */
bool session_reader_begins(int fd, enum session_format format, uint64_t bytes);
void session_reader_close(struct session_reader *r);

/* 1: *ret is the next chunk; 0: the end (ask session_reader_end() which); -errno: cannot read;
 * -ESTALE: somebody wrote over what was read, in place (session_end.changed).
 * After 0, a later call goes on when the file has grown by whole records meanwhile. */
int session_reader_next(struct session_reader *r, struct session_chunk *ret);
/* How many of its events are such, and not losses or what the tracer did. */
uint64_t session_chunk_events(const struct session_chunk *chunk);

/* Goes to a record's start (a chunk's offset). The dictionary stays: only go where you have been.
 */
int session_reader_seek(struct session_reader *r, uint64_t offset);

struct session_end {
	uint64_t good_bytes;    /* up to the last good record */
	uint64_t missing_bytes; /* after it; 0: whole */
	char reason[128];       /* "" when whole */
	char warning[200];      /* about metadata.json, or "" */
	uint64_t out_of_range;  /* optional numbers that cannot be: taken as not there */
	uint64_t skipped;       /* events of a type that does not exist */
	bool malformed; /* what follows is no record: nothing more is read, if it grows, too */
	bool changed; /* what was read was written over since: it may be of two sessions, or of none
		       */
	uint64_t last_ns;       /* the newest event's time of what was read */
	uint64_t unread_events; /* that metadata.json counts and are not there; the loader's */
};

/* Of the events that metadata.json counts those that are not there, once all was read: `events` of
 * it could be. While it is recorded its metadata may be ahead of what is written: none. */
uint64_t session_end_unread(const struct session_end *end, const struct session_meta *meta,
			    uint64_t events);
/* Says what is missing but for what was cut off (`reason`) and for `warning`, which is known as it
 * is opened, a line each. */
void session_end_warn(const struct session_end *end, const struct session_meta *meta,
		      const char *session);
/* What is missing, for views of a session that is looked at. */
void session_end_recording(const struct session_end *end, struct recording *ret);
/* Until when it tells what there was, once all of it was read; 0 where that is not known. What
 * metadata.json says of it is held against the events. */
uint64_t session_known_until(const struct session_end *end, const struct session_meta *meta);
/* The same of what was read by a reader, `events` (session_chunk_events()). */
uint64_t session_reader_until(const struct session_reader *r, const struct session_meta *meta,
			      uint64_t events);

void session_reader_end(const struct session_reader *r, struct session_end *ret);
uint64_t session_reader_size(const struct session_reader *r); /* of the events file, bytes */

/*
 * Event i of a chunk as a JSONL line. What the original recorded comes out as it went in, byte for
 * byte; ours as event_format_json() writes it.
 */
void session_reader_json(struct session_reader *r, const struct session_chunk *chunk, size_t i,
			 struct buf *out);

#endif
