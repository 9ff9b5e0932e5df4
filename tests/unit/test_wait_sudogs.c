/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The runtime's queues as no runtime leaves them, and as it does: sudogs, channels and the table of
 * semaphores in this test's own memory, laid out as each release has them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <unistd.h>

#include "core/memory/wait_sudogs.h"
#include "core/target/layout.h"

#define SUDOGS 16
#define G(i)   (0x5000 + 8 * (uint64_t)(i))

struct world {
	struct go_layout l;
	_Alignas(8) uint8_t sudogs[SUDOGS][GO_WAIT_SIZE_MAX];
	_Alignas(8) uint8_t channels[4][GO_WAIT_SIZE_MAX];
	_Alignas(8) uint8_t table[251 * 128];
};

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void put(uint8_t *bytes, uint32_t offset, uint64_t value)
{
	memcpy(bytes + offset, &value, sizeof(value));
}

static uint64_t sudog(const struct world *w, unsigned i)
{
	return at(w->sudogs[i]);
}

static uint64_t channel(const struct world *w, unsigned i)
{
	return at(w->channels[i]);
}

static struct world *world_new(unsigned minor, uint16_t machine)
{
	struct world *w = test_calloc(1, sizeof(*w));

	assert_int_equal(layout_of_release(minor, machine, &w->l), 0);
	return w;
}

/* Sudog i is goroutine i's, on a channel. */
static void put_sudog(struct world *w, unsigned i, unsigned g, uint64_t c)
{
	put(w->sudogs[i], 0, G(g));
	put(w->sudogs[i], w->l.sudog_c, c);
}

static void put_channel(struct world *w, unsigned i, uint64_t len, uint64_t cap, uint64_t recvq,
			uint64_t sendq)
{
	put(w->channels[i], w->l.hchan_qcount, len);
	put(w->channels[i], w->l.hchan_dataqsiz, cap);
	put(w->channels[i], w->l.hchan_recvq, recvq);
	put(w->channels[i], w->l.hchan_sendq, sendq);
}

/* Goroutine 0 selects over three channels, goroutine 1 waits on one, 2 to 4 are broken each in its
 * own way. */
static void check_chains(struct world *w)
{
	const struct sudog_head heads[] = {
		{sudog(w, 0), G(0), 0, true}, {sudog(w, 3), G(1), 1, true},
		{sudog(w, 4), G(2), 2, true}, /* another's */
		{sudog(w, 5), G(3), 3, true}, /* a ring */
		{8, G(4), 4, true},           /* no address */
		{0x10000, G(5), 5, true},     /* nothing there */
	};
	bool broken[6] = {0};
	struct sudogs s = {0};

	for (unsigned i = 0; i < 3; i++)
		put_sudog(w, i, 0, channel(w, i));
	put(w->sudogs[0], w->l.sudog_waitlink, sudog(w, 1));
	put(w->sudogs[1], w->l.sudog_waitlink, sudog(w, 2));
	put_sudog(w, 3, 1, channel(w, 0));
	put_sudog(w, 4, 9, channel(w, 0));
	put_sudog(w, 5, 3, channel(w, 0));
	put_sudog(w, 6, 3, channel(w, 0));
	put(w->sudogs[5], w->l.sudog_waitlink, sudog(w, 6));
	put(w->sudogs[6], w->l.sudog_waitlink, sudog(w, 5));
	assert_int_equal(sudogs_read(&w->l, getpid(), heads, 6, broken, &s), 0);
	assert_int_equal(s.n, 6); /* 0, 1, 2, 3, 5, 6 */
	assert_false(broken[0]);
	assert_false(broken[1]);
	for (unsigned i = 2; i < 6; i++)
		assert_true(broken[i]);
	/* It is woken, and its sudog another's by the time of the second look. */
	assert_int_equal(sudogs_check(&w->l, getpid(), &s, broken), 0);
	assert_false(broken[0]);
	put(w->sudogs[1], w->l.sudog_c, channel(w, 3));
	put(w->sudogs[3], 0, G(7));
	assert_int_equal(sudogs_check(&w->l, getpid(), &s, broken), 0);
	assert_true(broken[0]);
	assert_true(broken[1]);
	sudogs_free(&s);
}

static void check_queues(struct world *w)
{
	const struct sudog_head heads[] = {{sudog(w, 0), G(0), 0, true},
					   {sudog(w, 3), G(1), 1, true}};
	struct channel list[4] = {{.address = channel(w, 0)},
				  {.address = channel(w, 1)},
				  {.address = channel(w, 2)},
				  {.address = 0x10000}};
	bool broken[2] = {0};
	struct sudogs s = {0};
	size_t budget = 4;
	uint8_t *closed;

	memset(w->sudogs, 0, sizeof(w->sudogs));
	for (unsigned i = 0; i < 3; i++)
		put_sudog(w, i, 0, channel(w, i));
	put(w->sudogs[0], w->l.sudog_waitlink, sudog(w, 1));
	put(w->sudogs[1], w->l.sudog_waitlink, sudog(w, 2));
	put_sudog(w, 3, 1, channel(w, 0));
	/* Before goroutine 1 in the first channel's queue there is one that nobody knows. */
	put_sudog(w, 7, 8, channel(w, 0));
	put(w->sudogs[7], w->l.sudog_next, sudog(w, 3));
	put(w->sudogs[3], w->l.sudog_next, sudog(w, 0));
	put_channel(w, 0, 0, 0, sudog(w, 7), 0);
	put_channel(w, 1, 2, 2, 0, sudog(w, 1));
	put_channel(w, 2, 3, 2, 0, 0); /* more in it than it has room for: torn */
	closed = w->channels[1] + w->l.hchan_closed;
	closed[0] = 1;
	assert_int_equal(sudogs_read(&w->l, getpid(), heads, 2, broken, &s), 0);
	assert_int_equal(channels_read(&w->l, getpid(), list, 4), 0);
	assert_true(list[0].ok && list[1].ok && !list[2].ok && !list[3].ok);
	assert_int_equal(list[1].len, 2);
	assert_true(list[1].closed && !list[0].closed);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(channel_mark_queues(&w->l, getpid(), &list[i], &s, &budget), 0);
	assert_int_equal(budget, 3);
	for (size_t i = 0; i < s.n; i++) {
		uint64_t a = s.list[i].address;

		assert_int_equal(s.list[i].in_recvq, a == sudog(w, 0) || a == sudog(w, 3));
		assert_int_equal(s.list[i].in_sendq, a == sudog(w, 1));
	}
	/* A queue that goes in a ring of unknown ones ends with the budget. */
	put(w->sudogs[7], w->l.sudog_next, sudog(w, 7));
	assert_int_equal(channel_mark_queues(&w->l, getpid(), &list[0], &s, &budget), 0);
	assert_int_equal(budget, 0);
	sudogs_free(&s);
}

/* A root with a tree of three addresses; two wait on the first. One that lies under the wrong root,
 * a ring, and a root that is no address. */
static void check_semaphores(struct world *w)
{
	struct sudogs s = {0};
	uint64_t elem = 0x7000 * 8; /* under root elem / 8 % 251 */
	uint32_t root = (uint32_t)(elem >> 3) % 251;
	uint8_t *own = w->table + root * w->l.sema_stride;

	memset(w->sudogs, 0, sizeof(w->sudogs));
	for (unsigned i = 0; i < 4; i++) {
		put_sudog(w, i, i, 0);
		put(w->sudogs[i], w->l.sudog_elem, elem + (i == 3 ? 0 : i * 251 * 8) + 4);
	}
	put(own, 8, sudog(w, 0));
	put(w->sudogs[0], w->l.sudog_prev, sudog(w, 1));
	put(w->sudogs[0], w->l.sudog_next, sudog(w, 2));
	put(w->sudogs[0], w->l.sudog_waitlink, sudog(w, 3));
	put(w->sudogs[3], w->l.sudog_waitlink, sudog(w, 0)); /* a ring */
	put_sudog(w, 4, 4, 0);
	put(w->sudogs[4], w->l.sudog_elem, elem + 8); /* the next root's */
	put(w->sudogs[2], w->l.sudog_next, sudog(w, 4));
	put(w->table + (root + 2) % 251 * w->l.sema_stride, 8, 12345);
	assert_int_equal(sudogs_read_semaphores(&w->l, getpid(), at(w->table), &s), 0);
	assert_int_equal(s.n, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_not_equal(address_map_get(&s.by_address, sudog(w, i)), ADDRESS_NONE);
	sudogs_free(&s);
	assert_int_equal(sudogs_read_semaphores(&w->l, getpid(), 0x10000, &s), -EFAULT);
	sudogs_free(&s);
}

static void each_release(void (*check)(struct world *w))
{
	for (unsigned minor = LAYOUT_OLDEST; minor <= LAYOUT_NEWEST; minor++) {
		const uint16_t machines[] = {EM_X86_64, EM_AARCH64};

		for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
			struct world *w = world_new(minor, machines[i]);

			check(w);
			test_free(w);
		}
	}
}

static void test_chains(void **state)
{
	each_release(check_chains);
}

static void test_queues(void **state)
{
	each_release(check_queues);
}

static void test_semaphores(void **state)
{
	each_release(check_semaphores);
}

static void test_address_map(void **state)
{
	struct address_map m = {0};

	assert_int_equal(address_map_get(&m, 8), ADDRESS_NONE);
	for (uint32_t i = 1; i <= 10000; i++)
		assert_int_equal(address_map_put(&m, i * 8ull, i), 1);
	assert_int_equal(address_map_put(&m, 80, 1), 0);
	assert_int_equal(address_map_put(&m, 0, 1), 0);
	for (uint32_t i = 1; i <= 10000; i++)
		assert_int_equal(address_map_get(&m, i * 8ull), i);
	assert_int_equal(address_map_get(&m, 12), ADDRESS_NONE);
	assert_int_equal(address_map_get(&m, 0), ADDRESS_NONE);
	address_map_free(&m);
	assert_int_equal(address_map_get(&m, 8), ADDRESS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_semaphores),
		cmocka_unit_test(test_address_map),
	};

	return cmocka_run_group_tests_name("wait_sudogs", tests, NULL, NULL);
}
