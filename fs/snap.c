/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of snapshots by inode. An entry lives as long as a handle or the freshness of what it
 * holds; old ones leave in sweeps, at most one a second.
 */
#include "fs/snap.h"

#include <errno.h>
#include <pthread.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "fs/table.h"

#define FRESH_NS (100 * 1000000ull)
#define KEEP_MAX 1024 /* entries whose size is remembered after their bytes are gone */

struct entry {
	struct snap *newest; /* a reference, or NULL */
	struct snap *opened; /* the one opened last; a reference while opens > 0 */
	unsigned opens;
	bool known; /* those below are set */
	size_t last_len;
	uint64_t last_time_ns, last_hash;
};

struct snaps {
	pthread_mutex_t lock;
	/* All below is protected by lock. */
	struct table table;
	uint64_t swept_ns;
};

int snaps_new(struct snaps **ret)
{
	struct snaps *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

static void unref(struct snap *snap)
{
	if (snap && !--snap->refs) {
		free(snap->data);
		free(snap);
	}
}

static struct snap *ref(struct snap *snap)
{
	snap->refs++;
	return snap;
}

struct sweep {
	uint64_t now;
	size_t keep;
	bool all;
};

static bool drop_entry(void *value, void *arg)
{
	struct sweep *sweep = arg;
	struct entry *e = value;

	if (!sweep->all && e->newest && sweep->now - e->newest->made_ns < FRESH_NS)
		return false;
	unref(e->newest);
	e->newest = NULL;
	if (!sweep->all && (e->opens || (e->known && sweep->keep && sweep->keep--)))
		return false;
	unref(e->opened);
	free(e);
	return true;
}

void snaps_free(struct snaps *s)
{
	struct sweep sweep = {.all = true};

	if (!s)
		return;
	table_sweep(&s->table, drop_entry, &sweep);
	table_free(&s->table);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct entry *entry_make(struct snaps *s, uint64_t ino)
{
	struct entry *e = table_get(&s->table, ino);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (e && table_add(&s->table, ino, e)) {
		free(e);
		return NULL;
	}
	return e;
}

static void sweep_old(struct snaps *s, uint64_t now)
{
	struct sweep sweep = {.now = now, .keep = KEEP_MAX};

	if (now - s->swept_ns < NS_PER_SEC)
		return;
	s->swept_ns = now;
	table_sweep(&s->table, drop_entry, &sweep);
}

struct snap *snaps_fresh(struct snaps *s, uint64_t ino)
{
	uint64_t now = monotonic_ns();
	struct snap *snap = NULL;
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = table_get(&s->table, ino);
	if (e && e->newest && now - e->newest->made_ns < FRESH_NS)
		snap = ref(e->newest);
	pthread_mutex_unlock(&s->lock);
	return snap;
}

/* Two texts with the same one would cost a time that is too old, no more. */
static uint64_t hash_of(const char *data, size_t len)
{
	return (uint64_t)hash_bytes(data, len, 1) << 32 | hash_bytes(data, len, 2);
}

/* A file whose text is as it was has not changed: who reads it slowly (tar looks before and after)
 * or again (rsync) finds its times as they were. */
static void note_text(struct entry *e, struct snap *snap, uint64_t hash)
{
	if (e->known && e->last_len == snap->len && e->last_hash == hash)
		snap->time_ns = e->last_time_ns;
	e->known = true;
	e->last_len = snap->len;
	e->last_hash = hash;
	e->last_time_ns = snap->time_ns;
}

int snaps_add(struct snaps *s, uint64_t ino, char *data, size_t len, struct snap **ret)
{
	struct snap *snap = calloc(1, sizeof(*snap));
	struct entry *e = NULL;
	uint64_t hash;

	if (!snap) {
		free(data);
		return -ENOMEM;
	}
	hash = hash_of(data, len); /* without the lock: it may be of a quarter of a gigabyte */
	*snap = (struct snap){.data = data, .len = len, .refs = 1};
	snap->time_ns = clock_ns(CLOCK_REALTIME);
	snap->made_ns = monotonic_ns();
	pthread_mutex_lock(&s->lock);
	sweep_old(s, snap->made_ns);
	e = entry_make(s, ino);
	if (e) {
		unref(e->newest);
		e->newest = ref(snap);
		note_text(e, snap, hash);
		*ret = snap;
	} else {
		unref(snap);
	}
	pthread_mutex_unlock(&s->lock);
	return e ? 0 : -ENOMEM;
}

struct snap *snaps_ref(struct snaps *s, struct snap *snap)
{
	pthread_mutex_lock(&s->lock);
	ref(snap);
	pthread_mutex_unlock(&s->lock);
	return snap;
}

void snaps_unref(struct snaps *s, struct snap *snap)
{
	pthread_mutex_lock(&s->lock);
	unref(snap);
	pthread_mutex_unlock(&s->lock);
}

void snaps_opened(struct snaps *s, uint64_t ino, struct snap *snap)
{
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = entry_make(s, ino);
	if (e) {
		unref(e->opened);
		e->opened = ref(snap);
		e->opens++;
	}
	pthread_mutex_unlock(&s->lock);
}

void snaps_closed(struct snaps *s, uint64_t ino, struct snap *snap)
{
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = table_get(&s->table, ino);
	if (e && e->opens && !--e->opens) {
		unref(e->opened);
		e->opened = NULL;
	}
	unref(snap);
	pthread_mutex_unlock(&s->lock);
}

bool snaps_last(struct snaps *s, uint64_t ino, bool open_only, size_t *ret_len,
		uint64_t *ret_time_ns)
{
	bool found = false;
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = table_get(&s->table, ino);
	if (e && e->opens) {
		*ret_len = e->opened->len;
		*ret_time_ns = e->opened->time_ns;
		found = true;
	} else if (e && e->known && !open_only) {
		*ret_len = e->last_len;
		*ret_time_ns = e->last_time_ns;
		found = true;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

void snaps_forget(struct snaps *s, uint64_t ino)
{
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = table_get(&s->table, ino);
	if (e) {
		unref(e->newest);
		e->newest = NULL;
	}
	pthread_mutex_unlock(&s->lock);
}
