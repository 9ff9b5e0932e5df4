/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared by follow.c (the text) and follow_read.c (readers and cache). */
#ifndef XGOTOPFS_FS_FOLLOW_INTERNAL_H
#define XGOTOPFS_FS_FOLLOW_INTERNAL_H

#include <pthread.h>

#include "fs/follow.h"

/* A run of lines: what to render them from, and where they stand. */
struct block {
	uint64_t seq, end_seq; /* of its first event, and past its last */
	uint64_t off;          /* of its first byte */
	uint64_t index;        /* events before its first line, those a gap swallowed included */
	uint64_t gap;          /* events that went just before: its first line says so; 0 none */
	uint64_t time_ns;      /* of its first event */
	uint32_t len, lines;   /* bytes and events */
	/* One goroutine only: each event's number, as its distance from `seq`. */
	uint16_t *seqs;
	uint32_t seqs_cap;
};

struct follow {
	struct follow_config config;
	uint32_t block_lines, block_span;
	/* Who extends holds extend_lock throughout, and lock for a slice at a time. */
	pthread_mutex_t extend_lock;
	bool looked; /* protected by extend_lock */
	pthread_mutex_t lock;
	/* All below is protected by lock. */
	struct block *blocks; /* [first, n) are there */
	size_t first, n, cap;
	uint64_t next_seq; /* the first event not visible yet */
	uint64_t size, index, last_ns;
	uint64_t gap;   /* to be told by the next block */
	bool overtaken; /* events of its own went before text was made of them; none came since */
};

/* Drops the blocks the feed has begun to trim. Under the lock. */
void follow_trim(struct follow *l);
/* The bytes of a block, from the cache or rendered. -ESTALE when it was trimmed. Under the lock. */
int follow_block_text(struct follow *l, const struct block *b, struct buf *out);

/* The cache's own lock is taken last and held for a copy only. */
bool follow_cache_get(struct follow_cache *c, const struct follow *l, uint64_t off,
		      struct buf *out);
void follow_cache_put(struct follow_cache *c, const struct follow *l, uint64_t off,
		      const char *text, size_t len);
/* Appends when the entry holds `had` bytes; 0: makes one. */
void follow_cache_append(struct follow_cache *c, const struct follow *l, uint64_t off, size_t had,
			 const char *text, size_t len);
void follow_cache_forget(struct follow_cache *c, const struct follow *l);

#endif
