/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The feed (feed.h): a ring of events with a number each. The writer fills slots that no reader can
 * see and publishes them with one release store, so that it waits for readers only to give old
 * slots up, and then no longer than one copy of a few thousand events takes.
 */
#include "core/model/feed_internal.h"

#include <errno.h>
#include <sys/mman.h>

#include "core/base/util.h"

#define COPY_MAX 1024 /* events a reader copies before it lets the writer in */

_Static_assert(FEED_EVENT_BYTES *FEED_BLOCK >=
		       sizeof(struct packed_event) * FEED_BLOCK + sizeof(uint64_t) + sizeof(bool),
	       "an event's share of its block");

int feed_rwlock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;
	int err = -pthread_rwlockattr_init(&attr);

	if (err)
		return err;
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	err = -pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return err;
}

static int init_waiting(struct feed *f)
{
	pthread_condattr_t attr;
	int err = -pthread_condattr_init(&attr);

	if (err)
		return err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = -pthread_cond_init(&f->appended, &attr);
	pthread_condattr_destroy(&attr);
	return err;
}

/* Pages become real when first written, so a feed that never fills costs little. */
static void *map_pages(size_t n, size_t size, int advice)
{
	void *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, n * size, advice);
	return p;
}

static int map_events(struct feed *f)
{
	size_t blocks = f->slots / FEED_BLOCK;

	/* Small pages: a large one is emptied at once, for milliseconds in which the rings fill,
	 * and is in no cache when it is written. From one end to the other they cost nothing else.
	 * Few events are wide, if any. */
	f->events = map_pages(f->slots, sizeof(*f->events), MADV_NOHUGEPAGE);
	f->wide = map_pages(f->slots, sizeof(*f->wide), MADV_NOHUGEPAGE);
	f->bases = map_pages(blocks, sizeof(*f->bases), MADV_NORMAL);
	f->widened = map_pages(blocks, sizeof(*f->widened), MADV_NORMAL);
	return f->events && f->wide && f->bases && f->widened ? 0 : -ENOMEM;
}

static void unmap_pages(void *p, size_t n, size_t size)
{
	if (p)
		munmap(p, n * size);
}

int feed_new(size_t capacity, struct feed **ret)
{
	struct feed *f;
	int err;

	/* Distances between events are kept in 32 bits. */
	if (capacity == 0 || capacity > UINT32_MAX - 2 * FEED_BLOCK)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->capacity = capacity;
	f->slots = ((capacity + FEED_BLOCK - 1) / FEED_BLOCK + 1) * FEED_BLOCK;
	err = feed_rwlock_init(&f->lock);
	if (err)
		goto free_feed;
	err = -pthread_mutex_init(&f->wait_lock, NULL);
	if (err)
		goto free_lock;
	err = -pthread_mutex_init(&f->listen_lock, NULL);
	if (err)
		goto free_wait_lock;
	err = init_waiting(f);
	if (err)
		goto free_listen_lock;
	err = map_events(f);
	if (err) {
		feed_free(f);
		return err;
	}
	*ret = f;
	return 0;

free_listen_lock:
	pthread_mutex_destroy(&f->listen_lock);
free_wait_lock:
	pthread_mutex_destroy(&f->wait_lock);
free_lock:
	pthread_rwlock_destroy(&f->lock);
free_feed:
	free(f);
	return err;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	unmap_pages(f->events, f->slots, sizeof(*f->events));
	unmap_pages(f->wide, f->slots, sizeof(*f->wide));
	unmap_pages(f->bases, f->slots / FEED_BLOCK, sizeof(*f->bases));
	unmap_pages((void *)f->widened, f->slots / FEED_BLOCK, sizeof(*f->widened));
	pthread_cond_destroy(&f->appended);
	pthread_mutex_destroy(&f->listen_lock);
	pthread_mutex_destroy(&f->wait_lock);
	pthread_rwlock_destroy(&f->lock);
	free(f);
}

uint64_t feed_head(struct feed *f)
{
	return atomic_load(&f->head);
}

uint64_t feed_tail(struct feed *f)
{
	return atomic_load(&f->tail);
}

size_t feed_capacity(const struct feed *f)
{
	return f->capacity;
}

size_t feed_memory(const struct feed *f)
{
	struct feed *mutable = (struct feed *)f;
	uint64_t used = atomic_load(&mutable->head);

	used = MIN(used, (uint64_t)f->slots);
	return sizeof(*f) + used * sizeof(*f->events) +
	       (used + FEED_BLOCK - 1) / FEED_BLOCK * (sizeof(*f->bases) + sizeof(*f->widened)) +
	       atomic_load_explicit(&mutable->n_widened, memory_order_relaxed) * FEED_BLOCK *
		       sizeof(*f->wide);
}

uint64_t feed_reserve(struct feed *f, size_t n)
{
	uint64_t head = atomic_load_explicit(&f->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&f->tail, memory_order_relaxed);

	if (head + n > tail + f->capacity) {
		/* Waits for copies under way; later ones do not touch the slots given up. */
		pthread_rwlock_wrlock(&f->lock);
		atomic_store_explicit(&f->tail, head + n - f->capacity, memory_order_release);
		pthread_rwlock_unlock(&f->lock);
	}
	if (head - f->lap >= f->slots)
		f->lap += f->slots;
	return head;
}

void feed_begin_block(struct feed *f, size_t slot, uint64_t base_ns)
{
	size_t block = slot / FEED_BLOCK;

	f->bases[block] = base_ns;
	if (!atomic_load_explicit(&f->widened[block], memory_order_relaxed))
		return;
	/* Where pages are larger than a block this does nothing, and they stay. */
	(void)madvise(&f->wide[slot], FEED_BLOCK * sizeof(*f->wide), MADV_DONTNEED);
	atomic_store_explicit(&f->widened[block], false, memory_order_relaxed);
	atomic_fetch_sub_explicit(&f->n_widened, 1, memory_order_relaxed);
}

void feed_put_wide(struct feed *f, size_t slot, const struct event *ev)
{
	if (!atomic_exchange_explicit(&f->widened[slot / FEED_BLOCK], true, memory_order_relaxed))
		atomic_fetch_add_explicit(&f->n_widened, 1, memory_order_relaxed);
	f->wide[slot] = *ev;
}

static inline void get(const struct feed *f, size_t slot, struct event *ret)
{
	const struct packed_event *p = &f->events[slot];

	if (packed_is_wide(p))
		*ret = f->wide[slot];
	else
		event_unpack(p, f->bases[slot / FEED_BLOCK], ret);
}

void feed_restart(struct feed *f)
{
	pthread_rwlock_wrlock(&f->lock);
	atomic_store(&f->tail, atomic_load(&f->head));
	atomic_store(&f->closed, false);
	pthread_rwlock_unlock(&f->lock);
}

void feed_publish(struct feed *f, uint64_t head)
{
	/* Sequentially consistent, as is `waiters`: either we see the waiter, or it sees the head.
	 */
	atomic_store(&f->head, head);
}

void feed_notify(struct feed *f)
{
	if (atomic_load(&f->waiters)) {
		pthread_mutex_lock(&f->wait_lock);
		pthread_cond_broadcast(&f->appended);
		pthread_mutex_unlock(&f->wait_lock);
	}
	if (atomic_load_explicit(&f->n_listeners, memory_order_acquire) == 0)
		return;
	pthread_mutex_lock(&f->listen_lock);
	for (unsigned i = 0; i < f->n_listeners; i++)
		f->listeners[i].fn(f->listeners[i].arg);
	pthread_mutex_unlock(&f->listen_lock);
}

static size_t read_some(struct feed *f, uint64_t *cursor, struct event *out, size_t max,
			uint64_t *missed)
{
	uint64_t head, tail, seq = *cursor;
	size_t n, slot;

	pthread_rwlock_rdlock(&f->lock);
	head = atomic_load_explicit(&f->head, memory_order_acquire);
	tail = atomic_load_explicit(&f->tail, memory_order_relaxed);
	if (seq < tail) {
		*missed += tail - seq;
		seq = tail;
	}
	n = seq < head ? (size_t)MIN(head - seq, (uint64_t)max) : 0;
	slot = (size_t)(seq % f->slots);
	for (size_t i = 0; i < n; i++) {
		get(f, slot, &out[i]);
		if (++slot == f->slots)
			slot = 0;
	}
	pthread_rwlock_unlock(&f->lock);
	*cursor = seq + n;
	return n;
}

size_t feed_read(struct feed *f, uint64_t *cursor, struct event *out, size_t max,
		 uint64_t *ret_missed)
{
	uint64_t missed = 0;
	size_t got = 0;

	do {
		uint64_t at = *cursor, more = 0;
		size_t n = read_some(f, &at, out + got, MIN(max - got, (size_t)COPY_MAX), &more);

		/* What was trimmed between two parts is for the next call to tell of: the events
		 * of one call follow on one another. */
		if (got && more)
			break;
		missed += more;
		*cursor = at;
		got += n;
		if (n < COPY_MAX)
			break;
	} while (got < max);
	if (ret_missed)
		*ret_missed = missed;
	return got;
}

size_t feed_read_chain(struct feed *f, uint64_t goid, uint64_t *seq_plus1, struct event *out,
		       uint64_t *out_seqs, size_t max)
{
	uint64_t next = *seq_plus1, tail;
	size_t n = 0;

	pthread_rwlock_rdlock(&f->lock);
	(void)atomic_load_explicit(&f->head, memory_order_acquire);
	tail = atomic_load_explicit(&f->tail, memory_order_relaxed);
	while (next && n < max) {
		uint64_t seq = next - 1;
		size_t slot = (size_t)(seq % f->slots);
		struct feed_link link;
		uint32_t back;

		if (seq < tail) {
			next = 0;
			break;
		}
		get(f, slot, &out[n]);
		out_seqs[n] = seq;
		link = packed_link(&f->events[slot]);
		back = out[n].goid == goid ? link.actor : link.subject;
		n++;
		next = back && back <= seq ? next - back : 0;
	}
	pthread_rwlock_unlock(&f->lock);
	*seq_plus1 = next;
	return n;
}

bool feed_wait(struct feed *f, uint64_t seq, uint64_t timeout_ns)
{
	uint64_t now = monotonic_ns();
	uint64_t until = timeout_ns > UINT64_MAX / 4 - now ? UINT64_MAX / 4 : now + timeout_ns;
	struct timespec deadline = {.tv_sec = (time_t)(until / NS_PER_SEC),
				    .tv_nsec = (long)(until % NS_PER_SEC)};
	bool some;

	if (atomic_load(&f->head) > seq)
		return true;
	pthread_mutex_lock(&f->wait_lock);
	atomic_fetch_add(&f->waiters, 1);
	while (!(some = atomic_load(&f->head) > seq) && !atomic_load(&f->closed)) {
		if (pthread_cond_timedwait(&f->appended, &f->wait_lock, &deadline) == ETIMEDOUT) {
			some = atomic_load(&f->head) > seq;
			break;
		}
	}
	atomic_fetch_sub(&f->waiters, 1);
	pthread_mutex_unlock(&f->wait_lock);
	return some;
}

int feed_listen(struct feed *f, void (*fn)(void *arg), void *arg)
{
	int err = -ENOSPC;

	pthread_mutex_lock(&f->listen_lock);
	if (f->n_listeners < FEED_LISTENERS) {
		f->listeners[f->n_listeners] = (struct feed_listener){.fn = fn, .arg = arg};
		atomic_fetch_add_explicit(&f->n_listeners, 1, memory_order_release);
		err = 0;
	}
	pthread_mutex_unlock(&f->listen_lock);
	return err;
}

void feed_unlisten(struct feed *f, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&f->listen_lock);
	for (unsigned i = 0; i < f->n_listeners; i++) {
		if (f->listeners[i].fn == fn && f->listeners[i].arg == arg) {
			f->listeners[i] = f->listeners[f->n_listeners - 1];
			atomic_fetch_sub_explicit(&f->n_listeners, 1, memory_order_release);
			break;
		}
	}
	pthread_mutex_unlock(&f->listen_lock);
}

void feed_close(struct feed *f)
{
	atomic_store(&f->closed, true);
	pthread_mutex_lock(&f->wait_lock);
	pthread_cond_broadcast(&f->appended);
	pthread_mutex_unlock(&f->wait_lock);
	feed_notify(f);
}

bool feed_closed(struct feed *f)
{
	return atomic_load(&f->closed);
}

void feed_count_missed(struct feed *f, enum feed_reader who, uint64_t n)
{
	if (n)
		atomic_fetch_add(&f->missed[who], n);
}

uint64_t feed_missed(struct feed *f, enum feed_reader who)
{
	return atomic_load(&f->missed[who]);
}
