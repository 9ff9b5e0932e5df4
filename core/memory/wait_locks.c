/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What lies at the word that a goroutine sleeps on. The runtime knows only semaphores; the
 * functions on the sleeper's stack say whose they are, and so where the lock begins. Cond and
 * descriptors have no semaphore: what they wait on is in the frames of the call, and proven by
 * pointing back at the goroutine.
 */
#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/stack_copy.h"
#include "core/memory/wait_reading.h"
#include "core/target/pclntab.h"

#define FRAMES_MAX  24 /* from the innermost one to the call that waits */
#define COPY_BYTES  2048
#define INLINED_MAX 8
#define CODES_SLOTS 1024 /* a power of two */
#define WORDS_MAX   512  /* of the frames of one call */

/* sync/mutex.go, rwmutex.go, waitgroup.go, cond.go: the same in all releases. */
enum {
	MUTEX_SEMA = 4,
	RW_WRITER_SEMA = 8,
	RW_READER_SEMA = 12,
	RW_READERS = 16,
	RW_LEAVING = 20,
	RW_SIZE = 24,
	RW_MAX_READERS = 1 << 30,
	GROUP_SEMA = 8,
	GROUP_SIZE = 16,
	COND_NOTIFY = 16,
};

static uint32_t word32(const uint8_t *bytes, size_t offset)
{
	uint32_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* --- what the frames say ---------------------------------------------------------------------- */

/* A call on the way from the park to the program, and what it says. */
enum code {
	CODE_NONE, /* no more */
	CODE_SKIP,
	CODE_MUTEX,
	CODE_RLOCK,
	CODE_WLOCK,
	CODE_GROUP,
	CODE_COND,
	CODE_OTHER,
};

static enum code code_of(const char *name)
{
	static const struct {
		const char *name;
		enum code code;
	} table[] = {
		{"sync.(*Mutex).Lock", CODE_MUTEX},
		{"sync.(*Mutex).lockSlow", CODE_MUTEX},
		{"internal/sync.(*Mutex).Lock", CODE_MUTEX},
		{"internal/sync.(*Mutex).lockSlow", CODE_MUTEX},
		{"sync.(*RWMutex).RLock", CODE_RLOCK},
		{"sync.(*RWMutex).Lock", CODE_WLOCK},
		{"sync.(*WaitGroup).Wait", CODE_GROUP},
		{"sync.(*Cond).Wait", CODE_COND},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!strcmp(name, table[i].name))
			return table[i].code;
	}
	return !strncmp(name, "runtime.", 8) || strstr(name, ".runtime_") ? CODE_SKIP : CODE_OTHER;
}

/* The calls at a pc, innermost first: goroutines are parked in few places. */
struct codes {
	uint64_t pc; /* 0: unused */
	uint8_t code[INLINED_MAX];
};

struct locks {
	struct wait_reading *r;
	struct codes codes[CODES_SLOTS];
	struct address_map tried;   /* words that are no notifyList */
	struct address_map by_cond; /* g: index of its list in `lists` */
	uint64_t *lists;
	size_t n_lists, lists_cap;
};

static const struct codes *codes_at(struct locks *l, uint64_t pc)
{
	struct codes *c = &l->codes[(pc * 0x9e3779b97f4a7c15ull) >> 40 & (CODES_SLOTS - 1)];
	struct target_frame frames[INLINED_MAX];
	int n;

	if (c->pc == pc)
		return c;
	*c = (struct codes){.pc = pc};
	n = target_frames_by_pc(l->r->t, pc, frames, INLINED_MAX);
	for (int i = 0; i < n; i++)
		c->code[i] = (uint8_t)code_of(frames[i].function);
	return c;
}

/* What the calls say, and how many frames they take. */
static enum code read_calls(struct locks *l, const struct stack_copy *copy, bool *ret_mutex,
			    size_t *ret_frames)
{
	*ret_mutex = false;
	for (size_t i = 0; i < copy->trace->n; i++) {
		const struct codes *c = codes_at(l, copy->trace->frames[i].lookup);

		*ret_frames = i + 1;
		for (size_t k = 0; k < INLINED_MAX && c->code[k]; k++) {
			if (c->code[k] == CODE_MUTEX)
				*ret_mutex = true;
			else if (c->code[k] != CODE_SKIP)
				return c->code[k];
		}
	}
	return CODE_NONE;
}

/* --- semaphores ------------------------------------------------------------------------------- */

struct place {
	enum wait_kind kind;
	enum wait_how how;
	uint64_t offset; /* of the word in the object */
};

static struct place place_of(enum park park, enum code code, bool mutex, uint64_t elem)
{
	static const struct place lock = {WAIT_MUTEX, WAIT_LOCK, MUTEX_SEMA};
	static const struct place write = {WAIT_RWMUTEX, WAIT_WRITE, MUTEX_SEMA}; /* of its w */
	static const struct place drain = {WAIT_RWMUTEX, WAIT_DRAIN, RW_WRITER_SEMA};
	static const struct place read = {WAIT_RWMUTEX, WAIT_READ, RW_READER_SEMA};
	/* Go 1.17 keeps the semaphore first where the struct is not aligned to eight. */
	struct place group = {WAIT_WAITGROUP, WAIT_ZERO, elem % 8 ? 0 : GROUP_SEMA};

	if (code == CODE_WLOCK)
		return mutex ? write : drain;
	if (code == CODE_RLOCK && !mutex)
		return read;
	if (code == CODE_GROUP && !mutex)
		return group;
	if (mutex || park == PARK_MUTEX)
		return lock;
	switch (park) {
	case PARK_RLOCK:
		return read;
	case PARK_WLOCK:
		return drain;
	case PARK_GROUP:
		return group;
	default:
		return (struct place){WAIT_SEMAPHORE, WAIT_ACQUIRE, 0};
	}
}

static int add_semaphore(struct locks *l, uint32_t g, enum code code, bool mutex)
{
	struct wait_reading *r = l->r;
	uint64_t elem = r->sudogs.list[r->sudog_of[g]].elem;
	struct place p = place_of(r->park[g], code, mutex, elem);

	if (!elem || elem % 4 || elem < 4096) {
		r->broken[g] = true;
		return 0;
	}
	return reading_edge(r, g, elem - p.offset, p.kind, p.how);
}

/* --- Cond ------------------------------------------------------------------------------------- */

/* sema.go notifyList: {wait, notify uint32; lock mutex; head, tail *sudog}. */
struct notify_list {
	uint32_t waiters; /* wait - notify: those in the list, and those about to be */
	uint64_t head, tail;
};

static int read_list(const struct wait_reading *r, uint64_t list, struct notify_list *ret)
{
	uint8_t bytes[GO_WAIT_SIZE_MAX];
	int err;

	if (!r->l->notify_size)
		return -ENOENT;
	err = memory_read(r->pid, list, bytes, r->l->notify_size);
	if (err)
		return err;
	memcpy(&ret->head, bytes + r->l->notify_head, sizeof(ret->head));
	memcpy(&ret->tail, bytes + r->l->notify_tail, sizeof(ret->tail));
	ret->waiters = word32(bytes, 0) - word32(bytes, 4);
	/* Each waiter is a goroutine. */
	return ret->head && ret->tail && ret->head % 8 == 0 && ret->tail % 8 == 0 && ret->waiters &&
			       ret->waiters <= r->n
		       ? 0
		       : -ENOENT;
}

static int note_list(struct locks *l, uint64_t list)
{
	if (l->n_lists == l->lists_cap) {
		size_t cap = l->lists_cap ? l->lists_cap * 2 : 16;
		uint64_t *lists = reallocarray(l->lists, cap, sizeof(*lists));

		if (!lists)
			return -ENOMEM;
		l->lists = lists;
		l->lists_cap = cap;
	}
	l->lists[l->n_lists++] = list;
	return 0;
}

/*
 * The gs in a list, which begins and ends where it says, and has no more than it says; anything
 * else is no list (or one that changes just now): *ret_n is 0. The first of them waits in a Cond: a
 * word that is no list at all leads to none such.
 */
static int walk_list(const struct wait_reading *r, uint64_t list, uint64_t **ret, size_t *ret_n)
{
	uint8_t bytes[GO_WAIT_SIZE_MAX];
	struct notify_list l;
	uint64_t at, last = 0;
	size_t n = 0, cap = 0;
	int err = read_list(r, list, &l);

	for (at = err ? 0 : l.head; !err && at >= 4096 && at % 8 == 0 && n < l.waiters; n++) {
		uint32_t who;

		err = memory_read(r->pid, at, bytes, r->l->sudog_size);
		if (!err && n == cap) {
			uint64_t *more;

			cap = cap ? cap * 2 : 64;
			more = reallocarray(*ret, cap, sizeof(**ret));
			err = more ? 0 : -ENOMEM;
			*ret = more ? more : *ret;
		}
		if (err)
			break;
		memcpy(&(*ret)[n], bytes, sizeof(**ret));
		who = address_map_get(&r->by_g, (*ret)[n]);
		if (n == 0 && (who == ADDRESS_NONE || r->park[who] != PARK_COND))
			err = -ENOENT;
		last = at;
		memcpy(&at, bytes + r->l->sudog_next, sizeof(at));
	}
	*ret_n = !err && last == l.tail && !at ? n : 0;
	return err == -ENOMEM || err == -ESRCH || err == -EPERM ? err : 0;
}

/* Is it a list that holds goroutine `g`? Then all in it are known. 1: it is. */
static int try_list(struct locks *l, uint64_t list, uint32_t g)
{
	const struct wait_reading *r = l->r;
	cleanup_free_ uint64_t *owners = NULL;
	bool found = false;
	size_t n = 0;
	int err = walk_list(r, list, &owners, &n);

	if (!err && n)
		err = note_list(l, list);
	for (size_t i = 0; i < n && err >= 0; i++) {
		found |= owners[i] == r->gs[g].address;
		err = address_map_put(&l->by_cond, owners[i], (uint32_t)(l->n_lists - 1));
	}
	return err < 0 ? err : found;
}

static int find_cond(struct locks *l, uint32_t g, const struct stack_copy *copy, size_t frames)
{
	const struct memory_goroutine *own = &l->r->gs[g];
	uint64_t end = stack_copy_end(copy, frames ? frames - 1 : 0);
	size_t words = 0;

	for (uint64_t at = copy->sp; at + 8 <= end && words < WORDS_MAX; at += 8, words++) {
		uint64_t word = stack_copy_word(copy, at);
		int err;

		if (word < 4096 || word % 8 || word >= 1ull << 56 ||
		    (word >= own->stack_lo && word < own->stack_hi))
			continue;
		err = address_map_put(&l->tried, word, 0);
		if (err > 0)
			err = try_list(l, word, g);
		if (err)
			return MIN(err, 0);
	}
	return 0;
}

static int add_cond(struct locks *l, uint32_t g, const struct stack_copy *copy, size_t frames)
{
	struct wait_reading *r = l->r;
	uint64_t list = 0;
	uint32_t known;
	int err = 0;

	if (r->sudog_of[g] != ADDRESS_NONE) {
		list = r->sudogs.list[r->sudog_of[g]].elem; /* 1.26 on */
	} else {
		known = address_map_get(&l->by_cond, r->gs[g].address);
		if (known == ADDRESS_NONE) {
			err = find_cond(l, g, copy, frames);
			known = address_map_get(&l->by_cond, r->gs[g].address);
		}
		if (known != ADDRESS_NONE)
			list = l->lists[known];
	}
	if (err || list < 4096) {
		r->broken[g] = true;
		return err;
	}
	return reading_edge(r, g, list - COND_NOTIFY, WAIT_COND, WAIT_SIGNAL);
}

/* --- all that need their frames --------------------------------------------------------------- */

static int visit(void *ctx, uint32_t g, const struct stack_copy *copy)
{
	struct locks *l = ctx;
	struct wait_reading *r = l->r;
	size_t frames = 0;
	bool mutex;
	enum code code = read_calls(l, copy, &mutex, &frames);
	int err;

	if (r->park[g] == PARK_COND)
		return add_cond(l, g, copy, frames);
	if (r->park[g] == PARK_IO) {
		err = reading_poll(r, g, copy);
		r->broken[g] |= err > 0;
		return MIN(err, 0);
	}
	return add_semaphore(l, g, code, mutex);
}

int reading_locks(struct wait_reading *r)
{
	cleanup_free_ uint32_t *which = malloc((r->n + 1) * sizeof(*which));
	struct locks *l = calloc(1, sizeof(*l));
	size_t n = 0;
	int err = which && l ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < r->n && !err; i++) {
		if ((park_is_semaphore(r->park[i]) && r->sudog_of[i] != ADDRESS_NONE) ||
		    r->park[i] == PARK_COND || r->park[i] == PARK_IO)
			which[n++] = i;
	}
	if (!err) {
		l->r = r;
		err = stack_copies(r->t, r->pid, r->bias, r->gs, which, n, COPY_BYTES, FRAMES_MAX,
				   visit, l);
		address_map_free(&l->tried);
		address_map_free(&l->by_cond);
		free(l->lists);
	}
	free(l);
	return err;
}

/* --- the state of a lock ---------------------------------------------------------------------- */

/* sync/mutex.go: mutexLocked 1, mutexWoken 2, mutexStarving 4, waiters from bit 3 on. */
static void parse_mutex(const uint8_t *bytes, struct wait_object *o)
{
	uint32_t state = word32(bytes, 0);

	o->lock.locked = state & 1;
	o->lock.woken = state & 2;
	o->lock.starving = state & 4;
	o->lock.waiters = state >> 3;
	o->state_known = state >> 31 == 0;
}

static void parse_rwmutex(const uint8_t *bytes, struct wait_object *o)
{
	int32_t readers = (int32_t)word32(bytes, RW_READERS);

	parse_mutex(bytes, o);
	/* A writer takes the largest number of readers away from the count. */
	o->lock.writer = readers < 0;
	o->lock.readers = readers < 0 ? readers + RW_MAX_READERS : readers;
	o->lock.leaving = (int32_t)word32(bytes, RW_LEAVING);
	o->state_known &= o->lock.readers >= 0 && o->lock.leaving >= 0;
}

/* waitgroup.go: the counter in the upper half, waiters in the lower; from 1.25 on its highest bit
 * means a synctest bubble. */
static void parse_group(const uint8_t *bytes, struct wait_object *o)
{
	size_t state = o->address % 8 ? 4 : 0;

	o->group.waiters = word32(bytes, state) & 0x7fffffff;
	o->group.counter = (int32_t)word32(bytes, state + 4);
	o->state_known = o->group.counter >= 0;
}

static size_t size_of(enum wait_kind kind)
{
	switch (kind) {
	case WAIT_MUTEX:
		return 8;
	case WAIT_RWMUTEX:
		return RW_SIZE;
	case WAIT_WAITGROUP:
		return GROUP_SIZE;
	case WAIT_COND:
		return COND_NOTIFY + 8;
	case WAIT_SEMAPHORE:
		return 4;
	default:
		return 0;
	}
}

static void parse(const uint8_t *bytes, struct wait_object *o)
{
	switch (o->kind) {
	case WAIT_MUTEX:
		parse_mutex(bytes, o);
		break;
	case WAIT_RWMUTEX:
		parse_rwmutex(bytes, o);
		break;
	case WAIT_WAITGROUP:
		parse_group(bytes, o);
		break;
	case WAIT_COND:
		o->cond.waiters = word32(bytes, COND_NOTIFY) - word32(bytes, COND_NOTIFY + 4);
		o->state_known = true;
		break;
	default:
		o->semaphore.value = word32(bytes, 0);
		o->state_known = true;
	}
}

#define BATCH 512

int reading_lock_states(struct wait_reading *r)
{
	struct memory_piece pieces[BATCH];
	cleanup_free_ uint8_t *bytes = malloc(BATCH * RW_SIZE);
	uint32_t index[BATCH];

	if (!bytes)
		return -ENOMEM;
	for (size_t at = 0; at < r->n_objects;) {
		size_t n = 0;
		int err;

		for (; at < r->n_objects && n < BATCH; at++) {
			size_t size = size_of(r->objects[at].kind);

			if (!size)
				continue;
			pieces[n] = (struct memory_piece){r->objects[at].address,
							  bytes + n * RW_SIZE, size, false};
			index[n++] = (uint32_t)at;
		}
		err = memory_read_pieces(r->pid, pieces, n);
		if (err < 0)
			return err;
		for (size_t i = 0; i < n; i++) {
			if (pieces[i].ok)
				parse(pieces[i].buf, &r->objects[index[i]]);
		}
	}
	return 0;
}
