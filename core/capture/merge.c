/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The watermark merge that merge.h argues for: a lane a ring, the lowest head first, by a heap: a
 * scan of all lanes a record was most of what user space took from 32 rings on. */
#include "core/capture/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

/* From this many waiting records on, a lane that is not the one all wait for stops reading. */
#define LANE_WAITING_MAX (1u << 16)
#define LANE_INITIAL     1024

struct lane {
	struct ring *ring;
	uint64_t pos;           /* the next record to read */
	uint64_t goal, goal_ns; /* the snapshot being read: the ring's head, and its clock */
	uint64_t watermark;     /* every record older than this was read */
	bool busy;
	union wire_record *slots; /* [head, tail) wait, by ascending time */
	size_t head, tail, cap;
	uint64_t read, undecodable;
};

/* The time of the first record that waits in a lane. */
struct head {
	uint64_t ns;
	struct lane *lane;
};

struct merge {
	unsigned n;
	uint64_t watermark;     /* the lowest of the lanes */
	uint64_t most;          /* records that the last drain read from one ring */
	struct lane *current;   /* merge_next() goes on here, which is heads[0]'s … */
	uint64_t current_limit; /* … while its head is older than this */
	/* A heap of the lanes in which something waits, the oldest first; what is taken from the
	 * current one is not in its time yet. */
	struct head *heads;
	unsigned n_heads;
	struct lane lanes[];
};

int merge_new(struct ring *rings, unsigned n, struct merge **ret)
{
	struct merge *m = calloc(1, sizeof(*m) + n * sizeof(m->lanes[0]));

	if (!m)
		return -ENOMEM;
	m->n = n;
	m->heads = calloc(MAX(n, 1u), sizeof(*m->heads));
	if (!m->heads) {
		free(m);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++) {
		struct lane *l = &m->lanes[i];

		l->ring = &rings[i];
		l->pos = l->goal = __atomic_load_n(&rings[i].control->tail, __ATOMIC_RELAXED);
	}
	*ret = m;
	return 0;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->n; i++)
		free(m->lanes[i].slots);
	free(m->heads);
	free(m);
}

/* Room for one more at the tail. */
static bool lane_room(struct lane *l)
{
	union wire_record *grown;
	size_t cap;

	if (l->tail < l->cap)
		return true;
	if (l->head > l->cap / 2) {
		memmove(l->slots, l->slots + l->head, (l->tail - l->head) * sizeof(*l->slots));
		l->tail -= l->head;
		l->head = 0;
		return true;
	}
	cap = l->cap ? 2 * l->cap : LANE_INITIAL;
	grown = realloc(l->slots, cap * sizeof(*grown));
	if (!grown)
		return false;
	l->slots = grown;
	l->cap = cap;
	return true;
}

/* Puts the record in the slot at the tail where its time belongs. */
static void lane_insert(struct lane *l)
{
	union wire_record *slot = &l->slots[l->tail];
	union wire_record late;
	size_t i = l->tail++;

	if (i == l->head || slot[-1].h.time_ns <= slot->h.time_ns)
		return;
	late = *slot;
	for (; i > l->head && l->slots[i - 1].h.time_ns > late.h.time_ns; i--)
		l->slots[i] = l->slots[i - 1];
	l->slots[i] = late;
}

/* Reads up to the goal, a busy record, or the end of memory. */
static void lane_read(struct lane *l)
{
	uint64_t start = l->pos;

	l->busy = false;
	while (l->pos < l->goal && lane_room(l)) {
		union wire_record *slot = &l->slots[l->tail];
		enum ring_state state = ring_take(l->ring, l->pos, slot);

		if (state == RING_BUSY) {
			l->busy = true;
			break;
		}
		l->pos++;
		if (state == RING_RECORD &&
		    (slot->h.type < WIRE_TYPES || slot->h.type == WIRE_EXEC)) {
			lane_insert(l);
			l->read++;
		} else if (state != RING_RECORD || slot->h.type != WIRE_NOTHING) {
			l->undecodable++;
		}
	}
	if (l->pos != start)
		ring_consumed(l->ring, l->pos);
	if (l->pos >= l->goal && l->goal_ns > l->watermark)
		l->watermark = l->goal_ns;
}

static void lane_drain(const struct merge *m, struct lane *l, uint64_t clock_ns)
{
	if (l->head == l->tail)
		l->head = l->tail = 0;
	lane_read(l); /* what is left of the snapshot before */
	if (l->pos < l->goal)
		return;
	/* The lane that holds the others up must always go on, or nothing ever would. */
	if (l->tail - l->head >= LANE_WAITING_MAX && l->watermark > m->watermark)
		return;
	l->goal = ring_produced(l->ring);
	l->goal_ns = clock_ns;
	lane_read(l);
}

static bool is_before(const struct head *a, const struct head *b)
{
	return a->ns != b->ns ? a->ns < b->ns : a->lane < b->lane;
}

static void sift_down(struct merge *m, unsigned i)
{
	struct head moved = m->heads[i];

	for (;;) {
		unsigned child = 2 * i + 1;

		if (child + 1 < m->n_heads && is_before(&m->heads[child + 1], &m->heads[child]))
			child++;
		if (child >= m->n_heads || !is_before(&m->heads[child], &moved))
			break;
		m->heads[i] = m->heads[child];
		i = child;
	}
	m->heads[i] = moved;
}

static void fill_heads(struct merge *m)
{
	m->current = NULL;
	m->n_heads = 0;
	for (unsigned i = 0; i < m->n; i++) {
		struct lane *l = &m->lanes[i];

		if (l->head < l->tail)
			m->heads[m->n_heads++] =
				(struct head){.ns = l->slots[l->head].h.time_ns, .lane = l};
	}
	for (unsigned i = m->n_heads / 2; i--;)
		sift_down(m, i);
}

size_t merge_drain(struct merge *m, uint64_t clock_ns)
{
	uint64_t before = merge_read(m), lowest = UINT64_MAX;

	clock_ns = clock_ns > MERGE_SLACK_NS ? clock_ns - MERGE_SLACK_NS : 0;
	/* The clock was read before any head is: the argument needs that order. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	m->most = 0;
	for (unsigned i = 0; i < m->n; i++) {
		uint64_t pos = m->lanes[i].pos;

		lane_drain(m, &m->lanes[i], clock_ns);
		m->most = MAX(m->most, m->lanes[i].pos - pos);
		lowest = MIN(lowest, m->lanes[i].watermark);
	}
	m->watermark = MAX(m->watermark, lowest);
	fill_heads(m);
	return merge_read(m) - before;
}

/* Which lane is next, and until when. */
static struct lane *pick_lane(struct merge *m)
{
	struct lane *l = m->current;

	if (l) {
		if (l->head < l->tail)
			m->heads[0].ns = l->slots[l->head].h.time_ns;
		else
			m->heads[0] = m->heads[--m->n_heads];
		sift_down(m, 0);
	}
	if (!m->n_heads || m->heads[0].ns >= m->watermark)
		return NULL;
	m->current_limit = m->watermark;
	for (unsigned i = 1; i < MIN(m->n_heads, 3u); i++)
		m->current_limit = MIN(m->current_limit, m->heads[i].ns);
	return m->heads[0].lane;
}

const union wire_record *merge_next(struct merge *m)
{
	struct lane *l = m->current;

	if (l && l->head < l->tail && l->slots[l->head].h.time_ns < m->current_limit)
		return &l->slots[l->head++];
	m->current = l = pick_lane(m);
	return l ? &l->slots[l->head++] : NULL;
}

uint64_t merge_watermark(const struct merge *m)
{
	return m->watermark;
}

void merge_finish(struct merge *m)
{
	m->watermark = UINT64_MAX;
	fill_heads(m);
}

uint64_t merge_most(const struct merge *m)
{
	return m->most;
}

uint64_t merge_backlog(const struct merge *m)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < m->n; i++)
		most = MAX(most, ring_produced(m->lanes[i].ring) - m->lanes[i].pos);
	return most;
}

uint64_t merge_unread(const struct merge *m)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < m->n; i++)
		n += ring_produced(m->lanes[i].ring) - m->lanes[i].pos;
	return n;
}

bool merge_busy(const struct merge *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->lanes[i].busy)
			return true;
	return false;
}

uint64_t merge_waiting(const struct merge *m)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < m->n; i++)
		n += m->lanes[i].tail - m->lanes[i].head;
	return n;
}

uint64_t merge_read(const struct merge *m)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < m->n; i++)
		n += m->lanes[i].read;
	return n;
}

uint64_t merge_undecodable(const struct merge *m)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < m->n; i++)
		n += m->lanes[i].undecodable;
	return n;
}
