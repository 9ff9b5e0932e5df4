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
#include "core/model/packed.h"

#define FEED_LISTENERS 16
#define FEED_BLOCK     64 /* events with one base of their times; what is wide among them is a page */

struct feed {
	/* Number s lives in slot s % slots. There is one block more than the capacity needs, so
	 * that no slot of a block that is written into is retained from the time before. */
	struct packed_event *events;
	struct event *wide;    /* as many; one that does not fit is whole in here: packed.h */
	uint64_t *bases;       /* of each block: the time of its first event */
	_Atomic bool *widened; /* of each block: there is something in `wide` */
	_Atomic size_t n_widened;
	size_t slots, capacity;
	uint64_t lap; /* the writer's: a number that lives in slot 0, at most `slots` behind the
			 head */
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

/*
 * Writes the events from number `seq` on, which feed_reserve() gave, one after another: feed_at(),
 * then feed_put() for each. The first one of a block (seq % FEED_BLOCK == 0) comes before the
 * others of it; those may be written by several threads.
 */
struct feed_place {
	size_t slot;
	uint64_t base_ns; /* of its block, behind the first of it */
};

static inline struct feed_place feed_at(const struct feed *f, uint64_t seq)
{
	size_t slot = (size_t)(seq - f->lap);

	if (slot >= f->slots)
		slot -= f->slots;
	return (struct feed_place){.slot = slot, .base_ns = f->bases[slot / FEED_BLOCK]};
}

/* The block is begun anew: no event of the time before is retained in it. */
void feed_begin_block(struct feed *f, size_t slot, uint64_t base_ns);
/* It does not fit. */
void feed_put_wide(struct feed *f, size_t slot, const struct event *ev);

static inline void feed_put(struct feed *f, struct feed_place *at, const struct event *ev,
			    struct feed_link link)
{
	if (at->slot % FEED_BLOCK == 0) {
		at->base_ns = ev->time_ns;
		feed_begin_block(f, at->slot, ev->time_ns);
	}
	if (!event_pack(ev, at->base_ns, link, &f->events[at->slot]))
		feed_put_wide(f, at->slot, ev);
	if (++at->slot == f->slots)
		at->slot = 0;
}

/*
 * Walks one goroutine's events backwards: copies up to `max` of them, newest first, starting at
 * *seq_plus1 - 1, and leaves the next one's number plus 1 (0 = no more retained) there. Any thread.
 */
size_t feed_read_chain(struct feed *f, uint64_t goid, uint64_t *seq_plus1, struct event *out,
		       uint64_t *out_seqs, size_t max);

#endif
