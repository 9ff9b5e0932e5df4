/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups of goroutines that cannot go on, from made-up wait graphs: kind, culprit, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/memory/leak_groups.h"
#include "core/memory/leak_proof.h"

#define MOST 32

/* Goroutine i + 1 is at index i. */
struct made {
	struct wait_graph g;
	struct wait_object objects[MOST];
	struct wait_goroutine goroutines[MOST];
	struct wait_edge waits[MOST];
	uint32_t by_object[MOST];
	struct wait_holder holders[MOST];
};

static void make(struct made *m, unsigned goroutines, unsigned objects)
{
	memset(m, 0, sizeof(*m));
	m->g = (struct wait_graph){.objects = m->objects,
				   .goroutines = m->goroutines,
				   .waits = m->waits,
				   .by_object = m->by_object,
				   .holders = m->holders,
				   .n_objects = objects,
				   .n_goroutines = goroutines};
	for (unsigned i = 0; i < goroutines; i++)
		m->goroutines[i].goid = i + 1;
	for (unsigned i = 0; i < goroutines; i++)
		m->goroutines[i].why = WAIT_NO_CASES;
}

/* In the order of goroutines. */
static void waits(struct made *m, uint64_t goid, uint32_t object)
{
	struct wait_goroutine *g = &m->goroutines[goid - 1];

	g->why = WAIT_ON_OBJECTS;
	g->waits = (uint32_t)m->g.n_waits;
	g->n_waits = 1;
	m->waits[m->g.n_waits++] =
		(struct wait_edge){.goroutine = (uint32_t)goid - 1, .object = object};
	m->objects[object].n_waits++;
}

/* In the order of objects. */
/* Who has deferred to give it up is shown to have taken it. */
static void holds(struct made *m, uint64_t goid, uint32_t object, enum wait_evidence evidence,
		  bool waiter)
{
	if (!m->objects[object].n_holders++)
		m->objects[object].holders = (uint32_t)m->g.n_holders;
	m->holders[m->g.n_holders++] = (struct wait_holder){
		.goid = goid,
		.object = object,
		.evidence = evidence,
		.waiter = waiter,
		.section = evidence == WAIT_BY_DEFER ? WAIT_SECTION_YES : WAIT_SECTION_UNKNOWN};
}

static void done(struct made *m)
{
	uint32_t at = 0;

	for (uint32_t o = 0; o < m->g.n_objects; o++) {
		m->objects[o].waits = at;
		for (uint32_t w = 0; w < m->g.n_waits; w++)
			if (m->waits[w].object == o)
				m->by_object[at++] = w;
	}
}

static uint64_t goid_of(const struct leak_groups *l, const struct leak_group *g, uint32_t i)
{
	return l->members[g->first + i].goroutine + 1;
}

/* 1 and 2 hold what the other waits for; 3 and 4 wait for 1's lock; 5 has nothing to do with it. */
static void test_cycle(void **state)
{
	struct leak_groups l;
	struct made m;

	make(&m, 5, 3);
	waits(&m, 1, 1);
	waits(&m, 2, 0);
	waits(&m, 3, 0);
	waits(&m, 4, 0);
	waits(&m, 5, 2);
	holds(&m, 1, 0, WAIT_BY_DEFER, false);
	holds(&m, 2, 1, WAIT_BY_DEFER, false);
	done(&m);
	/* Nobody is out of reach: suspect all the same. */
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.groups[0].kind, LEAK_CYCLE);
	assert_false(l.groups[0].proven);
	assert_int_equal(l.groups[0].n, 4);
	assert_int_equal(l.groups[0].culprits, 2);
	assert_int_equal(goid_of(&l, &l.groups[0], 0), 1);
	assert_int_equal(goid_of(&l, &l.groups[0], 1), 2);
	assert_int_equal(l.members[2].waits_for, 0);
	assert_false(l.members[2].culprit);
	leak_groups_done(&l);
	assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2, 3, 4}, 4, NULL, &l), 0);
	assert_int_equal(l.n, 1);
	assert_true(l.groups[0].proven);
	leak_groups_done(&l);
}

/* Words in frames make no cycle out of nothing; a frame that alone has it makes an edge. */
static void test_weak(void **state)
{
	struct leak_groups l;
	struct made m;

	make(&m, 3, 2);
	waits(&m, 1, 1);
	waits(&m, 2, 0);
	waits(&m, 3, 0);
	holds(&m, 1, 0, WAIT_BY_FRAME, false);
	holds(&m, 2, 1, WAIT_BY_FRAME, false);
	done(&m);
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	assert_int_equal(l.n, 0);
	leak_groups_done(&l);
	assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2, 3}, 3, NULL, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.groups[0].n, 3);
	assert_int_equal(l.groups[0].kind, LEAK_ORPHAN);
	leak_groups_done(&l);
	/* Where the frames' code has taken such locks, maybe others, it is one, if out of reach. */
	m.holders[0].section = m.holders[1].section = WAIT_SECTION_HIDDEN;
	m.holders[0].doubted = true;
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	assert_int_equal(l.n, 0);
	leak_groups_done(&l);
	assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2, 3}, 3, NULL, &l), 0);
	assert_int_equal(l.groups[0].kind, LEAK_CYCLE);
	assert_int_equal(l.groups[0].culprits, 2);
	leak_groups_done(&l);
}

/* It waits for its own lock; that it would be released by somebody else goes before. */
static void test_self(void **state)
{
	struct leak_groups l;
	struct made m;

	make(&m, 2, 1);
	waits(&m, 1, 0);
	waits(&m, 2, 0);
	holds(&m, 1, 0, WAIT_BY_DEFER, true);
	done(&m);
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.groups[0].kind, LEAK_SELF);
	assert_int_equal(l.groups[0].n, 2);
	assert_int_equal(l.groups[0].culprits, 1);
	leak_groups_done(&l);

	make(&m, 2, 2);
	waits(&m, 1, 0);
	waits(&m, 2, 1);
	holds(&m, 1, 0, WAIT_BY_DEFER, true);
	holds(&m, 2, 0, WAIT_BY_DEFER, false);
	done(&m);
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	assert_int_equal(l.n, 0);
	leak_groups_done(&l);
}

/* A cycle over locks in reach is told once it has lasted; who has moved meanwhile begins anew. */
static void test_suspects_last(void **state)
{
	struct leak_suspects before = {0};
	struct leak_groups l;
	struct made m;

	make(&m, 2, 2);
	waits(&m, 1, 1);
	waits(&m, 2, 0);
	m.objects[1].address = 8;
	holds(&m, 1, 0, WAIT_BY_DEFER, false);
	holds(&m, 2, 1, WAIT_BY_DEFER, false);
	done(&m);
	for (unsigned pass = 1; pass <= 2 * LEAK_PASSES + 4; pass++) {
		m.g.begin_ns = pass * LEAK_SPAN_NS;
		m.g.end_ns = m.g.begin_ns + 1;
		m.goroutines[0].sched_sp = pass > LEAK_PASSES + 2;
		assert_int_equal(leak_groups_make(&m.g, NULL, 0, &before, &l), 0);
		assert_int_equal(l.n, pass % (LEAK_PASSES + 2) >= LEAK_PASSES ||
					      pass % (LEAK_PASSES + 2) == 0);
		assert_int_equal(before.open, !l.n);
		leak_groups_done(&l);
	}
	/* All within a moment. */
	leak_suspects_done(&before);
	for (unsigned pass = 1; pass <= LEAK_PASSES + 2; pass++) {
		m.g.begin_ns = LEAK_SPAN_NS + pass;
		m.g.end_ns = m.g.begin_ns + 1;
		assert_int_equal(leak_groups_make(&m.g, NULL, 0, &before, &l), 0);
		assert_int_equal(l.n, 0);
		leak_groups_done(&l);
	}
	/* Proven ones need no more. */
	leak_suspects_done(&before);
	assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2}, 2, &before, &l), 0);
	assert_int_equal(l.groups[0].kind, LEAK_CYCLE);
	leak_groups_done(&l);
	leak_suspects_done(&before);
}

/* Of three who wait for a mutex none has it, whatever they defer; two locks taken in two orders are
 * a cycle. */
static void test_one_mutex(void **state)
{
	struct leak_groups l;
	struct made m;

	make(&m, 3, 1);
	m.objects[0].kind = WAIT_MUTEX;
	for (uint64_t goid = 1; goid <= 3; goid++)
		waits(&m, goid, 0);
	for (uint64_t goid = 1; goid <= 3; goid++)
		holds(&m, goid, 0, WAIT_BY_DEFER, true);
	for (unsigned i = 0; i < 3; i++)
		m.holders[i].section = WAIT_SECTION_YES;
	m.holders[0].word = WAIT_WORD_UNKNOWN;
	done(&m);
	/* 1 waits for 2, 2 for 3, 3 for 2. */
	m.holders[1].goid = 3;
	m.holders[2].goid = 2;
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		assert_int_not_equal(l.groups[i].kind, LEAK_CYCLE);
	leak_groups_done(&l);
}

/* Somebody has deferred it and has taken it maybe, another has a pointer and has taken it: neither
 * is waited for for certain; nor is who has taken it maybe where nobody else is there. */
static void test_maybe_beside(void **state)
{
	static const enum wait_section taken[] = {WAIT_SECTION_UNKNOWN, WAIT_SECTION_MAYBE,
						  WAIT_SECTION_YES};
	struct leak_groups l;
	struct made m;

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(taken); i++) {
		const bool both = i % 2;

		make(&m, 3, 2);
		waits(&m, 1, 1);
		waits(&m, 2, 0);
		m.objects[0].kind = m.objects[1].kind = WAIT_MUTEX;
		holds(&m, 1, 0, WAIT_BY_DEFER, false);
		m.holders[0].section = taken[i / 2];
		if (both) {
			holds(&m, 3, 0, WAIT_BY_FRAME, false);
			m.holders[1].section = WAIT_SECTION_YES;
		}
		holds(&m, 2, 1, WAIT_BY_DEFER, false);
		done(&m);
		assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
		assert_int_equal(l.n, taken[i / 2] == WAIT_SECTION_YES);
		leak_groups_done(&l);
	}
}

/* 1 reads, 2 wants to write, 1 wants to read again, and 3 to read: a writer that pends keeps
 * readers out, whoever they are, and is no holder that others are to be told from. */
static void test_pending_writer(void **state)
{
	struct leak_groups l;
	struct made m;

	for (int by_frame = 0; by_frame < 2; by_frame++) {
		make(&m, 3, 1);
		waits(&m, 1, 0);
		m.waits[0].how = WAIT_READ;
		waits(&m, 2, 0);
		m.waits[1].how = WAIT_DRAIN;
		waits(&m, 3, 0);
		m.waits[2].how = WAIT_READ;
		holds(&m, 2, 0, WAIT_BY_PENDING_WRITER, true);
		holds(&m, 1, 0, by_frame ? WAIT_BY_FRAME : WAIT_BY_DEFER, !by_frame);
		done(&m);
		assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2, 3}, 3, NULL, &l), 0);
		assert_int_equal(l.n, 1);
		assert_int_equal(l.groups[0].kind, by_frame ? LEAK_ORPHAN : LEAK_CYCLE);
		assert_int_equal(l.groups[0].n, 3);
		if (!by_frame) {
			assert_int_equal(l.groups[0].culprits, 2);
			assert_int_equal(l.members[0].waits_for, 1);
			assert_int_equal(l.members[1].waits_for, 0);
			assert_int_equal(l.members[2].waits_for, 1);
		}
		leak_groups_done(&l);
	}
}

/* 2 wants to write and waits for those who read; 1 (and 4) may be one and waits to read again.
 * Where all are out of reach and the lock says that there are as many readers, they are a cycle, or
 * where their code shows it. Where they are in reach, or there are more who may be one, nothing is
 * said; nor of a mutex. */
static void test_readers(void **state)
{
	static const struct {
		enum wait_section section;
		int32_t leaving;
		bool in_reach, defers, two, mutex, cycle;
	} ways[] = {
		{WAIT_SECTION_UNKNOWN, 1, .defers = true, .cycle = true},
		{WAIT_SECTION_UNKNOWN, 1, .defers = true, .in_reach = true},
		{WAIT_SECTION_UNKNOWN, 1, .defers = true, .two = true},
		{WAIT_SECTION_UNKNOWN, 2, .defers = true, .two = true, .cycle = true},
		{WAIT_SECTION_UNKNOWN, 1, .defers = true, .mutex = true},
		{WAIT_SECTION_HIDDEN, 1, .cycle = true},
		{WAIT_SECTION_HIDDEN, 1, .two = true},
		{.section = WAIT_SECTION_NO, .leaving = 1},
		{WAIT_SECTION_YES, 1, .two = true, .cycle = true},
		{WAIT_SECTION_YES, 2, .two = true, .in_reach = true, .cycle = true},
	};
	struct leak_groups l;
	struct made m;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		bool cycle = false;

		make(&m, 4, 1);
		m.objects[0].kind = ways[i].mutex ? WAIT_MUTEX : WAIT_RWMUTEX;
		m.objects[0].state_known = true;
		m.objects[0].lock.leaving = ways[i].leaving;
		waits(&m, 1, 0);
		m.waits[0].how = ways[i].mutex ? WAIT_LOCK : WAIT_READ;
		waits(&m, 2, 0);
		m.waits[1].how = ways[i].mutex ? WAIT_LOCK : WAIT_DRAIN;
		waits(&m, 4, 0);
		m.waits[2].how = m.waits[0].how;
		if (!ways[i].mutex)
			holds(&m, 2, 0, WAIT_BY_PENDING_WRITER, true);
		for (uint64_t goid = 1; goid <= (ways[i].two ? 4 : 1); goid += 3) {
			holds(&m, goid, 0, ways[i].defers ? WAIT_BY_DEFER : WAIT_BY_FRAME, true);
			m.holders[m.g.n_holders - 1].unproven = ways[i].defers;
			m.holders[m.g.n_holders - 1].section = ways[i].section;
		}
		done(&m);
		assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2, 4},
						  ways[i].in_reach ? 0 : 3, NULL, &l),
				 0);
		for (size_t k = 0; k < l.n; k++)
			cycle |= l.groups[k].kind == LEAK_CYCLE;
		if (cycle != ways[i].cycle)
			fail_msg("way %zu: %s", i, cycle ? "a cycle" : "no cycle");
		leak_groups_done(&l);
	}
}

/* 1 is lost, and holds what 2 and 3 wait for; 2 has taken what 4 waits for: they wait for ever,
 * too, though what they wait on is in reach. */
static void test_kept_waiting(void **state)
{
	struct leak_groups l;
	struct made m;

	make(&m, 5, 4);
	waits(&m, 1, 0);
	waits(&m, 2, 1);
	waits(&m, 3, 1);
	waits(&m, 4, 2);
	waits(&m, 5, 3);
	holds(&m, 1, 1, WAIT_BY_DEFER, false);
	holds(&m, 2, 2, WAIT_BY_OBJECT, false);
	m.holders[1].section = WAIT_SECTION_YES;
	holds(&m, 1, 3, WAIT_BY_FRAME, false); /* merely a pointer */
	done(&m);
	assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1}, 1, NULL, &l), 0);
	assert_int_equal(l.n, 1);
	assert_true(l.groups[0].proven);
	assert_int_equal(l.groups[0].kind, LEAK_ORPHAN);
	assert_int_equal(l.groups[0].n, 4);
	assert_int_equal(l.groups[0].culprits, 1);
	assert_int_equal(goid_of(&l, &l.groups[0], 0), 1);
	for (uint32_t i = 1; i < 4; i++)
		assert_false(l.members[i].proven || l.members[i].culprit);
	leak_groups_done(&l);
}

/* Nothing is deferred: a frame whose code has taken this very lock tells of a cycle, or of one that
 * waits for himself; one that may have taken another one accuses nobody. */
static void test_taken(void **state)
{
	struct leak_groups l;
	struct made m;

	for (int taken = 0; taken < 2; taken++) {
		const enum wait_section section = taken ? WAIT_SECTION_YES : WAIT_SECTION_HIDDEN;

		make(&m, 2, 2);
		waits(&m, 1, 1);
		waits(&m, 2, 0);
		holds(&m, 1, 0, WAIT_BY_FRAME, false);
		holds(&m, 2, 1, WAIT_BY_OBJECT, false);
		m.holders[0].section = m.holders[1].section = section;
		done(&m);
		assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
		assert_int_equal(l.n, taken);
		assert_true(!taken || (l.groups[0].kind == LEAK_CYCLE && !l.groups[0].proven));
		leak_groups_done(&l);
		assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2}, 2, NULL, &l), 0);
		assert_int_equal(l.groups[0].kind, taken ? LEAK_CYCLE : LEAK_ORPHAN);
		assert_int_equal(l.groups[0].culprits, taken ? 2 : 1);
		leak_groups_done(&l);
	}
	for (int taken = 0; taken < 2; taken++) {
		for (int by_code = 0; by_code < 2; by_code++) {
			make(&m, 1, 1);
			waits(&m, 1, 0);
			holds(&m, 1, 0, WAIT_BY_FRAME, true);
			m.holders[0].section = taken ? WAIT_SECTION_YES : WAIT_SECTION_HIDDEN;
			m.holders[0].by_code = by_code;
			done(&m);
			assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1}, 1, NULL, &l), 0);
			assert_int_equal(l.groups[0].kind, taken ? LEAK_SELF : LEAK_ORPHAN);
			assert_int_equal(l.members[0].holder, 0); /* told all the same */
			leak_groups_done(&l);
		}
	}
}

/* What a word says that may be dead, or a deferred call of a frame that has unlocked meanwhile, is
 * no edge. */
static void test_doubtful(void **state)
{
	for (int which = 0; which < 2; which++) {
		struct leak_groups l;
		struct made m;

		make(&m, 1, 1);
		waits(&m, 1, 0);
		holds(&m, 1, 0, WAIT_BY_DEFER, true);
		if (which)
			m.holders[0].word = WAIT_WORD_UNKNOWN;
		else
			m.holders[0].section = WAIT_SECTION_NO;
		done(&m);
		assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1}, 1, NULL, &l), 0);
		assert_int_equal(l.groups[0].kind, LEAK_ORPHAN);
		leak_groups_done(&l);
	}
}

/* Largest first; on one object all together; nil channels each alone; who holds up others. */
static void test_orphans(void **state)
{
	struct leak_groups l;
	struct made m;

	make(&m, 7, 3);
	m.goroutines[0].why = WAIT_NIL_RECEIVE;
	waits(&m, 2, 0);
	waits(&m, 3, 0);
	waits(&m, 4, 0);
	waits(&m, 5, 1); /* holds what 6 and 7 wait for */
	waits(&m, 6, 2);
	waits(&m, 7, 2);
	holds(&m, 5, 2, WAIT_BY_DEFER, false);
	done(&m);
	assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){1, 2, 3, 4, 5, 6, 7, 99}, 8, NULL, &l),
			 0);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.n_members, 7);
	assert_int_equal(l.groups[0].n, 3);
	assert_int_equal(l.groups[1].n, 3);
	assert_int_equal(l.groups[2].n, 1);
	assert_int_equal(l.groups[0].kind, LEAK_ORPHAN);
	assert_int_equal(l.groups[0].culprits, 3);
	assert_int_equal(l.groups[1].kind, LEAK_ORPHAN);
	assert_int_equal(l.groups[1].culprits, 1);
	assert_int_equal(goid_of(&l, &l.groups[1], 0), 5);
	assert_int_equal(l.groups[2].kind, LEAK_NEVER);
	leak_groups_done(&l);
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	assert_int_equal(l.n, 0);
	leak_groups_done(&l);
}

/* 1 has a lock and waits at a channel, whose other end is 2's, who waits for the lock: a cycle, in
 * reach, too; 3 waits for the lock. That 2 merely has a pointer to the channel makes none. */
static void test_channel(void **state)
{
	struct leak_groups l;
	struct made m;

	make(&m, 3, 2);
	waits(&m, 1, 1);
	waits(&m, 2, 0);
	waits(&m, 3, 0);
	holds(&m, 1, 0, WAIT_BY_DEFER, false);
	holds(&m, 2, 1, WAIT_BY_FRAME, false);
	done(&m);
	assert_int_equal(leak_groups_make(&m.g, NULL, 0, NULL, &l), 0);
	assert_int_equal(l.n, 0);
	leak_groups_done(&l);
	m.holders[1].awaits = true;
	for (unsigned reached = 0; reached < 2; reached++) {
		assert_int_equal(
			leak_groups_make(&m.g, (uint64_t[]){1, 2, 3}, reached ? 0 : 3, NULL, &l),
			0);
		assert_int_equal(l.n, 1);
		assert_int_equal(l.groups[0].kind, LEAK_CYCLE);
		assert_int_equal(l.groups[0].proven, !reached);
		assert_int_equal(l.groups[0].culprits, 2);
		assert_int_equal(l.groups[0].n, 3);
		assert_int_equal(l.members[l.groups[0].first].waits_for, 1);
		leak_groups_done(&l);
	}
	/* Who waits at a channel for a leaked one alone is not led to him. */
	m.holders[0].goid = 4;
	assert_int_equal(leak_groups_make(&m.g, (uint64_t[]){2}, 1, NULL, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.groups[0].n, 1);
	leak_groups_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cycle),          cmocka_unit_test(test_weak),
		cmocka_unit_test(test_self),           cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_pending_writer), cmocka_unit_test(test_doubtful),
		cmocka_unit_test(test_readers),        cmocka_unit_test(test_kept_waiting),
		cmocka_unit_test(test_taken),          cmocka_unit_test(test_one_mutex),
		cmocka_unit_test(test_maybe_beside),   cmocka_unit_test(test_suspects_last),
		cmocka_unit_test(test_channel),
	};

	return cmocka_run_group_tests_name("leak_groups", tests, NULL, NULL);
}
