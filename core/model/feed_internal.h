/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The writer's side of the feed, for this room only. One thread writes: it reserves numbers, fills
 * the slots (any of its helpers may), and publishes them. Readers see an event only once it is
 * published, and a slot is not reused while a reader copies from it.
 */
#ifndef XGOTOPFS_MODEL_FEED_INTERNAL_H
#define XGOTOPFS_MODEL_FEED_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/model/feed.h"

#define FEED_LISTENERS 16

/*
 * How far back the previous event is that concerns the same goroutine: the actor's, and the
 * subject's where it is another one. 0 = none that is retained.
 */
struct feed_link {
	uint32_t actor, subject;
};

struct feed {
	struct event *events; /* mask + 1 slots; number s lives in slot s & mask */
	struct feed_link *links;
	size_t mask, capacity;
	_Atomic uint64_t head;
	_Atomic uint64_t tail; /* moves under lock (write) only */
	_Atomic bool closed;
	_Atomic uint64_t missed[FEED_READERS];
	pthread_rwlock_t lock; /* read: copying out of slots; write: giving slots up */

	_Atomic unsigned waiters;
	pthread_mutex_t wait_lock;
	pthread_cond_t appended;

	_Atomic unsigned n_listeners;
	pthread_mutex_t listen_lock;
	/* protected by listen_lock */
	struct feed_listener {
		void (*fn)(void *arg);
		void *arg;
	} listeners[FEED_LISTENERS];
};

/* The lock of feed and model: many readers at once, but the writer goes first. */
int feed_rwlock_init(pthread_rwlock_t *lock);

int feed_new(size_t capacity, struct feed **ret);
void feed_free(struct feed *f);

/* Gives the slots of the next n numbers (n <= capacity) to the writer; returns the first number. */
uint64_t feed_reserve(struct feed *f, size_t n);
/* Shows everything below `head` to readers, and wakes them. */
void feed_publish(struct feed *f, uint64_t head);
/* Gives all slots up: what is retained is trimmed. Opens the feed again when it was closed. */
void feed_restart(struct feed *f);
/* Wakes who waits and calls the listeners; not under a lock of the model. */
void feed_notify(struct feed *f);
size_t feed_memory(const struct feed *f);

static inline struct event *feed_slot(struct feed *f, uint64_t seq)
{
	return &f->events[seq & f->mask];
}

static inline struct feed_link *feed_link_slot(struct feed *f, uint64_t seq)
{
	return &f->links[seq & f->mask];
}

/*
 * Walks one goroutine's events backwards: copies up to `max` of them, newest first, starting at
 * *seq_plus1 - 1, and leaves the next one's number plus 1 (0 = no more retained) there. Any thread.
 */
size_t feed_read_chain(struct feed *f, uint64_t goid, uint64_t *seq_plus1, struct event *out,
		       uint64_t *out_seqs, size_t max);

#endif
