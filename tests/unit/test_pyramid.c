/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The time pyramid against a plain account of the same events, kept ns by ns. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/pyramid/pyramid.h"
#include "tests/unit/pyramid_life.h"

#define CHANGES 4000

struct truth {
	struct change v[CHANGES];
	unsigned n;
};

/* A life of `n` changes with stays of very different lengths. */
static void make_life(struct truth *t, unsigned n)
{
	static const uint8_t states[] = {GSTATE_RUNNING, GSTATE_WAITING, GSTATE_RUNNABLE,
					 GSTATE_SYSCALL, GSTATE_PREEMPTED};
	uint64_t time = ORIGIN + rnd() % 1000000;
	uint8_t state = GSTATE_DEAD;

	t->n = n;
	for (unsigned i = 0; i < n; i++) {
		uint8_t next = i ? states[rnd() % 5] : GSTATE_RUNNABLE;

		if (next == state)
			next = state == GSTATE_RUNNING ? GSTATE_WAITING : GSTATE_RUNNING;
		t->v[i] = (struct change){time, state, next};
		state = next;
		time += 1 + rnd() % (1u << (rnd() % 26));
	}
}

static uint8_t state_at(const struct truth *t, uint64_t time)
{
	uint8_t state = PYRAMID_NONE;

	for (unsigned i = 0; i < t->n && t->v[i].time <= time; i++)
		state = t->v[i].to;
	return state;
}

/* ns in a state over [from, to) by the account. */
static uint64_t time_in(const struct truth *t, uint8_t state, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < t->n; i++) {
		uint64_t a = t->v[i].time, b = i + 1 < t->n ? t->v[i + 1].time : a;

		a = a < from ? from : a;
		b = b > to ? to : b;
		if (t->v[i].to == state && b > a)
			sum += b - a;
	}
	return sum;
}

static unsigned changes_in(const struct truth *t, uint64_t from, uint64_t to)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++)
		n += t->v[i].time >= from && t->v[i].time < to;
	return n;
}

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

/* Holds every cell of a one-goroutine tile against the account. Returns the changes it has. */
static unsigned check_tile(const struct truth *t, const struct buf *out, unsigned level,
			   uint64_t index)
{
	static const uint8_t states[SHARES] = {GSTATE_RUNNING, GSTATE_RUNNABLE, GSTATE_SYSCALL,
					       GSTATE_WAITING};
	const unsigned char *p = (const unsigned char *)out->data;
	uint64_t begin = index << (level + 8), width = 1ull << level;
	unsigned n, sum = 0, last = 0;

	assert_memory_equal(p, "XGT1", 4);
	assert_int_equal(get16(p + 4), level);
	assert_int_equal(get16(p + 6), 1);
	n = get16(p + 34);
	assert_int_equal(out->len, 36 + n * 16);
	assert_int_equal(p[33], 1); /* known, at the level asked for */
	assert_int_equal(p[32], begin ? state_at(t, begin - 1) : PYRAMID_NONE);
	for (unsigned i = 0; i < n; i++) {
		const unsigned char *c = p + 36 + i * 16;
		uint64_t from = begin + get16(c) * width, to = from + width;
		uint64_t end = t->v[t->n - 1].time;

		assert_true(!i || get16(c) > last);
		last = get16(c);
		assert_true(last < PYRAMID_TILE_BUCKETS);
		assert_int_equal(get16(c + 8), changes_in(t, from, to));
		assert_int_equal(c[2] & 15, state_at(t, to - 1));
		sum += get16(c + 8);
		if (to > end) /* still open: its time is not all there yet */
			continue;
		for (unsigned s = 0; s < SHARES; s++) {
			uint64_t ns = time_in(t, states[s], from, to);
			double want = (double)ns * 255 / (double)width;

			/* A share is rounded up at each merge; never 0 for what was there. */
			assert_true(c[4 + s] >= want - 1 && c[4 + s] <= want + 2);
			assert_true(!ns || c[4 + s]);
		}
	}
	return sum;
}

static void test_one_goroutine(void **state)
{
	static const unsigned levels[] = {14, 15, 17, 18, 21, 24, 30, 36};
	struct truth *t = calloc(1, sizeof(*t));
	struct pyramid *p;

	make_life(t, CHANGES);
	assert_int_equal(pyramid_new(64 << 20, &p), 0);
	for (unsigned i = 0; i < t->n; i++) {
		struct event ev = state_event(7, &t->v[i]);

		pyramid_apply(p, NULL, &ev, 1);
	}
	for (unsigned k = 0; k < ARRAY_SIZE(levels); k++) {
		unsigned shift = levels[k] + 8, found = 0;
		uint64_t goid = 7, last = t->v[t->n - 1].time >> shift;

		for (uint64_t i = t->v[0].time >> shift; i <= last; i++) {
			struct buf out = BUF_INIT;

			assert_int_equal(pyramid_tile(p, NULL, 0, levels[k], i, &goid, 1, &out), 0);
			found += check_tile(t, &out, levels[k], i);
			buf_free(&out);
		}
		assert_int_equal(found, t->n);
	}
	pyramid_free(p);
	free(t);
}

/* Below the finest stored level tiles come from the model's events: each change in its own bucket.
 */
static void test_exact_levels(void **state)
{
	struct proc_info info = {.pid = 1};
	struct model_config config = {.retain = 10000, .retain_exited = 10, .workers = 1};
	struct truth *t = calloc(1, sizeof(*t));
	uint64_t goid = 7, begin;
	unsigned found = 0;
	struct pyramid *p;
	struct model *m;
	struct names *names;

	make_life(t, 300);
	assert_int_equal(names_new(100, &names), 0);
	config.names = names;
	assert_int_equal(model_new(&config, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	assert_int_equal(pyramid_new(0, &p), 0);
	for (unsigned i = 0; i < t->n; i++) {
		struct event ev = state_event(7, &t->v[i]);

		model_apply(m, &ev, 1);
		pyramid_apply(p, names, &ev, 1);
	}
	begin = t->v[0].time >> (10 + 8);
	for (uint64_t i = begin; i <= t->v[t->n - 1].time >> (10 + 8) && i < begin + 2000; i++) {
		struct buf out = BUF_INIT;

		assert_int_equal(pyramid_tile(p, m, 0, 10, i, &goid, 1, &out), 0);
		found += check_tile(t, &out, 10, i);
		buf_free(&out);
	}
	assert_true(found > 10);
	pyramid_free(p);
	model_free(m);
	names_free(names);
	free(t);
}

static void test_bounded(void **state)
{
	const size_t bytes = 1 << 20;
	struct pyramid_info info;
	struct pyramid *p;
	struct buf out = BUF_INIT;
	uint64_t time = ORIGIN, goid = 1;

	assert_int_equal(pyramid_new(bytes, &p), 0);
	for (unsigned i = 0; i < 400000; i++) {
		struct event ev[3] = {
			{.type = EVENT_CASGSTATUS,
			 .time_ns = time,
			 .target = i + 10,
			 .from = GSTATE_DEAD,
			 .to = GSTATE_RUNNABLE},
			{.type = EVENT_CASGSTATUS,
			 .time_ns = time + 3000,
			 .target = i + 10,
			 .from = GSTATE_RUNNABLE,
			 .to = GSTATE_RUNNING},
			{.type = EVENT_CASGSTATUS,
			 .time_ns = time + 9000,
			 .target = i + 10,
			 .from = GSTATE_RUNNING,
			 .to = GSTATE_DEAD},
		};
		struct event steady = {.type = EVENT_CASGSTATUS,
				       .time_ns = time + 9500,
				       .target = 1,
				       .from = i % 2 ? GSTATE_RUNNING : GSTATE_WAITING,
				       .to = i % 2 ? GSTATE_WAITING : GSTATE_RUNNING};

		pyramid_apply(p, NULL, ev, 3);
		pyramid_apply(p, NULL, &steady, 1);
		time += 10000;
	}
	pyramid_info(p, &info);
	assert_true(info.bytes < bytes * 4);
	assert_true(info.since_ns[0] > ORIGIN);
	/* Fine levels forget first. */
	assert_true(info.since_ns[0] >= info.since_ns[2]);
	/* Old times are still answered, more coarsely. */
	assert_int_equal(pyramid_tile(p, NULL, 0, 14, ORIGIN >> 22, &goid, 1, &out), 0);
	assert_true((unsigned char)out.data[33] >> 2 > 0);
	buf_reset(&out);
	assert_int_equal(pyramid_tile(p, NULL, 0, 14, time >> 22, &goid, 1, &out), 0);
	assert_int_equal((unsigned char)out.data[33], 1);
	buf_free(&out);
	pyramid_reset(p);
	pyramid_info(p, &info);
	assert_int_equal(info.rows, 0);
	assert_int_equal(info.cells, 0);
	pyramid_free(p);
}

static void test_series(void **state)
{
	struct pyramid_bucket b[64];
	uint64_t base = ORIGIN >> 20 << 20, sum = 0, created = 0, ns = 0;
	struct pyramid *p;

	assert_int_equal(pyramid_new(0, &p), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .time_ns = base + i * 200000ull,
				   .target = i + 1,
				   .from = GSTATE_DEAD,
				   .to = GSTATE_RUNNABLE};

		pyramid_apply(p, NULL, &ev, 1);
	}
	pyramid_missed(p, 5, base + 39999999);
	pyramid_until(p, base + (64ull << 20));
	assert_int_equal(pyramid_series(p, 0, 20, base >> 20, 64, b), 0);
	for (unsigned i = 0; i < 64; i++) {
		created += b[i].events[EVENT_CASGSTATUS];
		sum += b[i].lost;
		ns += b[i].state_ns[GSTATE_RUNNABLE];
	}
	assert_int_equal(created, 200);
	assert_int_equal(sum, 5);
	/* Goroutine i is runnable from i * 200 µs to the end. */
	assert_int_equal(ns, 200 * (64ull << 20) - 200000ull * (199 * 200 / 2));
	assert_int_equal(pyramid_series(p, 0, 19, 0, 1, b), -EINVAL);
	assert_int_equal(pyramid_series(p, 9, 20, 0, 1, b), -ENOENT);
	pyramid_free(p);
}

/* A state that is read from memory after time went on counts from when it began, at every level.
 * When the next reading says otherwise, how long it lasted is not known. */
static void test_late(void **state)
{
	const struct event ev = {.type = EVENT_CASGSTATUS,
				 .time_ns = ORIGIN >> 24 << 24,
				 .target = 1,
				 .from = GSTATE_DEAD,
				 .to = GSTATE_WAITING};
	const struct proc_info proc = {.pid = 1, .state = PROC_RUNNING};
	struct goroutine_seen seen = {.goid = 7, .state = GSTATE_RUNNING};
	const uint64_t base = ev.time_ns, since = base + 5000000;
	struct pyramid_bucket b[64];
	struct model_config mc = {.retain = 64};
	struct pyramid *p;
	struct model *m;

	assert_int_equal(names_new(1000, &mc.names), 0);
	assert_int_equal(model_new(&mc, &m), 0);
	assert_int_equal(model_proc_add(m, &proc), 0);
	assert_int_equal(pyramid_new(0, &p), 0);
	pyramid_apply(p, NULL, &ev, 1);
	pyramid_until(p, base + (20ull << 20));
	model_heal(m, 0, &seen, 1, since, false);
	assert_int_equal(pyramid_sync(p, m, 0, base + (20ull << 20)), 0);
	pyramid_until(p, base + (40ull << 20));
	seen.state = GSTATE_WAITING;
	model_heal(m, 0, &seen, 1, base + (30ull << 20), false);
	assert_int_equal(pyramid_sync(p, m, 0, base + (40ull << 20)), 0);
	pyramid_until(p, base + (64ull << 20));
	for (unsigned level = 20; level <= 26; level += 2) {
		uint64_t ran = 0, waited = 0, unknown = 0, n = 64u >> (level - 20);

		assert_int_equal(pyramid_series(p, 0, level, base >> level, n, b), 0);
		for (uint64_t i = 0; i < n; i++) {
			ran += b[i].state_ns[GSTATE_RUNNING];
			waited += b[i].state_ns[GSTATE_WAITING];
			unknown += b[i].state_ns[PYRAMID_UNKNOWN];
		}
		assert_int_equal(ran, 0);
		assert_int_equal(unknown, base + (30ull << 20) - since);
		assert_int_equal(waited, (64ull << 20) + (34ull << 20));
	}
	pyramid_free(p);
	model_free(m);
	names_free(mc.names);
}

static uint64_t bytes_of(struct pyramid *p)
{
	struct pyramid_info info;

	pyramid_info(p, &info);
	return info.bytes;
}

/* What a process takes grows with how long something was there, is counted, and is given back. */
static void test_memory(void **state)
{
	struct event ev = {.type = EVENT_CASGSTATUS,
			   .time_ns = ORIGIN,
			   .target = 1,
			   .from = GSTATE_DEAD,
			   .to = GSTATE_RUNNABLE};
	uint64_t empty, one, hundred;
	struct pyramid *p;

	assert_int_equal(pyramid_new(0, &p), 0);
	empty = bytes_of(p);
	pyramid_apply(p, NULL, &ev, 1);
	one = bytes_of(p);
	assert_in_range(one - empty, 1, 256 << 10);
	for (ev.proc = 1; ev.proc < 100; ev.proc++)
		pyramid_apply(p, NULL, &ev, 1);
	hundred = bytes_of(p);
	assert_in_range(hundred - one, 99 * 1000, 99 * (64 << 10));
	/* Time passes for all: a second, then a day, which is as much as is kept. */
	pyramid_until(p, ORIGIN + NS_PER_SEC);
	assert_in_range(bytes_of(p) - hundred, 100 * 10000, 100 * (512 << 10));
	pyramid_until(p, ORIGIN + 86400 * NS_PER_SEC);
	assert_in_range(bytes_of(p) - hundred, 100 * (1 << 20), 100 * (8 << 20));
	/* One in which there is nobody takes no more as it goes on. */
	pyramid_reset(p);
	assert_int_equal(bytes_of(p), empty);
	pyramid_apply(p, NULL, &ev, 1);
	ev = (struct event){.type = EVENT_CASGSTATUS,
			    .time_ns = ORIGIN + 1000,
			    .target = 1,
			    .proc = ev.proc,
			    .from = GSTATE_RUNNING,
			    .to = GSTATE_DEAD};
	pyramid_apply(p, NULL, &ev, 1);
	one = bytes_of(p);
	pyramid_until(p, ORIGIN + 86400 * NS_PER_SEC);
	assert_in_range(bytes_of(p), one, one + (64 << 10));
	pyramid_free(p);
}

/* A process that ended stays as it was: its time ends with it, whatever is learned of that later.
 */
static void test_frozen(void **state)
{
	struct pyramid_busy q = {.level = 20, .from = ORIGIN >> 20, .n = 64};
	struct change runs = {ORIGIN, GSTATE_RUNNABLE, GSTATE_RUNNING};
	struct event ev = state_event(1, &runs);
	const uint64_t end = ORIGIN + (10ull << 20) + 5000, goid = 1;
	const struct proc_info info = {.pid = 1};
	uint32_t counts[64][PYRAMID_BUSY_ROWS];
	struct pyramid_bucket b[64];
	struct model_config mc = {.retain = 64};
	struct buf out = BUF_INIT;
	uint64_t ran = 0, since, known;
	struct pyramid *p;
	struct model *m;

	assert_int_equal(names_new(1000, &mc.names), 0);
	assert_int_equal(model_new(&mc, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	assert_int_equal(pyramid_new(0, &p), 0);
	model_apply(m, &ev, 1);
	pyramid_apply(p, mc.names, &ev, 1);
	pyramid_until(p, ORIGIN + (30ull << 20));
	model_proc_exited(m, 0, end);
	assert_int_equal(pyramid_sync(p, m, 0, ORIGIN + (30ull << 20)), 0);
	pyramid_until(p, ORIGIN + (50ull << 20));
	assert_int_equal(pyramid_sync(p, m, 0, ORIGIN + (50ull << 20)), 0);
	assert_int_equal(pyramid_series(p, 0, 20, ORIGIN >> 20, 64, b), 0);
	for (unsigned i = 0; i < 64; i++)
		ran += b[i].state_ns[GSTATE_RUNNING];
	assert_int_equal(ran, end - ORIGIN);
	assert_int_equal(pyramid_tile(p, m, 0, 20, ORIGIN >> 28, &goid, 1, &out), 0);
	memcpy(&known, out.data + 16, sizeof(known));
	assert_int_equal(known, end);
	assert_int_equal(pyramid_busy(p, &q, counts, &since), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(counts[i][PYRAMID_BUSY_ROWS - 1], i < 10);
	buf_free(&out);
	pyramid_free(p);
	model_free(m);
	names_free(mc.names);
}

/* Waits for a CPU are counted by their length, in the bucket in which they end. */
static void test_latencies(void **state)
{
	static const uint64_t waits[] = {1,       1023,       1024,        5000,
					 3000000, 5000000000, 20000000000, 1500};
	struct pyramid_bucket b[2];
	uint64_t base = ORIGIN >> 36 << 36, n = 0;
	struct pyramid *p;

	assert_int_equal(pyramid_new(0, &p), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(waits); i++) {
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .time_ns = base,
				   .target = i + 1,
				   .from = GSTATE_WAITING,
				   .to = GSTATE_RUNNABLE};

		pyramid_apply(p, NULL, &ev, 1);
	}
	for (unsigned k = 0; k < 8; k++) {
		static const unsigned order[] = {0, 1, 2, 7, 3, 4, 5, 6};
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .time_ns = base + waits[order[k]],
				   .target = order[k] + 1,
				   .from = GSTATE_RUNNABLE,
				   .to = GSTATE_RUNNING};

		pyramid_apply(p, NULL, &ev, 1);
	}
	assert_int_equal(pyramid_series(p, 0, 36, base >> 36, 2, b), 0);
	assert_int_equal(b[0].latency_count, 8);
	assert_int_equal(b[0].latencies[0], 2);  /* below 1,024 ns */
	assert_int_equal(b[0].latencies[1], 2);  /* 1,024 and 1,500 */
	assert_int_equal(b[0].latencies[3], 1);  /* 5,000: [4096, 8192) */
	assert_int_equal(b[0].latencies[12], 1); /* 3 ms: [2^21, 2^22) */
	assert_int_equal(b[0].latencies[23], 2); /* 5 s, and what is longer than all */
	for (unsigned i = 0; i < PYRAMID_LATENCIES; i++)
		n += b[0].latencies[i];
	assert_int_equal(n, 8);
	pyramid_free(p);
}

static void test_group(void **state)
{
	uint64_t goids[4] = {1, 2, 3, 4}, base = ORIGIN;
	struct pyramid *p;
	struct buf out = BUF_INIT;
	const unsigned char *c;

	assert_int_equal(pyramid_new(0, &p), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .time_ns = base,
				   .target = goids[i],
				   .from = GSTATE_DEAD,
				   .to = i < 3 ? GSTATE_WAITING : GSTATE_RUNNING};

		pyramid_apply(p, NULL, &ev, 1);
	}
	pyramid_until(p, base + (1ull << 24));
	assert_int_equal(pyramid_group_tile(p, 0, 16, base >> 24, goids, 4, &out), 0);
	assert_int_equal(get16((unsigned char *)out.data + 34), PYRAMID_TILE_BUCKETS);
	c = (unsigned char *)out.data + 36 + 16; /* the first full bucket */
	assert_in_range(c[4 + SHARE_WAITING], 190, 193);
	assert_in_range(c[4 + SHARE_RUNNING], 63, 65);
	buf_free(&out);
	pyramid_free(p);
}

/* What it is in now has its share of the bucket that is not over, however short it is until now. */
static void test_open_stay(void **state)
{
	static const unsigned levels[] = {10, 14, 16, 17, 20};
	static const uint64_t goid = 7;
	struct change changes[] = {{ORIGIN, GSTATE_DEAD, GSTATE_RUNNABLE},
				   {ORIGIN + 100, GSTATE_RUNNABLE, GSTATE_RUNNING},
				   {ORIGIN + 600, GSTATE_RUNNING, GSTATE_WAITING}};
	struct model_config config = {.retain = 100, .retain_exited = 10, .workers = 1};
	struct proc_info info = {.pid = 1};
	cleanup_buf_ struct buf out = BUF_INIT;
	struct pyramid *p;
	struct model *m;
	struct names *names;

	assert_int_equal(names_new(100, &names), 0);
	config.names = names;
	assert_int_equal(model_new(&config, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	assert_int_equal(pyramid_new(0, &p), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		struct event ev = state_event(goid, &changes[i]);

		model_apply(m, &ev, 1);
		pyramid_apply(p, names, &ev, 1);
	}
	pyramid_until(p, ORIGIN + 900);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(levels); i++) {
		unsigned level = levels[i / 2];
		uint64_t index = ORIGIN >> (level + 8);
		const unsigned char *c;

		buf_reset(&out);
		assert_int_equal(i % 2 ? pyramid_group_tile(p, 0, level, index, &goid, 1, &out)
				       : pyramid_tile(p, m, 0, level, index, &goid, 1, &out),
				 0);
		c = (const unsigned char *)out.data + 36;
		assert_true(get16((const unsigned char *)out.data + 34) > 0);
		assert_true(c[4 + SHARE_RUNNABLE] && c[4 + SHARE_RUNNING] && c[4 + SHARE_WAITING]);
		assert_int_equal(c[4 + SHARE_SYSCALL], 0);
	}
	pyramid_free(p);
	model_free(m);
	names_free(names);
}

/* Created, and no event yet says in what it is: at every level it is there from then on, unknown.
 */
static void test_created_unknown(void **state)
{
	static const unsigned levels[] = {10, 12, 14, 15};
	static const uint64_t goid = 7;
	struct change changes = {ORIGIN + 60000, GSTATE_RUNNABLE, GSTATE_RUNNING};
	struct event events[] = {
		{.type = EVENT_NEWGOROUTINE, .time_ns = ORIGIN + 100, .goid = 1, .target = goid},
		state_event(goid, &changes)};
	struct model_config config = {.retain = 100, .retain_exited = 10, .workers = 1};
	struct proc_info info = {.pid = 1};
	cleanup_buf_ struct buf out = BUF_INIT;
	struct pyramid *p;
	struct model *m;
	struct names *names;

	assert_int_equal(names_new(100, &names), 0);
	config.names = names;
	assert_int_equal(model_new(&config, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	assert_int_equal(pyramid_new(0, &p), 0);
	model_apply(m, events, ARRAY_SIZE(events));
	pyramid_apply(p, names, events, ARRAY_SIZE(events));
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		const unsigned char *c;

		buf_reset(&out);
		assert_int_equal(
			pyramid_tile(p, m, 0, levels[i], ORIGIN >> (levels[i] + 8), &goid, 1, &out),
			0);
		c = (const unsigned char *)out.data + 36;
		assert_int_equal(get16((const unsigned char *)out.data + 34), 2);
		assert_int_equal(get16(c), 0);
		assert_int_equal(c[2] & 15, PYRAMID_UNKNOWN);
		assert_int_equal(c[3] & CELL_CREATED, CELL_CREATED);
		assert_int_equal(get16(c + 16), 60000 >> levels[i]);
		assert_int_equal(c[16 + 2] & 15, GSTATE_RUNNING);
	}
	pyramid_free(p);
	model_free(m);
	names_free(names);
}

/* Times that 64 bits hold, and buckets of them do not. */
static void test_end_of_time(void **state)
{
	static const uint64_t times[] = {ORIGIN,           PYRAMID_TIME_END - 1, PYRAMID_TIME_END,
					 (1ull << 63) - 1, 1ull << 63,           UINT64_MAX - 1,
					 UINT64_MAX};
	struct pyramid_bucket *buckets = calloc(4096, sizeof(*buckets));
	uint64_t goids[] = {1, UINT64_MAX};
	struct buf out = BUF_INIT;
	struct pyramid_info info;
	struct pyramid *p;

	assert_int_equal(pyramid_new(0, &p), 0);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .time_ns = times[i],
				   .target = 1,
				   .goid = 1,
				   .from = i % 2 ? GSTATE_RUNNING : GSTATE_WAITING,
				   .to = i % 2 ? GSTATE_WAITING : GSTATE_RUNNING};

		pyramid_apply(p, NULL, &ev, 1);
		pyramid_missed(p, 1, times[i]);
	}
	pyramid_until(p, UINT64_MAX);
	pyramid_info(p, &info);
	assert_true(info.last_ns == PYRAMID_TIME_END - 1);
	assert_int_equal(info.missed, ARRAY_SIZE(times) + 5);
	for (unsigned level = 0; level <= PYRAMID_LEVEL_MAX + 1; level++) {
		uint64_t ends = UINT64_MAX >> MIN(level, PYRAMID_LEVEL_MAX), last = ends >> 8;
		const uint64_t from[] = {0, 1, ends - 1, ends, ends + 1, 1ull << 63, UINT64_MAX};
		const size_t n[] = {1, 2, 4096};

		for (size_t i = 0; i < ARRAY_SIZE(from) * ARRAY_SIZE(n); i++) {
			uint64_t at = from[i % ARRAY_SIZE(from)], width = n[i / ARRAY_SIZE(from)];
			bool good = level >= 20 && level <= PYRAMID_LEVEL_MAX && at <= ends - width;

			assert_int_equal(pyramid_series(p, 0, level, at, width, buckets),
					 good ? 0 : -EINVAL);
		}
		assert_int_equal(pyramid_tile(p, NULL, 0, level, last - 1, goids, 2, &out),
				 level <= PYRAMID_LEVEL_MAX ? 0 : -EINVAL);
		assert_int_equal(pyramid_tile(p, NULL, 0, level, last, goids, 2, &out), -EINVAL);
		assert_int_equal(pyramid_tile(p, NULL, 0, level, UINT64_MAX, goids, 2, &out),
				 -EINVAL);
		assert_int_equal(pyramid_group_tile(p, 0, level, last, goids, 2, &out), -EINVAL);
		assert_int_equal(pyramid_group_tile(p, 0, level, last - 1, goids, 2, &out),
				 level <= PYRAMID_LEVEL_MAX ? 0 : -EINVAL);
	}
	assert_int_equal(pyramid_series(p, 0, 20, 0, 0, buckets), -EINVAL);
	free(buckets);
	buf_free(&out);
	pyramid_free(p);
}

static void test_refuses(void **state)
{
	struct pyramid *p;
	struct buf out = BUF_INIT;
	uint64_t goid = 1;

	assert_int_equal(pyramid_new(0, &p), 0);
	assert_int_equal(pyramid_tile(p, NULL, 0, PYRAMID_LEVEL_MAX + 1, 0, &goid, 1, &out),
			 -EINVAL);
	assert_int_equal(pyramid_tile(p, NULL, 0, 20, UINT64_MAX, &goid, 1, &out), -EINVAL);
	assert_int_equal(pyramid_tile(p, NULL, 0, 20, 0, &goid, PYRAMID_ROWS_MAX + 1, &out),
			 -EINVAL);
	assert_int_equal(pyramid_tile(p, NULL, 0, 20, 0, NULL, 0, &out), 0);
	assert_int_equal(out.len, 24);
	buf_free(&out);
	pyramid_free(p);
	pyramid_free(NULL);
}

/* A goroutine that waits for one thing after the other, with a moment of running between. */
static void test_wait_kinds(void **state)
{
	static const char *const reasons[] = {
		"sync.Mutex.Lock",  "chan receive",   "IO wait",       "sleep",
		"GC worker (idle)", "GC assist wait", "no such reason"};
	static const enum wait_kind kinds[] = {WAIT_SYNC, WAIT_CHANNEL, WAIT_NETWORK, WAIT_SLEEP,
					       WAIT_IDLE, WAIT_GC,      WAIT_OTHER};
	static const uint8_t waits[WAIT_KINDS] = PYRAMID_WAITS;
	const uint64_t width = 1ull << PYRAMID_BASE, begin = ORIGIN, goid = 1;
	cleanup_buf_ struct buf out = BUF_INIT;
	struct names *names;
	struct pyramid *p;
	const unsigned char *c;
	uint64_t t = begin;

	assert_int_equal(names_new(64, &names), 0);
	assert_int_equal(pyramid_new(0, &p), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct change parked = {t, GSTATE_RUNNING, GSTATE_WAITING},
			      runs = {t + 10 * width, GSTATE_WAITING, GSTATE_RUNNING};
		struct event ev[2] = {state_event(goid, &parked), state_event(goid, &runs)};

		ev[0].string_id = ev[1].string_id =
			names_intern(names, reasons[i], strlen(reasons[i]));
		pyramid_apply(p, names, ev, 2);
		t += 11 * width;
	}
	/* Each in the cell in which it began to wait, and in one of a level that merges four. */
	assert_int_equal(
		pyramid_tile(p, NULL, 0, PYRAMID_BASE, begin >> (PYRAMID_BASE + 8), &goid, 1, &out),
		0);
	assert_int_equal(get16((const unsigned char *)out.data + 34), 2 * ARRAY_SIZE(reasons));
	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		c = (const unsigned char *)out.data + 36 + 2 * i * 16;
		assert_int_equal(get16(c), 11 * i);
		assert_int_equal(c[2], waits[kinds[i]] << 4 | waits[kinds[i]]);
	}
	buf_reset(&out);
	assert_int_equal(pyramid_tile(p, NULL, 0, PYRAMID_BASE + 3, begin >> (PYRAMID_BASE + 11),
				      &goid, 1, &out),
			 0);
	c = (const unsigned char *)out.data + 36;
	assert_int_equal(c[2] >> 4, waits[WAIT_SYNC]);
	/* As time in a state they are all the same. */
	{
		struct pyramid_bucket bucket;

		assert_int_equal(
			pyramid_series(p, 0, SERIES_BASE, begin >> SERIES_BASE, 1, &bucket), 0);
		assert_true(bucket.state_ns[GSTATE_WAITING] > 50 * width);
		assert_int_equal(bucket.state_ns[GSTATE_MORIBUND], 0);
	}
	pyramid_free(p);
	names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_goroutine), cmocka_unit_test(test_exact_levels),
		cmocka_unit_test(test_bounded),       cmocka_unit_test(test_series),
		cmocka_unit_test(test_late),          cmocka_unit_test(test_memory),
		cmocka_unit_test(test_frozen),        cmocka_unit_test(test_latencies),
		cmocka_unit_test(test_group),         cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_open_stay),     cmocka_unit_test(test_created_unknown),
		cmocka_unit_test(test_end_of_time),   cmocka_unit_test(test_wait_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
