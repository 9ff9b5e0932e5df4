/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit with a made-up source: what memory says and events do not, or the other way round, is
 * told within three seconds, counted once and healed; what the moment explains is not told. No
 * root, no Go program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/engine/audit.h"
#include "core/model/control.h"

#define SEEN_MAX   64
#define QUICK_NS   (NS_PER_SEC / 40)
#define TOLD_AFTER 3 /* comparisons at most, of one a second */
#define DEADLINE_S 120

struct world {
	struct names *names;
	struct model *model;
	struct source source;
	struct auditor *auditor;

	pthread_mutex_t lock; /* protects what follows: the audit has a thread of its own */
	uint32_t rates[RATES];
	struct goroutine_seen seen[SEEN_MAX];
	size_t n;
	uint64_t numbers, of_threads;
	bool paused, cut, behind, file_trouble;
	int read_err, numbers_err;
	unsigned proc; /* that lives */
	unsigned reads;
};

/* --- the source --------------------------------------------------------------------------- */

/* It was compared, and nothing was ever found. */
static bool is_good(const struct audit *a)
{
	return (a->state == AUDIT_AGREES || a->state == AUDIT_FINISHED) && a->comparisons &&
	       !audit_total(a);
}

static void w_health(void *ctx, unsigned proc, struct health *ret)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	ret->file_trouble = w->file_trouble;
	pthread_mutex_unlock(&w->lock);
}

static void w_get_rates(void *ctx, uint32_t ret[RATES])
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	memcpy(ret, w->rates, sizeof(w->rates));
	pthread_mutex_unlock(&w->lock);
}

static bool w_get_paused(void *ctx)
{
	struct world *w = ctx;
	bool paused;

	pthread_mutex_lock(&w->lock);
	paused = w->paused;
	pthread_mutex_unlock(&w->lock);
	return paused;
}

static uint64_t w_delivered(void *ctx, uint64_t wanted_ns)
{
	struct world *w = ctx;
	bool behind;

	pthread_mutex_lock(&w->lock);
	behind = w->behind;
	pthread_mutex_unlock(&w->lock);
	return behind ? wanted_ns - 1 : UINT64_MAX;
}

static int w_goroutines(void *ctx, unsigned proc, pid_t pid, struct goroutine_seen **ret,
			size_t *ret_n, bool *ret_complete)
{
	struct world *w = ctx;
	int err;

	if (proc != w->proc)
		return -ESRCH;
	*ret = NULL;
	pthread_mutex_lock(&w->lock);
	w->reads++;
	err = w->read_err;
	if (!err) {
		*ret = calloc(SEEN_MAX, sizeof(**ret));
		assert_non_null(*ret);
		memcpy(*ret, w->seen, sizeof(w->seen));
		*ret_n = w->n;
		*ret_complete = !w->cut;
	}
	pthread_mutex_unlock(&w->lock);
	return err;
}

static int w_goids(void *ctx, unsigned proc, pid_t pid, uint64_t *ret_least, uint64_t *ret_most)
{
	struct world *w = ctx;
	int err;

	pthread_mutex_lock(&w->lock);
	*ret_least = *ret_most = w->numbers;
	err = w->numbers_err;
	pthread_mutex_unlock(&w->lock);
	return err;
}

static int w_of_threads(void *ctx, unsigned proc, uint64_t *ret)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	*ret = w->of_threads;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

/* --- a program ---------------------------------------------------------------------------- */

static uint32_t intern(struct world *w, const char *text)
{
	return names_intern(w->names, text, strlen(text));
}

/* In memory, from now on. */
static void set(struct world *w, uint64_t goid, uint8_t state, const char *reason)
{
	struct goroutine_seen *seen = NULL;
	uint32_t reason_id = intern(w, reason);

	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->n; i++) {
		if (w->seen[i].goid == goid)
			seen = &w->seen[i];
	}
	if (!seen) {
		seen = &w->seen[w->n++];
		w->numbers++;
	}
	*seen = (struct goroutine_seen){
		.goid = goid, .state = state, .reason_id = reason_id, .start_func_id = 1};
	pthread_mutex_unlock(&w->lock);
}

static void remove_seen(struct world *w, uint64_t goid)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->n; i++) {
		if (w->seen[i].goid == goid)
			w->seen[i] = w->seen[--w->n];
	}
	pthread_mutex_unlock(&w->lock);
}

static void change(struct world *w, uint64_t goid, uint8_t from, uint8_t to)
{
	struct event ev = {.type = EVENT_CASGSTATUS,
			   .time_ns = monotonic_ns(),
			   .goid = 1,
			   .target = goid,
			   .from = from,
			   .to = to};

	model_apply(w->model, &ev, 1);
}

static void create(struct world *w, uint64_t goid)
{
	struct event events[2] = {
		{.type = EVENT_CASGSTATUS,
		 .time_ns = monotonic_ns(),
		 .goid = 1,
		 .target = goid,
		 .from = GSTATE_DEAD,
		 .to = GSTATE_RUNNABLE},
		{.type = EVENT_NEWGOROUTINE, .time_ns = monotonic_ns(), .goid = 1, .target = goid},
	};

	model_apply(w->model, events, 2);
}

#define LOCKED(w, what)                                                                            \
	do {                                                                                       \
		pthread_mutex_lock(&(w)->lock);                                                    \
		what;                                                                              \
		pthread_mutex_unlock(&(w)->lock);                                                  \
	} while (0)

static void make(struct world *w)
{
	const struct proc_info info = {.pid = getpid(), .state = PROC_RUNNING, .attached_ns = 1};
	struct model_config mc = {.retain = 1000, .retain_exited = 100, .workers = 1};

	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	w->source = (struct source){
		.ctx = w,
		.health = w_health,
		.get_rates = w_get_rates,
		.get_paused = w_get_paused,
		.delivered = w_delivered,
		.goroutines = w_goroutines,
		.goids = w_goids,
		.of_threads = w_of_threads,
	};
	for (unsigned i = 0; i < RATES; i++)
		w->rates[i] = RATE_ONE;
	assert_int_equal(names_new(100, &w->names), 0);
	mc.names = w->names;
	assert_int_equal(model_new(&mc, &w->model), 0);
	assert_int_equal(model_proc_add(w->model, &info), 0);
	assert_int_equal(auditor_new(&w->source, w->model, &w->auditor), 0);
	auditor_pace(w->auditor, QUICK_NS);
	for (uint64_t goid = 1; goid <= 3; goid++)
		set(w, goid, GSTATE_WAITING, "chan receive");
}

static void end(struct world *w)
{
	auditor_free(w->auditor);
	model_free(w->model);
	names_free(w->names);
	pthread_mutex_destroy(&w->lock);
}

static struct audit get(struct world *w)
{
	struct audit a;

	auditor_get(w->auditor, w->proc, &a);
	return a;
}

/* Until another so many comparisons were made. */
static struct audit after(struct world *w, uint64_t comparisons)
{
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;
	uint64_t wanted = get(w).comparisons + comparisons;
	struct audit a = get(w);

	while (a.comparisons < wanted && monotonic_ns() < until) {
		usleep(1000);
		a = get(w);
	}
	assert_true(a.comparisons >= wanted);
	return a;
}

static struct audit until_state(struct world *w, enum audit_state state)
{
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;
	struct audit a = get(w);

	while (a.state != state && monotonic_ns() < until) {
		usleep(1000);
		a = get(w);
	}
	assert_string_equal(audit_state_name(a.state), audit_state_name(state));
	return a;
}

static struct audit until_total(struct world *w, enum audit_kind kind, uint64_t total)
{
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;
	struct audit a = get(w);

	while (a.total[kind] < total && monotonic_ns() < until) {
		usleep(1000);
		a = get(w);
	}
	assert_int_equal(a.total[kind], total);
	return a;
}

static void start(struct world *w)
{
	struct audit a;

	make(w);
	assert_int_equal(get(w).state, AUDIT_WAITING);
	assert_int_equal(auditor_start(w->auditor), 0);
	a = until_state(w, AUDIT_AGREES);
	assert_true(is_good(&a));
	a = after(w, 2);
	assert_true(a.states && a.creations && a.exits && a.numbers);
	assert_int_equal(a.agree, 3);
	assert_int_equal(a.in_memory, 3);
	assert_int_equal(a.in_model, 3);
}

static bool lives(struct world *w, uint64_t goid)
{
	struct goroutine g;

	return !model_goroutine(w->model, 0, goid, &g) && !(g.flags & GOROUTINE_EXITED);
}

/* --- what is told ------------------------------------------------------------------------- */

/* At the pace of production, which is a second: within three. */
static void test_phantoms(void **state)
{
	uint64_t begun, before;
	struct audit a;
	struct world w;

	make(&w);
	auditor_pace(w.auditor, NS_PER_SEC);
	assert_int_equal(auditor_start(w.auditor), 0);
	until_state(&w, AUDIT_AGREES);
	before = after(&w, 1).comparisons;
	begun = monotonic_ns();
	for (uint64_t goid = 100; goid < 105; goid++)
		create(&w, goid);
	a = until_total(&w, AUDIT_EXIT, 5);
	assert_in_range(a.comparisons - before, 0, TOLD_AFTER);
	assert_int_equal(a.state, AUDIT_DIFFERS);
	assert_int_equal(a.now[AUDIT_EXIT], 5);
	assert_true(a.first_ns > begun);
	assert_int_equal(a.n_examples, 5);
	assert_int_equal(a.examples[0].events, GSTATE_RUNNABLE);
	assert_int_equal(a.examples[0].memory, GSTATE_DEAD);
	a = until_total(&w, AUDIT_INVENTED, 5);
	assert_in_range(a.comparisons - before, 0, TOLD_AFTER);
	/* Healed, but not forgotten. */
	a = until_state(&w, AUDIT_AGREES);
	assert_false(lives(&w, 100));
	assert_int_equal(a.total[AUDIT_EXIT], 5);
	assert_false(is_good(&a));
	end(&w);
}

static void test_unseen_creations(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	set(&w, 50, GSTATE_WAITING, "select");
	set(&w, 51, GSTATE_WAITING, "select");
	a = until_total(&w, AUDIT_CREATION, 2);
	until_total(&w, AUDIT_MISSED, 2);
	assert_true(lives(&w, 50));
	/* One that came and went between two readings is missed all the same; and counts once. */
	LOCKED(&w, w.numbers++);
	until_total(&w, AUDIT_MISSED, 3);
	a = after(&w, 3);
	assert_int_equal(a.total[AUDIT_CREATION], 2);
	assert_int_equal(a.total[AUDIT_MISSED], 3);
	assert_int_equal(a.state, AUDIT_AGREES);
	end(&w);
}

/* What was executed begins before its probes are in: what they missed then is read, and is no
 * difference, of goroutines nor of numbers. What they miss later is. */
static void test_begun_before_its_probes(void **state)
{
	struct proc_info again = {.pid = 100, .attached_ns = 2, .binary_path = "/app"};
	struct audit a;
	struct world w;

	make(&w);
	w.proc = 1;
	LOCKED(&w, w.n = 0);
	assert_int_equal(model_proc(w.model, 0, &again), 0);
	model_proc_execed(w.model, 0, "/app", monotonic_ns());
	assert_int_equal(model_proc_add(w.model, &again), 1);
	auditor_pace(w.auditor, NS_PER_SEC / 2);
	auditor_arrived(w.auditor, 1);
	assert_int_equal(auditor_start(w.auditor), 0);
	LOCKED(&w, w.numbers += 2);
	set(&w, 50, GSTATE_WAITING, "select");
	set(&w, 51, GSTATE_WAITING, "select");
	auditor_arrived(w.auditor, 1);
	a = after(&w, 3);
	assert_true(is_good(&a));
	set(&w, 52, GSTATE_WAITING, "select");
	until_total(&w, AUDIT_CREATION, 1);
	end(&w);
}

static void test_unseen_exits(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	remove_seen(&w, 3);
	until_total(&w, AUDIT_EXIT, 1);
	a = after(&w, 3);
	assert_false(lives(&w, 3));
	assert_int_equal(audit_total(&a), 1);
	/* What a list that is cut does not have may be there. */
	LOCKED(&w, w.cut = true);
	after(&w, 1);
	remove_seen(&w, 2);
	a = after(&w, 4);
	assert_true(lives(&w, 2));
	assert_int_equal(audit_total(&a), 1);
	assert_false(a.exits);
	end(&w);
}

static void test_unseen_states(void **state)
{
	struct goroutine g;
	struct audit a;
	struct world w;

	start(&w);
	set(&w, 2, GSTATE_RUNNING, "");
	a = until_total(&w, AUDIT_STATE, 1);
	assert_int_equal(a.examples[0].memory, GSTATE_RUNNING);
	assert_int_equal(a.examples[0].events, GSTATE_WAITING);
	after(&w, 1);
	assert_int_equal(model_goroutine(w.model, 0, 2, &g), 0);
	assert_int_equal(g.state, GSTATE_RUNNING);
	assert_true(g.flags & GOROUTINE_STATE_READ);
	end(&w);
}

/* --- what the moment explains ------------------------------------------------------------- */

static void test_beyond_probes(void **state)
{
	struct audit a;
	struct world w;

	make(&w);
	for (uint64_t goid = 4; goid <= 8; goid++)
		set(&w, goid, GSTATE_RUNNING, "");
	set(&w, 9, GSTATE_WAITING, "coroutine");
	assert_int_equal(auditor_start(w.auditor), 0);
	until_state(&w, AUDIT_AGREES);
	set(&w, 4, GSTATE_WAITING, "preempted"); /* by the garbage collector */
	set(&w, 5, GSTATE_PREEMPTED, "");
	set(&w, 6, GSTATE_WAITING, "coroutine");
	set(&w, 7, GSTATE_COPYSTACK, "");
	set(&w, 9, GSTATE_RUNNING, "");
	a = after(&w, 4);
	assert_int_equal(audit_total(&a), 0);
	assert_int_equal(a.unseen, 4);
	assert_int_equal(a.unconfirmed, 0);
	set(&w, 8, GSTATE_WAITING, "select");
	until_total(&w, AUDIT_STATE, 1);
	end(&w);
}

/* The event is there, its thread has no CPU to do what it tells of. */
static void test_a_thread_held_up(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	change(&w, 2, GSTATE_WAITING, GSTATE_RUNNABLE);
	after(&w, 1);
	a = after(&w, 4);
	assert_int_equal(a.unconfirmed, 1);
	assert_int_equal(audit_total(&a), 0);
	set(&w, 2, GSTATE_RUNNABLE, "");
	a = after(&w, 2);
	assert_int_equal(a.unconfirmed, 0);
	/* A creator that runs is about to make what was told of. */
	set(&w, 1, GSTATE_RUNNING, "");
	change(&w, 1, GSTATE_WAITING, GSTATE_RUNNABLE);
	change(&w, 1, GSTATE_RUNNABLE, GSTATE_RUNNING);
	after(&w, 1);
	LOCKED(&w, w.numbers++);
	create(&w, 60);
	a = after(&w, 4);
	assert_int_equal(a.unconfirmed, 1);
	assert_int_equal(audit_total(&a), 0);
	assert_true(lives(&w, 60));
	end(&w);
}

/* Differs each time, but an event came in between each time. */
static void test_motion(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	for (int i = 0; i < 300; i++) {
		bool odd = i & 1;

		change(&w, 2, odd ? GSTATE_RUNNABLE : GSTATE_WAITING,
		       odd ? GSTATE_WAITING : GSTATE_RUNNABLE);
		usleep(1000);
	}
	a = get(&w);
	assert_int_equal(audit_total(&a), 0);
	end(&w);
}

static void test_losses(void **state)
{
	const uint64_t lost[EVENT_TYPES] = {[EVENT_CASGSTATUS] = 10, [EVENT_NEWGOROUTINE] = 2};
	struct goroutine_seen seen[SEEN_MAX];
	struct audit a;
	struct world w;
	size_t n;

	start(&w);
	model_lost(w.model, 0, lost, monotonic_ns());
	set(&w, 70, GSTATE_WAITING, "select");
	remove_seen(&w, 3);
	until_state(&w, AUDIT_OFF);
	/* The healer's part (healer.h): what the audit then finds is as memory says. */
	LOCKED(&w, memcpy(seen, w.seen, sizeof(seen)); n = w.n);
	assert_true(model_heal(w.model, 0, seen, n, monotonic_ns(), true));
	a = until_state(&w, AUDIT_AGREES);
	a = after(&w, 3);
	assert_int_equal(audit_total(&a), 0);
	assert_true(lives(&w, 70));
	assert_false(lives(&w, 3));
	/* The number without a creation may have been among what was lost; others are not. */
	assert_int_equal(a.maybe_lost, 1);
	LOCKED(&w, w.numbers += 100);
	a = until_total(&w, AUDIT_MISSED, 89);
	end(&w);
}

/* As decode.c has it: the change of state, then the newgoroutine or goexit, which has the flag. */
static void pass_through_go(struct world *w, uint64_t goid)
{
	struct event events[4] = {
		{.type = EVENT_CASGSTATUS, .from = GSTATE_DEAD, .to = GSTATE_SYSCALL},
		{.type = EVENT_NEWGOROUTINE, .flags = EVENT_CGO_THREAD},
		{.type = EVENT_CASGSTATUS, .from = GSTATE_SYSCALL, .to = GSTATE_DEAD},
		{.type = EVENT_GOEXIT, .flags = EVENT_CGO_THREAD},
	};

	for (size_t i = 0; i < 4; i++) {
		events[i].time_ns = monotonic_ns();
		events[i].target = goid;
	}
	model_apply(w->model, events, 4);
}

static void test_threads_of_c(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	/* Numbered once, comes in and goes out many times. */
	LOCKED(&w, w.numbers++; w.of_threads++);
	after(&w, 2);
	for (int i = 0; i < 10; i++)
		pass_through_go(&w, 80);
	/* And one that was numbered before us. */
	pass_through_go(&w, 81);
	a = after(&w, 4);
	assert_int_equal(audit_total(&a), 0);
	assert_true(a.numbers);
	end(&w);
}

/* --- when nothing can be compared --------------------------------------------------------- */

static void test_off(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	auditor_reset(w.auditor);
	LOCKED(&w, w.paused = true);
	auditor_reset(w.auditor);
	a = until_state(&w, AUDIT_OFF);
	assert_non_null(strstr(a.why, "paused"));
	set(&w, 90, GSTATE_WAITING, "select");
	remove_seen(&w, 2);
	auditor_reset(w.auditor);
	LOCKED(&w, w.paused = false);
	auditor_reset(w.auditor);
	a = until_state(&w, AUDIT_AGREES);
	a = after(&w, 3);
	assert_int_equal(audit_total(&a), 0);
	assert_true(lives(&w, 90));
	LOCKED(&w, w.file_trouble = true);
	until_state(&w, AUDIT_OFF);
	LOCKED(&w, w.file_trouble = false);
	until_state(&w, AUDIT_AGREES);
	/* Allocations alone. */
	LOCKED(&w, w.rates[EVENT_CASGSTATUS] = w.rates[EVENT_NEWGOROUTINE] = w.rates[EVENT_GOEXIT] =
			   RATE_ONE / 2);
	until_state(&w, AUDIT_OFF);
	end(&w);
}

/* Without state changes, states are told by memory; creations and exits are compared. */
static void test_lives_alone(void **state)
{
	struct goroutine g;
	struct audit a;
	struct world w;

	start(&w);
	LOCKED(&w, w.rates[EVENT_CASGSTATUS] = 0);
	a = until_state(&w, AUDIT_AGREES);
	a = after(&w, 2);
	assert_false(a.states);
	assert_true(a.creations && a.exits);
	set(&w, 2, GSTATE_RUNNING, "");
	a = after(&w, 2);
	assert_int_equal(audit_total(&a), 0);
	assert_int_equal(model_goroutine(w.model, 0, 2, &g), 0);
	assert_int_equal(g.state, GSTATE_RUNNING);
	remove_seen(&w, 3);
	until_total(&w, AUDIT_EXIT, 1);
	set(&w, 95, GSTATE_RUNNING, "");
	until_total(&w, AUDIT_CREATION, 1);
	end(&w);
}

static void test_blind(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	LOCKED(&w, w.read_err = -ENOSYS);
	a = until_state(&w, AUDIT_BLIND);
	assert_non_null(strstr(a.why, "runtime.allgs"));
	LOCKED(&w, w.read_err = 0);
	until_state(&w, AUDIT_AGREES);
	/* No load bias. */
	LOCKED(&w, w.read_err = -ENOENT);
	a = until_state(&w, AUDIT_BLIND);
	assert_non_null(strstr(a.why, "where its code lies"));
	LOCKED(&w, w.read_err = 0);
	until_state(&w, AUDIT_AGREES);
	LOCKED(&w, w.numbers_err = -ENOSYS);
	a = after(&w, 2);
	assert_false(a.numbers);
	assert_non_null(strstr(a.no_numbers, "runtime.sched"));
	assert_int_equal(a.state, AUDIT_AGREES);
	end(&w);
}

static void test_behind(void **state)
{
	struct audit a;
	struct world w;

	start(&w);
	LOCKED(&w, w.behind = true);
	set(&w, 97, GSTATE_WAITING, "select");
	a = until_state(&w, AUDIT_BEHIND);
	assert_int_equal(audit_total(&a), 0);
	create(&w, 97);
	change(&w, 97, GSTATE_RUNNABLE, GSTATE_RUNNING);
	change(&w, 97, GSTATE_RUNNING, GSTATE_WAITING);
	LOCKED(&w, w.behind = false);
	a = until_state(&w, AUDIT_AGREES);
	a = after(&w, 2);
	assert_int_equal(audit_total(&a), 0);
	end(&w);
}

static void test_the_end(void **state)
{
	struct audit a;
	struct world w;
	unsigned reads;

	start(&w);
	LOCKED(&w, w.read_err = -ESRCH);
	a = get(&w);
	assert_int_equal(a.state, AUDIT_AGREES);
	model_proc_exited(w.model, 0, monotonic_ns());
	a = until_state(&w, AUDIT_FINISHED);
	assert_true(is_good(&a));
	LOCKED(&w, reads = w.reads);
	usleep(4 * QUICK_NS / 1000);
	LOCKED(&w, assert_int_equal(w.reads, reads));
	end(&w);
	/* Tracing ends before it does. */
	start(&w);
	auditor_stop(w.auditor);
	assert_int_equal(get(&w).state, AUDIT_FINISHED);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phantoms),
		cmocka_unit_test(test_unseen_creations),
		cmocka_unit_test(test_begun_before_its_probes),
		cmocka_unit_test(test_unseen_exits),
		cmocka_unit_test(test_unseen_states),
		cmocka_unit_test(test_beyond_probes),
		cmocka_unit_test(test_a_thread_held_up),
		cmocka_unit_test(test_motion),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_threads_of_c),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_lives_alone),
		cmocka_unit_test(test_blind),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_the_end),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
