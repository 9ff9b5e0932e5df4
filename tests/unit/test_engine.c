/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An engine with a made-up source: what is healed and when, and a program that ends under the
 * reader. No root, no Go program. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/engine/healer.h"
#include "tests/unit/engine_world.h"

static void test_who_is_there_already(void **state)
{
	struct world w;

	start(&w, 0);
	assert_true(lives(&w, 1));
	assert_true(lives(&w, 7));
	assert_int_equal(reads(&w), 1);
	end(&w);
}

static int w_many_goids(void *ctx, unsigned proc, pid_t pid, uint64_t *ret_least,
			uint64_t *ret_most)
{
	*ret_least = *ret_most = HEALER_MANY;
	return 0;
}

static void stick(struct world *w, bool on)
{
	pthread_mutex_lock(&w->lock);
	w->stuck = on;
	pthread_mutex_unlock(&w->lock);
}

/* Reading very many takes long: it goes on without who starts, and what it is not through with is
 * in doubt. */
static void test_very_many_are_there_already(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.goids = w_many_goids;
	see(&w, 2, (const uint64_t[]){1, 7});
	stick(&w, true);
	assert_int_equal(engine_start(w.engine, true), 0);
	assert_false(lives(&w, 7));
	assert_true(in_doubt(&w));
	w.live.await(w.live.ctx, 0, 1000000); /* in vain */
	assert_false(lives(&w, 7));
	w.live.await(w.live.ctx, 5, NS_PER_SEC); /* who is not there is not waited for */
	stick(&w, false);
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_true(lives(&w, 7));
	assert_false(in_doubt(&w));
	end(&w);
}

/* It cannot be read: nobody waits for it, and nothing is in doubt for ever. */
static void test_very_many_cannot_be_read(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.goids = w_many_goids;
	w.read_err = -EFAULT;
	assert_int_equal(engine_start(w.engine, true), 0);
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_false(in_doubt(&w));
	end(&w);
}

/* It ends while it is read. */
static void test_very_many_and_an_end(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.goids = w_many_goids;
	stick(&w, true);
	assert_int_equal(engine_start(w.engine, true), 0);
	model_proc_exited(w.model, 0, monotonic_ns());
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_false(in_doubt(&w));
	stick(&w, false);
	end(&w);
}

static void test_a_loss_is_healed(void **state)
{
	struct world w;

	start(&w, 0);
	tick(&w, 1, 0, NULL);
	assert_true(tick(&w, 1, 100, NULL));
	see(&w, 2, (const uint64_t[]){1, 9});
	pthread_mutex_lock(&w.lock);
	w.stats.lost[EVENT_NEWOBJECT]++; /* one only, in a second that took three */
	pthread_mutex_unlock(&w.lock);
	assert_true(tick(&w, 3, 100, NULL));
	wait_gone(&w, 7);
	assert_true(lives(&w, 9));
	end(&w);
}

static void set_backlog(struct world *w, bool on)
{
	pthread_mutex_lock(&w->lock);
	w->backlog = on;
	pthread_mutex_unlock(&w->lock);
}

/* As capture tells of it: now, of some process. */
static void lose(struct world *w, enum event_type type)
{
	uint64_t lost[EVENT_TYPES] = {0};

	lost[type] = 1;
	model_lost(w->model, -1, lost, monotonic_ns());
	engine_lost(w->engine);
}

static bool waits(struct world *w, unsigned more)
{
	bool enough;

	pthread_mutex_lock(&w->lock);
	enough = w->waits >= more;
	pthread_mutex_unlock(&w->lock);
	return enough;
}

/* Few are there, but events of before are not applied yet: not all are known, and it is said. */
static void test_a_backlog_at_the_start(void **state)
{
	struct world w;

	make(&w, 0);
	see(&w, 2, (const uint64_t[]){1, 7});
	set_backlog(&w, true);
	assert_int_equal(engine_start(w.engine, true), 0);
	assert_true(model_awaits(w.model, 0));
	set_backlog(&w, false);
	w.live.await(w.live.ctx, 0, 30 * NS_PER_SEC);
	assert_false(model_awaits(w.model, 0));
	assert_true(lives(&w, 7));
	end(&w);
}

/* What memory says is ahead of events that are still on their way: those first, then it. */
static void test_the_backlog_comes_first(void **state)
{
	uint64_t lost_ns, read_ns;
	struct goroutine g;
	struct world w;

	start(&w, 0);
	set_backlog(&w, true);
	see(&w, 1, (const uint64_t[]){1});
	lost_ns = monotonic_ns();
	lose(&w, EVENT_CASGSTATUS);
	assert_true(in_doubt(&w));
	until(&w, waits, 20);
	assert_int_equal(reads(&w), 1);
	assert_true(lives(&w, 7));
	/* Of the backlog: 12 began and was never heard of again, as its end was lost. */
	change(&w, 12, GSTATE_DEAD, GSTATE_RUNNABLE, lost_ns - 5);
	assert_int_equal(model_goroutine(w.model, 0, 12, &g), 0);
	assert_true(g.flags & GOROUTINE_UNCERTAIN);
	set_backlog(&w, false);
	read_ns = monotonic_ns();
	until(&w, certain, 0);
	assert_true(monotonic_ns() - read_ns < 10 * NS_PER_SEC);
	assert_false(lives(&w, 12));
	assert_false(lives(&w, 7));
	assert_true(lives(&w, 1));
	end(&w);
}

/* Only allocations were lost: no state is in doubt. */
static void test_lost_allocations_leave_states(void **state)
{
	struct world w;

	start(&w, 0);
	lose(&w, EVENT_NEWOBJECT);
	assert_false(in_doubt(&w));
	lose(&w, EVENT_GOEXIT);
	assert_true(in_doubt(&w));
	until(&w, certain, 0);
	model_doubt(w.model, -1, monotonic_ns()); /* of events that are not sampled */
	engine_lost(w.engine);
	assert_true(in_doubt(&w));
	until(&w, certain, 0);
	end(&w);
}

/* Reads are going on, and the last one was begun before the loss: it does not do. */
static void test_lost_while_it_is_read(void **state)
{
	unsigned busy = 0, before;
	struct world w;

	start(&w, 0);
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	pthread_mutex_unlock(&w.lock);
	lose(&w, EVENT_CASGSTATUS);
	for (int i = 0; i < DEADLINE_S * 1000 && !busy; i++) {
		pthread_mutex_lock(&w.lock);
		busy = w.readers;
		pthread_mutex_unlock(&w.lock);
		usleep(1000);
	}
	assert_int_equal(busy, 1);
	before = reads(&w);
	/* No engine_lost(): that it is still in doubt must do. */
	{
		uint64_t lost[EVENT_TYPES] = {[EVENT_GOEXIT] = 1};

		model_lost(w.model, 0, lost, monotonic_ns());
	}
	pthread_mutex_lock(&w.lock);
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	until(&w, certain, 0);
	assert_true(reads(&w) >= before + 2);
	end(&w);
}

/* It ended after memory was read, and its end was applied before the reading is. */
static void test_what_ended_meanwhile_is_no_ghost(void **state)
{
	unsigned busy = 0;
	struct world w;

	start(&w, 0);
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	pthread_mutex_unlock(&w.lock);
	see(&w, 3, (const uint64_t[]){1, 7, 9});
	lose(&w, EVENT_CASGSTATUS);
	for (int i = 0; i < DEADLINE_S * 1000 && !busy; i++) {
		pthread_mutex_lock(&w.lock);
		busy = w.readers;
		pthread_mutex_unlock(&w.lock);
		usleep(1000);
	}
	/* More than are retained (10) end, 9 among the first. */
	for (uint64_t goid = 9; goid < 40; goid++)
		change(&w, goid, GSTATE_RUNNING, GSTATE_DEAD, monotonic_ns());
	pthread_mutex_lock(&w.lock);
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	until(&w, certain, 0);
	assert_false(lives(&w, 9));
	assert_true(lives(&w, 7));
	end(&w);
}

/* Nothing can be read: what it was last told to be may be wrong, and is not said. */
static void test_what_cannot_be_known(void **state)
{
	struct model_totals t;
	struct goroutine g;
	struct world w;

	make(&w, 0);
	w.read_err = -ENOSYS;
	assert_int_equal(engine_start(w.engine, true), 0);
	change(&w, 5, GSTATE_DEAD, GSTATE_RUNNABLE, 1000);
	lose(&w, EVENT_CASGSTATUS);
	until(&w, certain, 0);
	assert_int_equal(model_goroutine(w.model, 0, 5, &g), 0);
	assert_true(g.flags & GOROUTINE_STATE_UNKNOWN && g.flags & GOROUTINE_UNCERTAIN);
	model_totals(w.model, 0, &t);
	assert_int_equal(t.live[GSTATE_RUNNABLE], 0);
	assert_int_equal(t.live_unknown, 1);
	/* The next event tells. */
	change(&w, 5, GSTATE_RUNNABLE, GSTATE_RUNNING, monotonic_ns());
	assert_int_equal(model_goroutine(w.model, 0, 5, &g), 0);
	assert_false(g.flags & GOROUTINE_STATE_UNKNOWN);
	/* It ends while it is in doubt: nobody will ever know. */
	model_doubt(w.model, 0, monotonic_ns());
	model_proc_exited(w.model, 0, monotonic_ns());
	assert_int_equal(model_goroutine(w.model, 0, 5, &g), 0);
	assert_true(g.flags & GOROUTINE_STATE_UNKNOWN);
	assert_false(in_doubt(&w));
	end(&w);
}

static void test_no_loss_no_reading(void **state)
{
	struct world w;

	start(&w, 0);
	for (int i = 0; i < 5; i++)
		tick(&w, 1, 1000, NULL);
	usleep(20000);
	assert_int_equal(reads(&w), 1);
	/* States that are sampled are read each second. */
	w.rates[EVENT_CASGSTATUS] = RATE_ONE / 2;
	tick(&w, 1, 1000, NULL);
	wait_reads(&w, 1);
	end(&w);
}

/* More goroutines than are read at all: what is not in the list has not ended. */
static void test_a_cut_list_ends_nobody(void **state)
{
	struct world w;

	start(&w, 0);
	see(&w, 2, (const uint64_t[]){1, 9});
	w.cut = true;
	engine_read_all(w.engine);
	assert_true(lives(&w, 9));
	assert_true(lives(&w, 7));
	w.cut = false;
	engine_read_all(w.engine);
	assert_false(lives(&w, 7));
	end(&w);
}

static void test_it_ends_under_the_reader(void **state)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct health health;
	uint64_t as_of = 0;
	struct world w;
	unsigned busy = 0;

	start(&w, 0);
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	w.read_err = -ESRCH;
	pthread_mutex_unlock(&w.lock);
	engine_arrived(w.engine, 0);
	for (int i = 0; i < DEADLINE_S * 1000 && !busy; i++) {
		pthread_mutex_lock(&w.lock);
		busy = w.readers;
		pthread_mutex_unlock(&w.lock);
		usleep(1000);
	}
	assert_int_equal(busy, 1);
	model_proc_exited(w.model, 0, monotonic_ns());
	pthread_mutex_lock(&w.lock);
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	wait_reads(&w, 1);
	/* It is as it was; nobody asks for it any more. */
	assert_int_equal(w.live.stack(w.live.ctx, 0, 7, &out, &as_of), -ESRCH);
	assert_int_equal(w.live.stack(w.live.ctx, 1, 7, &out, &as_of), -ENOENT);
	engine_read_all(w.engine);
	assert_int_equal(reads(&w), 2);
	assert_int_equal(w.live.health(w.live.ctx, 0, &health), 0);
	assert_string_equal(health.go_version, "go1.99");
	assert_int_equal(health.processors, 2);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_there_already),
		cmocka_unit_test(test_very_many_are_there_already),
		cmocka_unit_test(test_very_many_cannot_be_read),
		cmocka_unit_test(test_a_backlog_at_the_start),
		cmocka_unit_test(test_very_many_and_an_end),
		cmocka_unit_test(test_a_loss_is_healed),
		cmocka_unit_test(test_the_backlog_comes_first),
		cmocka_unit_test(test_lost_allocations_leave_states),
		cmocka_unit_test(test_lost_while_it_is_read),
		cmocka_unit_test(test_what_ended_meanwhile_is_no_ghost),
		cmocka_unit_test(test_what_cannot_be_known),
		cmocka_unit_test(test_no_loss_no_reading),
		cmocka_unit_test(test_a_cut_list_ends_nobody),
		cmocka_unit_test(test_it_ends_under_the_reader),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
