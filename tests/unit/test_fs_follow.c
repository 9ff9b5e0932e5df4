/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The growing text over the feed: offsets that never change, trimming, readers that are overtaken.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "fs/follow.h"

struct env {
	struct names *names;
	struct model *model;
	struct event_format format;
	struct view view;
	struct follow_cache *cache;
	struct follow_config config;
	struct follow *log;
	uint64_t made; /* events so far; each has its number as its size */
};

static void setup(struct env *e, size_t retain, uint64_t goid, bool json)
{
	struct model_config config = {.retain = retain, .retain_exited = 10, .workers = 1};
	struct proc_info info = {.pid = 1};

	*e = (struct env){.config = {.goid = goid, .json = json}};
	assert_int_equal(names_new(1000, &e->names), 0);
	config.names = e->names;
	assert_int_equal(model_new(&config, &e->model), 0);
	assert_int_equal(model_proc_add(e->model, &info), 0);
	e->format = (struct event_format){.names = e->names};
	assert_int_equal(follow_cache_new(64 << 10, &e->cache), 0);
	e->view.model = e->model;
	e->config.view = &e->view;
	e->config.format = &e->format;
	e->config.proc = goid ? 0 : -1;
	e->config.cache = e->cache;
	assert_int_equal(follow_new(&e->config, &e->log), 0);
}

static void teardown(struct env *e)
{
	follow_free(e->log);
	follow_cache_free(e->cache);
	model_free(e->model);
	names_free(e->names);
}

/* n allocations, by goroutines 1..goroutines in turn. */
static void make(struct env *e, size_t n, uint64_t goroutines)
{
	for (size_t i = 0; i < n; i++) {
		struct event ev = {.type = EVENT_NEWOBJECT};

		ev.size = e->made;
		ev.goid = e->made % goroutines + 1;
		ev.time_ns = 1000000000000ull + 1000 * e->made++;
		model_apply(e->model, &ev, 1);
	}
}

static struct follow_state look(struct env *e)
{
	struct follow_state s;

	assert_int_equal(follow_extend(e->log), 0);
	follow_state(e->log, &s);
	return s;
}

static void get(struct env *e, struct follow_reader *r, uint64_t off, size_t size, struct buf *out)
{
	buf_reset(out);
	assert_int_equal(follow_reader_read(r, e->log, off, size, out), 0);
	assert_true(out->len <= size);
}

/* What a reader made of the text, line by line. */
struct account {
	uint64_t next;    /* the number of the event expected next */
	uint64_t lines;   /* events seen */
	uint64_t trimmed; /* events it was told it missed */
	uint64_t step;
};

static void account_line(struct account *a, const char *line)
{
	const char *size = strstr(line, " size=");
	unsigned long long n, seconds, goid;

	if (sscanf(line, "%llu.%*u 0 trimmed count=%llu", &seconds, &n) == 2) {
		a->trimmed += n;
		a->next += n * a->step;
		return;
	}
	if (!size || sscanf(line, "%llu.%*u %llu newobject", &seconds, &goid) != 2)
		fail_msg("torn line: %s", line);
	assert_int_equal(sscanf(size, " size=%llu", &n), 1);
	assert_int_equal(n, a->next);
	a->next += a->step;
	a->lines++;
}

/* Takes whole lines off the front of what was read. */
static void account(struct account *a, struct buf *read)
{
	char *line = read->data, *end;

	while (read->len && (end = memchr(line, '\n', read->len - (size_t)(line - read->data)))) {
		*end = '\0';
		account_line(a, line);
		line = end + 1;
	}
	if (read->len) {
		read->len -= (size_t)(line - read->data);
		memmove(read->data, line, read->len);
	}
}

static void test_same_bytes(void **state)
{
	struct buf first cleanup_buf_ = BUF_INIT, again cleanup_buf_ = BUF_INIT;
	struct follow_reader r = {0}, odd = {0};
	struct follow_state s;
	struct env e;
	uint64_t off = 0;

	setup(&e, 100000, 0, false);
	s = look(&e);
	assert_int_equal(s.size, 0);
	for (int i = 0; i < 40; i++) {
		make(&e, 1 + (size_t)i * 7, 3);
		s = look(&e);
	}
	assert_int_equal(s.start, 0);
	get(&e, &r, 0, s.size + 1000, &first);
	assert_int_equal(first.len, s.size);
	assert_int_equal(first.data[first.len - 1], '\n');
	/* In odd pieces, from blocks rendered again. */
	for (size_t n = 1; off < s.size; off += again.len, n = n * 5 % 4093 + 1) {
		get(&e, &odd, off, n, &again);
		assert_true(again.len > 0);
		assert_memory_equal(again.data, first.data + off, again.len);
	}
	get(&e, &odd, off, 100, &again);
	assert_int_equal(again.len, 0);
	follow_reader_free(&r);
	follow_reader_free(&odd);
	teardown(&e);
}

/* A reader that follows, in pieces of every size, while the feed trims faster than it reads. */
static void follow_along(size_t retain, uint64_t goid, size_t piece, size_t burst)
{
	struct buf part cleanup_buf_ = BUF_INIT, rest cleanup_buf_ = BUF_INIT;
	const uint64_t goroutines = 3;
	struct account a = {.step = 1};
	struct follow_reader r = {0};
	struct follow_state s = {0};
	uint64_t off = 0, size = 0, told;
	struct env e;

	setup(&e, retain, goid, false);
	if (goid)
		a = (struct account){.step = goroutines, .next = goid - 1};
	look(&e);
	for (int round = 0; round < 300; round++) {
		make(&e, burst, goroutines);
		s = look(&e);
		assert_true(s.size >= size);
		size = s.size;
		for (int reads = 0; reads < 3; reads++) {
			get(&e, &r, off, piece, &part);
			off += part.len;
			/* Offsets never run past the size: that would look like a truncation. */
			assert_true(off <= size);
			buf_add(&rest, part.data, part.len);
			account(&a, &rest);
		}
	}
	do {
		get(&e, &r, off, piece, &part);
		off += part.len;
		assert_true(off <= size);
		buf_add(&rest, part.data, part.len);
		account(&a, &rest);
	} while (part.len);
	assert_int_equal(rest.len, 0);
	told = a.lines + a.trimmed;
	assert_int_equal(told, goid ? (e.made - goid) / goroutines + 1 : e.made);
	assert_true(a.lines > 0);
	follow_reader_free(&r);
	teardown(&e);
}

static void test_overtaken(void **state)
{
	follow_along(1000, 0, 100, 37);      /* hopelessly slow */
	follow_along(1000, 0, 1000, 37);     /* slow */
	follow_along(1000, 0, 64 << 10, 37); /* keeps up */
	follow_along(100, 0, 333, 20);
	follow_along(64, 0, 5, 7);
}

static void test_overtaken_goroutine(void **state)
{
	follow_along(10000, 2, 100, 37);
	follow_along(10000, 1, 64 << 10, 37);
}

/* More comes between two looks than is retained: a line in the text says so. */
static void test_gap(void **state)
{
	struct buf out cleanup_buf_ = BUF_INIT;
	struct account a = {.step = 1, .next = 10};
	struct follow_reader r = {0};
	struct follow_state s;
	struct env e;

	setup(&e, 1000, 0, false);
	make(&e, 10, 3);
	look(&e);
	make(&e, 5000, 3);
	s = look(&e);
	get(&e, &r, 0, s.size, &out);
	account(&a, &out);
	/* The ten lines that were there are gone; what a handle begins with is the line that tells
	 * of those that never were. */
	assert_int_equal(a.trimmed, 4000);
	assert_int_equal(a.lines, 1000);
	follow_reader_free(&r);
	teardown(&e);
}

/* What was trimmed before anybody looked takes no bytes. */
static void test_late(void **state)
{
	struct buf out cleanup_buf_ = BUF_INIT;
	struct account a = {.step = 1, .next = 4000};
	struct follow_reader r = {0};
	struct follow_state s;
	struct env e;

	setup(&e, 1000, 0, false);
	make(&e, 5000, 3);
	s = look(&e);
	assert_int_equal(s.start, 0);
	get(&e, &r, 0, s.size, &out);
	account(&a, &out);
	assert_int_equal(a.trimmed, 0);
	assert_int_equal(a.lines, 1000);
	assert_int_equal(r.delta, 0);

	/* A reader that opens after its beginning was trimmed starts at the oldest whole line. */
	make(&e, 500, 3);
	s = look(&e);
	follow_reader_free(&r);
	r = (struct follow_reader){0};
	get(&e, &r, 0, s.size, &out);
	assert_true(out.len < s.size);
	/* Text leaves in blocks of a sixty-fourth of what is retained: 15 events here. */
	a = (struct account){.step = 1, .next = 4500};
	a.next += (15 - (4500 - 4000) % 15) % 15;
	account(&a, &out);
	assert_int_equal(a.next, 5500);
	follow_reader_free(&r);
	teardown(&e);
}

static void test_json(void **state)
{
	struct buf out cleanup_buf_ = BUF_INIT;
	struct follow_reader r = {0};
	struct follow_state s;
	struct env e;

	setup(&e, 100, 0, true);
	make(&e, 1, 3);
	look(&e);
	make(&e, 500, 3);
	s = look(&e);
	get(&e, &r, 0, s.size, &out);
	assert_int_equal(strncmp(out.data, "{\"timestamp\":", 13), 0);
	assert_non_null(strstr(out.data, "\"trimmed\":400}\n"));
	follow_reader_free(&r);
	teardown(&e);
}

/* A goroutine's own text does not change when others are busy, and costs nothing to keep. */
static void test_quiet_goroutine(void **state)
{
	struct follow_state s, later;
	struct env e;

	setup(&e, 1000, 3, false);
	make(&e, 9, 3);
	s = look(&e);
	assert_true(s.size > 0);
	make(&e, 200, 2); /* goroutines 1 and 2 */
	later = look(&e);
	assert_int_equal(later.size, s.size);
	make(&e, 5000, 2);
	later = look(&e);
	assert_int_equal(later.size, s.size); /* nothing of it was among what went unseen */
	assert_int_equal(later.start, s.size);
	assert_int_equal(follow_backlog(e.log), 0);
	teardown(&e);
}

/* The feed trims faster than text is made of it, without an end: whoever opens it then still reads
 * lines, and who reads on does. */
struct flood {
	struct env *e;
	atomic_bool stop;
};

static void *flood(void *arg)
{
	struct flood *f = arg;
	struct event events[1024];

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i] = (struct event){.type = EVENT_NEWOBJECT, .goid = i % 3 + 1};
	while (!atomic_load(&f->stop)) {
		for (size_t i = 0; i < ARRAY_SIZE(events); i++)
			events[i].time_ns = 1000000000000ull + 1000 * f->e->made++;
		model_apply(f->e->model, events, ARRAY_SIZE(events));
	}
	return NULL;
}

static void test_flood(void **state)
{
	struct buf out cleanup_buf_ = BUF_INIT;
	unsigned empty = 0, wrong = 0;
	struct flood f;
	pthread_t thread;
	struct env e;

	setup(&e, 20000, 0, false);
	f = (struct flood){.e = &e};
	make(&e, 20000, 3);
	assert_int_equal(pthread_create(&thread, NULL, flood, &f), 0);
	for (int i = 0; i < 200; i++) {
		struct follow_reader r = {0};
		struct follow *log = e.log;
		uint64_t off = 0;

		if (i % 2) /* the first who looks at it */
			assert_int_equal(follow_new(&e.config, &log), 0);
		for (int reads = 0; reads < 3; reads++) {
			buf_reset(&out);
			wrong += follow_read(&r, log, off, 4096, &out) != 0;
			empty += out.len == 0;
			off += out.len;
		}
		follow_reader_free(&r);
		if (i % 2)
			follow_free(log);
	}
	atomic_store(&f.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(empty, 0);
	teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_overtaken_goroutine),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_quiet_goroutine),
		cmocka_unit_test(test_flood),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
