/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What reader.c shares with the two formats' readers. */
#ifndef XGOTOPFS_SESSION_READER_INTERNAL_H
#define XGOTOPFS_SESSION_READER_INTERNAL_H

#include "core/session/reader.h"
#include "core/session/tables.h"

#define SEEN_MAX  65536 /* goroutines of one snapshot */
#define GAPS_MAX  4096  /* gaps of one batch */
#define PROCS_MAX MODEL_PROCS_MAX
#define NEWS_MAX  (2 * SESSION_CHUNK) /* processes told of in one chunk */

struct known_proc {
	pid_t pid;
	uint16_t nth; /* the how manieth with its pid, from 1 on */
};

/* The part of the file that is in memory. */
struct window {
	uint8_t *data;
	size_t cap, start, end; /* data[start..end) is unread */
	uint64_t offset;        /* in the file, of data[start] */
};

/* Some bytes as they were read: a session only ever grows, so that they stay. */
#define WITNESS_MAX 4096u
struct witness {
	uint64_t at; /* in the file */
	size_t n;    /* 0: none */
	uint8_t bytes[WITNESS_MAX];
};

/* A batch while its events are given out. */
struct open_batch {
	const uint8_t *at, *end; /* NULL: none open */
	const uint8_t *column, *column_end;
	const uint8_t *cpus, *cpus_end;
	uint64_t cpu_events; /* so many more are made on `cpu` */
	uint64_t cpu;
	struct event gap_events[GAPS_MAX];
	uint32_t gap_before[GAPS_MAX];
	struct session_gap gaps[GAPS_MAX];
	size_t n_gaps, gap;
	uint32_t given; /* events (not gaps) so far */
	bool original;
};

struct session_reader {
	int fd;
	enum session_format format;
	struct names *names;
	struct tables *tables;
	struct window window;
	struct open_batch batch;
	struct session_end end;
	bool stopped;                     /* malformed: nothing more is given until a seek */
	uint64_t used;                    /* of the file, bytes: the most there ever were */
	struct witness first, last, next; /* of the begin; of later on, and not used yet */

	struct event events[SESSION_CHUNK];
	struct raw_event raw[SESSION_CHUNK];
	struct session_gap chunk_gaps[SESSION_CHUNK];
	bool many;                  /* metadata.json: every line is to say its process */
	struct proc_info meta_proc; /* what metadata.json says of the first process */
	struct known_proc *procs;   /* all that are known, by index; the first is there */
	unsigned procs_cap;
	unsigned n_procs, last_proc;
	struct proc_info *new_procs; /* NULL until there are some */
	unsigned *new_proc_index;
	unsigned news_cap;
	struct goroutine_seen *seen;
	unsigned *seen_proc;
	size_t n_seen;
	uint64_t seen_ns;
	struct buf scratch;
};

/* Makes window data[start..start+n) available. 1, 0 when the file is shorter, -errno. */
int window_fill(struct session_reader *r, size_t n);
void window_take(struct session_reader *r, size_t n);
/* Room for a process of that index, below PROCS_MAX. 0 or -ENOMEM. */
int reader_proc_room(struct session_reader *r, unsigned index);
/* Tells of a process in this chunk; past NEWS_MAX it does not. 0 or -ENOMEM. */
int reader_tell(struct session_reader *r, struct session_chunk *chunk, unsigned index,
		const struct proc_info *info);
/* 0 or -errno. */
int reader_measure(const struct session_reader *r, uint64_t *ret);

/* Ends the session here: what follows the last good record is missing. Returns 0. */
int reader_stop(struct session_reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* session_reader_next() of a format. */
int reader_pb_next(struct session_reader *r, struct session_chunk *ret);
int reader_jsonl_next(struct session_reader *r, struct session_chunk *ret);
/* session_reader_begins() of a format. */
bool reader_pb_begins(int fd, uint64_t bytes);
bool reader_jsonl_begins(int fd, uint64_t bytes);

#endif
