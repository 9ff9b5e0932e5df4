/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A growing text over the feed: the bytes of an `events` file. Every event becomes a line when
 * somebody looks, at an absolute byte offset that then never changes; nothing is rendered before.
 *
 * The text is kept as blocks of up to 256 lines, of which only offsets stay in memory; bytes are
 * rendered again on demand and kept in a bounded cache shared by all logs. What the feed has
 * trimmed leaves the front of the text block by block. What it trimmed before anybody looked takes
 * no bytes; when that happens between two looks, a line in its place says how many events went:
 *     <time> 0 trimmed count=N        (the whole feed)
 *     <time> 0 trimmed of=N           (one goroutine or process: N of the whole feed went)
 *     {"timestamp":…,"event_type":6,…,"attributes":[N,0,0,0,0],"trimmed":N}  (JSONL)
 *     or "trimmed_of", with the same two meanings
 *
 * Thread-safe; no call holds the log's lock for longer than one slice of events takes.
 */
#ifndef XGOTOPFS_FS_FOLLOW_H
#define XGOTOPFS_FS_FOLLOW_H

#include "core/base/buf.h"
#include "core/view/family.h"

struct follow;
struct follow_cache;

/* At most `max_bytes` of rendered text, over all logs that share it. */
int follow_cache_new(size_t max_bytes, struct follow_cache **ret);
void follow_cache_free(struct follow_cache *c);

struct follow_config {
	const struct view *view;           /* borrowed */
	const struct event_format *format; /* borrowed */
	int proc;                          /* index; -1: every process */
	uint64_t goid;                     /* 0: all goroutines */
	bool json;
	struct follow_cache *cache; /* borrowed; outlives the log */
};

int follow_new(const struct follow_config *config, struct follow **ret);
void follow_free(struct follow *l);

/* How many events of the feed wait to be made visible: what the next follow_extend() costs. */
uint64_t follow_backlog(struct follow *l);

/* Makes what has come visible, in slices of a few milliseconds between which others get a turn.
 * 0 or -ENOMEM. */
int follow_extend(struct follow *l);

struct follow_state {
	uint64_t start, size;   /* bytes: the first still there, and the end; size never shrinks */
	uint64_t last_event_ns; /* of the last line; 0 none */
};

void follow_state(struct follow *l, struct follow_state *ret);

/*
 * One reader's place: maps offsets of its file to offsets of the log. The two are the same until
 * it reads what is no longer there: from then on its offsets stand for later text, which begins
 * at a line. A reader that is overtaken in mid-file first gets the rest of the line it was in and
 * then a `trimmed count=N` line. One that leaps ahead gets what stands there in the file itself.
 * Its owner serialises calls.
 */
struct follow_reader {
	uint64_t delta; /* log offset minus file offset; only grows while it reads on */
	uint64_t next;  /* file offset after the last byte it got */
	uint64_t index; /* events up to there, a begun line included */
	bool started;
	struct buf carry;  /* the rest of the line it is in */
	struct buf insert; /* text of its own, at file offset insert_off */
	uint64_t insert_off;
};

void follow_reader_free(struct follow_reader *r);

/* Appends up to `size` bytes of what is visible, from file offset `off` on; nothing at the end of
 * the file. -EAGAIN: what stood there was trimmed, and nothing after it is visible. */
int follow_reader_read(struct follow_reader *r, struct follow *l, uint64_t off, size_t size,
		       struct buf *out);

/* The same, which makes visible what it needs: nothing stands for "at the end" even where events
 * come faster than text is made of them. */
int follow_read(struct follow_reader *r, struct follow *l, uint64_t off, size_t size,
		struct buf *out);

/* The line that stands for `count` events that went (see above); exact: all of them its own. */
void follow_trimmed_line(const struct event_format *f, bool json, bool exact, uint64_t time_ns,
			 uint64_t count, struct buf *out);

#endif
