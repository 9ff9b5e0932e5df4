/*
 * The merge of several rings: writers that reserve, take the time and commit in any interleaving,
 * over rings in plain memory. What comes out must be complete, in the order of time, and never
 * late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/capture/merge.h"

#define RING_BYTES 65536
#define RINGS      3
#define WRITERS    6 /* two a ring: a program can be preempted by another on its CPU */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % n;
}

/* --- a ring as the kernel writes it --------------------------------------------------------- */

struct fake {
	struct ring ring;
	uint64_t consumer, producer;
	uint8_t *data;
};

static void fake_open(struct fake *f)
{
	int fd = memfd_create("ring", 0);

	assert_true(fd >= 0);
	assert_return_code(ftruncate(fd, RING_BYTES), 0);
	/* twice in a row, as BPF maps it */
	f->data = mmap(NULL, 2 * RING_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f->data, MAP_FAILED);
	for (int i = 0; i < 2; i++)
		assert_ptr_not_equal(mmap(f->data + i * RING_BYTES, RING_BYTES,
					  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
				     MAP_FAILED);
	close(fd);
	f->consumer = f->producer = 0;
	f->ring = (struct ring){.consumer = &f->consumer,
				.producer = &f->producer,
				.data = f->data,
				.size = RING_BYTES,
				.fd = -1};
}

static void fake_close(struct fake *f)
{
	munmap(f->data, 2 * RING_BYTES);
}

/* NULL when it is full. */
static uint8_t *fake_reserve(struct fake *f, uint32_t len)
{
	uint64_t total = (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
	uint8_t *record = f->data + (f->producer & (RING_BYTES - 1));
	uint32_t header = len | BPF_RINGBUF_BUSY_BIT;

	if (f->producer + total - f->consumer > RING_BYTES)
		return NULL;
	memcpy(record, &header, sizeof(header));
	f->producer += total;
	return record + BPF_RINGBUF_HDR_SZ;
}

static void fake_commit(uint8_t *data, uint32_t extra)
{
	uint32_t header;

	memcpy(&header, data - BPF_RINGBUF_HDR_SZ, sizeof(header));
	header = (header & ~BPF_RINGBUF_BUSY_BIT) | extra;
	memcpy(data - BPF_RINGBUF_HDR_SZ, &header, sizeof(header));
}

static void fake_record(struct fake *f, uint64_t time_ns)
{
	uint8_t *data = fake_reserve(f, sizeof(struct wire_state));
	struct wire_state r = {.h = {.time_ns = time_ns, .type = WIRE_CASGSTATUS}};

	assert_non_null(data);
	memcpy(data, &r, sizeof(r));
	fake_commit(data, 0);
}

/* --- the random run --------------------------------------------------------------------------- */

struct writer {
	struct fake *ring;
	uint8_t *data; /* reserved; NULL: nothing under way */
	bool stamped;
};

struct run {
	struct fake rings[RINGS];
	struct writer writers[WRITERS];
	struct merge *merge;
	uint64_t now, written, full, taken, last;
};

static void writer_step(struct run *run, struct writer *w)
{
	uint32_t len = random_below(2) ? sizeof(struct wire_state) : WIRE_ALLOC_MEDIUM;

	if (!w->data) {
		w->data = fake_reserve(w->ring, len);
		w->stamped = false;
		run->full += !w->data;
	} else if (!w->stamped) {
		struct wire_header h = {.time_ns = ++run->now, .type = WIRE_NEWOBJECT};

		memcpy(w->data, &h, sizeof(h));
		w->stamped = true;
	} else if (random_below(50) == 0) {
		fake_commit(w->data, BPF_RINGBUF_DISCARD_BIT);
		w->data = NULL;
	} else {
		fake_commit(w->data, 0);
		run->written++;
		w->data = NULL;
	}
}

static void take_all(struct run *run)
{
	const union wire_record *r;

	while ((r = merge_next(run->merge))) {
		assert_true(r->h.time_ns > run->last);
		run->last = r->h.time_ns;
		run->taken++;
	}
}

static void one_run(uint64_t seed, unsigned steps)
{
	struct run run = {.now = 1000000};
	struct ring rings[RINGS];

	random_state = seed;
	for (int i = 0; i < RINGS; i++) {
		fake_open(&run.rings[i]);
		rings[i] = run.rings[i].ring;
	}
	for (int i = 0; i < WRITERS; i++)
		run.writers[i].ring = &run.rings[i % RINGS];
	assert_int_equal(merge_new(rings, RINGS, &run.merge), 0);
	for (unsigned i = 0; i < steps; i++) {
		/* writer 0 is preempted for a long time now and then */
		unsigned w = random_below(WRITERS);

		if (w == 0 && i / 2000 % 2)
			continue;
		if (random_below(300) == 0) {
			/* the clock is read, then the writers go on, then the drain looks */
			uint64_t clock = run.now + MERGE_SLACK_NS;

			for (unsigned k = random_below(20); k; k--)
				writer_step(&run, &run.writers[1 + random_below(WRITERS - 1)]);
			merge_drain(run.merge, clock);
			if (random_below(3))
				take_all(&run);
		}
		writer_step(&run, &run.writers[w]);
	}
	for (int i = 0; i < WRITERS; i++)
		while (run.writers[i].data)
			writer_step(&run, &run.writers[i]);
	merge_drain(run.merge, run.now + 1 + MERGE_SLACK_NS);
	take_all(&run);
	assert_int_equal(merge_backlog(run.merge), 0);
	assert_false(merge_busy(run.merge));
	merge_finish(run.merge);
	take_all(&run);
	assert_int_equal(run.taken, run.written);
	assert_int_equal(merge_read(run.merge), run.written);
	assert_int_equal(merge_waiting(run.merge), 0);
	assert_int_equal(merge_undecodable(run.merge), 0);
	assert_true(run.written > steps / 8);
	merge_free(run.merge);
	for (int i = 0; i < RINGS; i++)
		fake_close(&run.rings[i]);
}

static void test_random_interleavings(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		one_run(seed, 20000);
}

/* --- single cases ------------------------------------------------------------------------------
 */

struct pair {
	struct fake a, b;
	struct ring rings[2];
	struct merge *merge;
};

static void pair_open(struct pair *p)
{
	fake_open(&p->a);
	fake_open(&p->b);
	p->rings[0] = p->a.ring;
	p->rings[1] = p->b.ring;
	assert_int_equal(merge_new(p->rings, 2, &p->merge), 0);
}

static void pair_close(struct pair *p)
{
	merge_free(p->merge);
	fake_close(&p->a);
	fake_close(&p->b);
}

static void next_is(struct pair *p, uint64_t time_ns)
{
	const union wire_record *r = merge_next(p->merge);

	if (!time_ns) {
		assert_null(r);
		return;
	}
	assert_non_null(r);
	assert_int_equal(r->h.time_ns, time_ns);
}

static void test_watermark_holds_back(void **state)
{
	struct pair p;

	pair_open(&p);
	fake_record(&p.a, 100);
	fake_record(&p.b, 50);
	fake_record(&p.a, 300);
	merge_drain(p.merge, 200 + MERGE_SLACK_NS);
	next_is(&p, 50);
	next_is(&p, 100);
	next_is(&p, 0); /* 300: something older than it may still come */
	assert_int_equal(merge_waiting(p.merge), 1);
	fake_record(&p.b, 250);
	merge_drain(p.merge, 400 + MERGE_SLACK_NS);
	next_is(&p, 250);
	next_is(&p, 300);
	next_is(&p, 0);
	pair_close(&p);
}

static void test_busy_record_stops_all(void **state)
{
	struct wire_state late = {.h = {.time_ns = 60, .type = WIRE_CASGSTATUS}};
	struct pair p;
	uint8_t *busy;

	pair_open(&p);
	busy = fake_reserve(&p.a, sizeof(late));
	fake_record(&p.a, 80);
	fake_record(&p.b, 70);
	merge_drain(p.merge, 1000 + MERGE_SLACK_NS);
	next_is(&p, 0); /* the busy record's time may be older than 70 */
	assert_true(merge_busy(p.merge));
	assert_int_not_equal(merge_backlog(p.merge), 0);
	memcpy(busy, &late, sizeof(late));
	fake_commit(busy, 0);
	merge_drain(p.merge, 1001 + MERGE_SLACK_NS);
	next_is(&p, 60);
	next_is(&p, 70);
	next_is(&p, 80);
	next_is(&p, 0);
	pair_close(&p);
}

static void test_short_record_is_zero_filled(void **state)
{
	struct wire_alloc full = {.h = {.time_ns = 1, .type = WIRE_MAKESLICE},
				  .type = 2,
				  .caller = 3,
				  .a = 4,
				  .b = 5};
	const union wire_record *r;
	struct pair p;
	uint8_t *data;

	pair_open(&p);
	for (int i = 0; i < 2; i++) {
		uint32_t len = i ? WIRE_ALLOC_SHORT : sizeof(full);

		full.h.time_ns++;
		data = fake_reserve(&p.a, len);
		memcpy(data, &full, len);
		fake_commit(data, 0);
	}
	merge_drain(p.merge, 1000 + MERGE_SLACK_NS);
	r = merge_next(p.merge);
	assert_int_equal(r->alloc.b, 5);
	r = merge_next(p.merge);
	assert_int_equal(r->alloc.caller, 3);
	assert_int_equal(r->alloc.a, 0);
	assert_int_equal(r->alloc.b, 0);
	pair_close(&p);
}

static void test_nonsense_is_counted(void **state)
{
	struct wire_header odd = {.time_ns = 5, .type = WIRE_TYPES};
	struct pair p;
	uint8_t *data;

	pair_open(&p);
	data = fake_reserve(&p.a, sizeof(odd));
	memcpy(data, &odd, sizeof(odd));
	fake_commit(data, 0);
	data = fake_reserve(&p.a, 8); /* too short to have a header */
	memset(data, 0, 8);
	fake_commit(data, 0);
	fake_record(&p.a, 9);
	merge_drain(p.merge, 1000 + MERGE_SLACK_NS);
	next_is(&p, 9);
	assert_int_equal(merge_undecodable(p.merge), 2);
	pair_close(&p);
}

static void test_finish_lets_all_out(void **state)
{
	struct pair p;

	pair_open(&p);
	fake_record(&p.a, 5000);
	merge_drain(p.merge, 100);
	next_is(&p, 0);
	merge_finish(p.merge);
	next_is(&p, 5000);
	next_is(&p, 0);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_interleavings),
		cmocka_unit_test(test_watermark_holds_back),
		cmocka_unit_test(test_busy_record_stops_all),
		cmocka_unit_test(test_short_record_is_zero_filled),
		cmocka_unit_test(test_nonsense_is_counted),
		cmocka_unit_test(test_finish_lets_all_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
