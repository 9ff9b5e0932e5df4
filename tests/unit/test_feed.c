/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The feed: numbers, trimming, cursors, waiting, listeners, and readers beside the writer. What is
 * read is what was put in, for every type and any field. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/feed_internal.h"

#define BITS_40 ((1ull << 40) - 1)

static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* A number as programs have them, at a bound, or any. */
static uint64_t number(uint64_t r, bool foreign)
{
	static const uint64_t bounds[] = {0, 1, UINT32_MAX, 1ull << 32, BITS_40 - 1, BITS_40};

	if (r & 3)
		return r >> (34 + r % 20);
	if (!foreign || r & 4)
		return bounds[(r >> 8) % ARRAY_SIZE(bounds)];
	return r & 8 ? BITS_40 + 1 : r & 16 ? UINT64_MAX : r;
}

/* What is in event number `seq` of a feed: all types, all fields that a type has; `foreign` ones
 * have numbers that no program has, fields that their type has no use for, times in no order. */
static struct event event_of(uint64_t seq, bool foreign)
{
	uint64_t r = mixed(seq), any = mixed(r);
	struct event ev = {
		.time_ns = 5000000000000ull + seq * 300 + r % 1000,
		.goid = number(mixed(r + 1), foreign),
		.parent = number(mixed(r + 2), foreign),
		.target = number(mixed(r + 3), foreign),
		.type = (uint8_t)(r % (EVENT_LOST + 1)),
		.flags = r >> 8 & 15,
		.proc = (uint16_t)(r >> 16),
		.cpu = (uint16_t)(r >> 32 & 2047),
	};

	if (event_has_subject(ev.type))
		ev.string_id = (uint32_t)any;
	else
		ev.type_id = (uint32_t)any;
	if (ev.type == EVENT_CASGSTATUS) {
		ev.from = any % GSTATES;
		ev.to = (any >> 8) % GSTATES;
	}
	if (ev.type != EVENT_CASGSTATUS && ev.type != EVENT_GOEXIT)
		ev.site_id = (uint32_t)(any >> 32);
	if (ev.type == EVENT_GOEXIT)
		ev.exit_time = any & 1 ? ev.time_ns : 0;
	else if (ev.type == EVENT_MAKESLICE || ev.type == EVENT_LOST)
		ev.cap = number(mixed(r + 4), foreign);
	if (!foreign || (any & 12) != 0)
		return ev;
	if ((any & 1) == 0) {
		/* Any bytes, also in a field that this test does not know. */
		for (size_t i = 0; i < offsetof(struct event, reserved); i += sizeof(any)) {
			any = mixed(any);
			memcpy((char *)&ev + i, &any,
			       MIN(sizeof(any), offsetof(struct event, reserved) - i));
		}
		ev.type %= EVENT_LOST + 1;
		return ev;
	}
	if (any & 2)
		ev.time_ns = number(any, true);
	if (any & 16)
		ev.cap = number(mixed(any), true);
	if (any & 32)
		ev.flags = 0xff & ~EVENT_HIDDEN;
	ev.type_id ^= any & 64;
	ev.string_id ^= any & 128;
	ev.site_id ^= any & 256;
	ev.from ^= any >> 8 & 3;
	return ev;
}

static struct feed_link link_of(uint64_t seq)
{
	uint64_t r = mixed(seq + 77);

	return (struct feed_link){(uint32_t)(r & 1 ? r >> 32 : r % 900),
				  (uint32_t)(r >> 40 & 1023)};
}

static void append_as(struct feed *f, size_t n, bool foreign)
{
	uint64_t seq = feed_reserve(f, n);
	struct feed_place at = feed_at(f, seq);

	for (size_t i = 0; i < n; i++) {
		struct event ev = event_of(seq + i, foreign);

		feed_put(f, &at, &ev, link_of(seq + i));
	}
	feed_publish(f, seq + n);
	feed_notify(f);
}

static void append(struct feed *f, size_t n)
{
	append_as(f, n, true);
}

static bool is_number(const struct event *ev, uint64_t seq, bool foreign)
{
	struct event want = event_of(seq, foreign);

	return memcmp(ev, &want, sizeof(want)) == 0;
}

static void check_read(struct feed *f, uint64_t *cursor, size_t max, size_t want, uint64_t first,
		       uint64_t want_missed)
{
	struct event events[5000];
	uint64_t missed = 77;

	assert_int_equal(feed_read(f, cursor, events, max, &missed), want);
	assert_int_equal(missed, want_missed);
	for (size_t i = 0; i < want; i++) {
		assert_true(is_number(&events[i], first + i, true));
	}
	assert_int_equal(*cursor, first + want);
}

static void test_numbers(void **state)
{
	struct feed *f;
	uint64_t cursor = 0;

	assert_int_equal(feed_new(100, &f), 0);
	assert_int_equal(feed_capacity(f), 100);
	check_read(f, &cursor, 10, 0, 0, 0);
	append(f, 60);
	assert_int_equal(feed_head(f), 60);
	check_read(f, &cursor, 10, 10, 0, 0);
	check_read(f, &cursor, 100, 50, 10, 0);
	check_read(f, &cursor, 100, 0, 60, 0);
	append(f, 60);
	assert_int_equal(feed_head(f), 120);
	assert_int_equal(feed_tail(f), 20);
	check_read(f, &cursor, 100, 60, 60, 0);
	cursor = 0;
	check_read(f, &cursor, 7, 7, 20, 20);
	/* A cursor from the future reads nothing and stays. */
	cursor = 1000;
	check_read(f, &cursor, 7, 0, 1000, 0);
	feed_free(f);
	feed_free(NULL);
}

static void test_capacities(void **state)
{
	struct feed *f;

	assert_true(feed_new(0, &f) < 0);
	assert_true(feed_new(SIZE_MAX, &f) < 0);
	for (size_t capacity = 1; capacity < 200; capacity += 13) {
		uint64_t cursor = 0;

		assert_int_equal(feed_new(capacity, &f), 0);
		for (size_t i = 0; i < 500; i++) {
			append(f, 1 + i % capacity);
			assert_true(feed_head(f) - feed_tail(f) <= capacity);
		}
		assert_int_equal(feed_head(f) - feed_tail(f), capacity);
		check_read(f, &cursor, 5000, capacity, feed_tail(f), feed_tail(f));
		feed_free(f);
	}
}

static void test_long_reads(void **state)
{
	struct feed *f;
	uint64_t cursor = 0;

	assert_int_equal(feed_new(5000, &f), 0);
	append(f, 4096);
	append(f, 3000);
	check_read(f, &cursor, 5000, 5000, 2096, 2096);
	feed_free(f);
}

struct waiting {
	struct feed *f;
	_Atomic bool got;
};

static void *wait_for_event(void *arg)
{
	struct waiting *w = arg;

	w->got = feed_wait(w->f, 0, 20 * NS_PER_SEC);
	return NULL;
}

static void test_wait(void **state)
{
	struct waiting w = {0};
	pthread_t thread;
	uint64_t before;

	assert_int_equal(feed_new(10, &w.f), 0);
	before = monotonic_ns();
	assert_false(feed_wait(w.f, 0, 20000000));
	assert_true(monotonic_ns() - before >= 20000000);
	assert_false(feed_wait(w.f, 0, 0));
	assert_int_equal(pthread_create(&thread, NULL, wait_for_event, &w), 0);
	append(w.f, 1);
	pthread_join(thread, NULL);
	assert_true(w.got);
	assert_true(feed_wait(w.f, 0, UINT64_MAX));
	/* Closing wakes, and says that there is nothing more. */
	assert_false(feed_closed(w.f));
	feed_close(w.f);
	assert_true(feed_closed(w.f));
	assert_false(feed_wait(w.f, 1, UINT64_MAX));
	assert_true(feed_wait(w.f, 0, 0));
	feed_free(w.f);
}

static void test_close_wakes(void **state)
{
	struct waiting w = {.got = true};
	pthread_t thread;

	assert_int_equal(feed_new(10, &w.f), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_event, &w), 0);
	feed_close(w.f);
	pthread_join(thread, NULL);
	assert_false(w.got);
	feed_free(w.f);
}

static void count_call(void *arg)
{
	++*(int *)arg;
}

static void test_listeners(void **state)
{
	struct feed *f;
	int calls[FEED_LISTENERS + 1] = {0};

	assert_int_equal(feed_new(10, &f), 0);
	for (int i = 0; i < FEED_LISTENERS; i++)
		assert_int_equal(feed_listen(f, count_call, &calls[i]), 0);
	assert_true(feed_listen(f, count_call, &calls[FEED_LISTENERS]) < 0);
	append(f, 3);
	feed_unlisten(f, count_call, &calls[2]);
	feed_unlisten(f, count_call, &calls[2]);
	append(f, 1);
	for (int i = 0; i < FEED_LISTENERS; i++)
		assert_int_equal(calls[i], i == 2 ? 1 : 2);
	assert_int_equal(calls[FEED_LISTENERS], 0);
	feed_close(f);
	assert_int_equal(calls[0], 3);
	feed_free(f);
}

#define FLOOD 300000

struct reading {
	struct feed *f;
	uint64_t got, missed, wrong;
	size_t max;
};

/* Every event is either read, once and whole, or told of as missed. */
static void *read_flood(void *arg)
{
	struct reading *r = arg;
	struct event events[2048];
	uint64_t cursor = 0;

	while (cursor < FLOOD) {
		uint64_t missed, before = cursor;
		size_t n = feed_read(r->f, &cursor, events, r->max, &missed);

		r->missed += missed;
		r->got += n;
		if (cursor != before + missed + n)
			r->wrong++;
		for (size_t i = 0; i < n; i++) {
			if (!is_number(&events[i], cursor - n + i, true))
				r->wrong++;
		}
		if (n == 0)
			feed_wait(r->f, cursor, NS_PER_SEC);
	}
	return NULL;
}

static void test_flood(void **state)
{
	struct feed *f;
	struct reading readers[3] = {{.max = 1}, {.max = 100}, {.max = 2048}};
	pthread_t threads[3];

	assert_int_equal(feed_new(3000, &f), 0);
	for (int i = 0; i < 3; i++) {
		readers[i].f = f;
		assert_int_equal(pthread_create(&threads[i], NULL, read_flood, &readers[i]), 0);
	}
	for (size_t done = 0, n; done < FLOOD; done += n) {
		n = MIN((size_t)(done % 1000 + 1), FLOOD - done);
		append(f, n);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(readers[i].wrong, 0);
		assert_int_equal(readers[i].got + readers[i].missed, FLOOD);
	}
	feed_free(f);
}

/* What programs do takes no more than was promised; and foreign events take no more memory the
 * longer they come. */
static void test_memory(void **state)
{
	struct feed *f;
	struct event ev;
	uint64_t cursor = 0;

	assert_int_equal(feed_new(100000, &f), 0);
	append_as(f, 100000, false);
	append_as(f, 100000, false);
	append_as(f, 50000, false);
	assert_true(feed_memory(f) < 100000ull * FEED_EVENT_BYTES + 8192);
	for (uint64_t seq = 150000; seq < 250000; seq++) {
		if (feed_read(f, &cursor, &ev, 1, NULL) != 1 || !is_number(&ev, seq, false))
			fail_msg("event %lu", (unsigned long)seq);
	}
	append(f, 100000);
	assert_true(feed_memory(f) > 100000ull * FEED_EVENT_BYTES);
	append(f, 100000);
	assert_true(feed_memory(f) < 100000ull * (FEED_EVENT_BYTES + sizeof(ev)) + 2 * 8192);
	append_as(f, 100000, false);
	append_as(f, 5000, false);
	assert_true(feed_memory(f) < 100000ull * FEED_EVENT_BYTES + 8192);
	feed_free(f);
}

/* Both links of each event are kept, whatever it is. */
static void test_links(void **state)
{
	struct feed *f;

	assert_int_equal(feed_new(1000, &f), 0);
	append(f, 900);
	append(f, 900);
	for (uint64_t seq = feed_tail(f); seq < feed_head(f); seq++) {
		struct event want = event_of(seq, true), got;
		uint32_t back[2] = {link_of(seq).actor, link_of(seq).subject};

		if (!event_has_subject(want.type))
			back[1] = 0;
		for (int other = 0; other < 2; other++) {
			uint64_t next = seq + 1, number;

			if (other && !event_has_subject(want.type))
				continue;
			assert_int_equal(feed_read_chain(f, other ? ~want.goid : want.goid, &next,
							 &got, &number, 1),
					 1);
			assert_int_equal(number, seq);
			assert_memory_equal(&got, &want, sizeof(got));
			assert_int_equal(next, back[other] && back[other] <= seq
						       ? seq + 1 - back[other]
						       : 0);
		}
	}
	feed_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),     cmocka_unit_test(test_capacities),
		cmocka_unit_test(test_long_reads),  cmocka_unit_test(test_wait),
		cmocka_unit_test(test_close_wakes), cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_flood),       cmocka_unit_test(test_memory),
		cmocka_unit_test(test_links),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
