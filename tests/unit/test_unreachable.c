/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is leaked: passes over a live program that knows whom it lost (tests/targets/leaked). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/memory/leak_proof.h"
#include "core/memory/waits.h"
#include "tests/unit/child.h"
#include "tests/unit/sample.h"

/* --- a live program ------------------------------------------------------------------------- */

static const char *const programs[][3] = {
	{"local", "plain", ""},       {"1.17", "stripped", ""},     {"1.21", "stripped", "busy"},
	{"1.24", "pie-stripped", ""}, {"1.25", "stripped", "busy"}, {"1.27", "stripped", "busy"},
	{"1.22", "stripped", "dead"}, {"1.27", "stripped", "dead"},
};

#define PASSES_NS     (2 * NS_PER_SEC)
#define PASSES_MAX_NS (120 * NS_PER_SEC) /* on a busy machine it takes longer */
#define HELD_NS       (4 * NS_PER_SEC)
#define HELD_REST_US  350000
/* What hides one: a dead word of who runs, or of a place in the heap (reach.h); seldom more; of
 * thousands some. */
#define HIDDEN_MAX(lost) (2 + (lost) / 500)

struct child {
	pid_t pid;
	FILE *out;
	unsigned lost;
};

static void child_start(struct child *c, const char *path, const char *arg)
{
	char *argv[] = {(char *)path, (char *)arg, NULL}, line[256];

	c->out = child_spawn(argv, &c->pid);
	assert_non_null(fgets(line, sizeof(line), c->out));
	assert_int_equal(sscanf(line, "ready %u", &c->lost), 1);
}

static void child_stop(struct child *c)
{
	child_end(c->pid, c->out);
}

/* How many of the goids began with a function called main.lost…; those that are gone do not count,
 * any other must not be there. */
static unsigned check_named(const struct target *t, pid_t pid, uint64_t bias, const uint64_t *goids,
			    size_t n)
{
	unsigned right = 0;

	for (size_t i = 0; i < n; i++) {
		struct memory_goroutine g;
		struct go_func f;
		int err = memory_goroutine_by_id(t, pid, bias, goids[i], &g);

		if (err == -ESRCH)
			continue;
		assert_int_equal(err, 0);
		assert_int_equal(target_start_func(t, g.start_pc, &f), 0);
		if (strncmp(f.name, "main.lost", 9) != 0)
			fail_msg("%s is called leaked", f.name);
		right++;
	}
	return right;
}

static void one_pass(const struct target *t, pid_t pid, uint64_t bias, struct leak_proof *proof)
{
	struct unreachable u cleanup_unreachable_ = {0};
	struct wait_graph *graph;

	assert_int_equal(memory_waits(t, pid, bias, &graph), 0);
	assert_int_equal(memory_unreachable(t, pid, bias, graph, NULL, &u), 0);
	assert_int_equal(leak_proof_add(proof, &u), 0);
	wait_graph_put(graph);
}

/* Until as many are proven as are lost, but for what a dead word hides; nobody else ever is. */
static void check_program(const struct target *t, const struct child *c, uint64_t bias)
{
	uint64_t began = monotonic_ns();
	struct leak_proof *proof;
	const uint64_t *goids;
	unsigned right = 0, passes = 0;
	size_t n;

	assert_int_equal(leak_proof_new(&proof), 0);
	while (monotonic_ns() < began + PASSES_NS ||
	       (right + HIDDEN_MAX(c->lost) < c->lost && monotonic_ns() < began + PASSES_MAX_NS)) {
		one_pass(t, c->pid, bias, proof);
		passes++;
		goids = leak_proof_goids(proof, &n);
		right = check_named(t, c->pid, bias, goids, n);
		assert_int_equal(right, n);
		usleep(50000);
	}
	print_message("# %u of %u, %u passes\n", right, c->lost, passes);
	assert_in_range(right, c->lost - HIDDEN_MAX(c->lost), c->lost);
	leak_proof_free(proof);
}

static void test_live(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		char path[SAMPLE_PATH_MAX];
		struct child c = {0};
		struct target *t;
		uint64_t bias;

		if (!sample_build(programs[i][0], programs[i][1], "leaked", path))
			continue;
		print_message("# %s %s %s\n", programs[i][0], programs[i][1], programs[i][2]);
		child_start(&c, path, programs[i][2]);
		assert_int_equal(target_open(path, &t), 0);
		assert_int_equal(target_load_bias(t, c.pid, &bias), 0);
		check_program(t, &c, bias);
		child_stop(&c);
		target_free(t);
	}
}

/* Places that the runtime keeps in its own way: threads of their own, callbacks of C, bubbles, weak
 * pointers, cleanups, deep and wide stacks, panics (tests/targets/odd). */
static void test_odd(void **state)
{
	static const char *const odd[][2] = {
		{"1.23", "stripped"}, {"1.27", "cgo"}, {"1.27", "pgo-stripped"}};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		char path[SAMPLE_PATH_MAX];
		struct child c = {0};
		struct target *t;
		uint64_t bias;

		if (!sample_build(odd[i][0], odd[i][1], "odd", path))
			continue;
		print_message("# odd %s %s\n", odd[i][0], odd[i][1]);
		child_start(&c, path, "");
		assert_int_equal(target_open(path, &t), 0);
		assert_int_equal(target_load_bias(t, c.pid, &bias), 0);
		check_program(t, &c, bias);
		child_stop(&c);
		target_free(t);
	}
}

/* Who waits for what somebody has, by whatever way, is never named; not even where the one pointer
 * to it moves from object to object all the while, so that one pass in four misses it. */
static void test_held(void **state)
{
	static const char *const held[][3] = {
		{"1.25", "stripped", ""}, {"1.27", "stripped", "jumps"}, {"1.27", "cgo", "all"}};

	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		uint64_t until, bias;
		char path[SAMPLE_PATH_MAX];
		struct leak_proof *proof;
		struct child c = {0};
		const uint64_t *goids;
		struct target *t;
		size_t n;

		if (!sample_build(held[i][0], held[i][1], "held", path))
			continue;
		child_start(&c, path, held[i][2]);
		assert_int_equal(target_open(path, &t), 0);
		assert_int_equal(target_load_bias(t, c.pid, &bias), 0);
		assert_int_equal(leak_proof_new(&proof), 0);
		until = monotonic_ns() + HELD_NS;
		while (monotonic_ns() < until) {
			one_pass(t, c.pid, bias, proof);
			goids = leak_proof_goids(proof, &n);
			assert_int_equal(check_named(t, c.pid, bias, goids, n), 0);
			usleep(HELD_REST_US);
		}
		leak_proof_free(proof);
		child_stop(&c);
		target_free(t);
	}
}

/* --- stack maps ----------------------------------------------------------------------------- */

static bool is_listed(const struct unreachable *u, const struct parked_goroutine *park)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->list[i].goid == park->goid)
			return true;
	return false;
}

/* One pass by words and one by maps; is what the second finds more, or the same? */
static bool maps_find_more(const struct target *t, const struct child *c, uint64_t bias)
{
	struct unreachable u cleanup_unreachable_ = {0}, whole cleanup_unreachable_ = {0};
	const struct unreachable_pace by_words = {.whole_stacks = true};
	struct wait_graph *graph;
	bool more;

	assert_int_equal(memory_waits(t, c->pid, bias, &graph), 0);
	assert_int_equal(memory_unreachable(t, c->pid, bias, graph, &by_words, &whole), 0);
	assert_int_equal(memory_unreachable(t, c->pid, bias, graph, NULL, &u), 0);
	wait_graph_put(graph);
	print_message("# %zu of %u, by words %zu; objects %llu, %llu; %llu stacks by words\n", u.n,
		      c->lost, whole.n, (unsigned long long)u.reach.objects,
		      (unsigned long long)whole.reach.objects, (unsigned long long)u.by_words);
	assert_true(whole.by_words > 0);
	assert_true(u.n <= c->lost);
	more = u.by_words == 0 && u.reach.objects <= whole.reach.objects;
	for (size_t i = 0; i < whole.n; i++)
		more = more && is_listed(&u, &whole.list[i]);
	return more;
}

/* Of a program that stands still: whoever is named when all words of stacks count is named when
 * only the live ones do, and these reach no more; every stack's maps are read. The runtime's own
 * goroutines may move between the two, so once is enough. */
static void test_stack_maps(void **state)
{
	static const char *const quiet[][2] = {{"1.17", "stripped"}, {"1.19", "stripped"},
					       {"1.21", "plain"},    {"1.23", "stripped"},
					       {"1.25", "stripped"}, {"1.27", "pie-stripped"}};

	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++) {
		uint64_t bias, until = monotonic_ns() + PASSES_MAX_NS;
		char path[SAMPLE_PATH_MAX];
		struct child c = {0};
		struct target *t;

		if (!sample_build(quiet[i][0], quiet[i][1], "leaked", path))
			continue;
		print_message("# %s %s\n", quiet[i][0], quiet[i][1]);
		child_start(&c, path, "");
		assert_int_equal(target_open(path, &t), 0);
		assert_int_equal(target_load_bias(t, c.pid, &bias), 0);
		while (!maps_find_more(t, &c, bias)) {
			assert_true(monotonic_ns() < until);
			usleep(50000);
		}
		child_stop(&c);
		target_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_stack_maps),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests_name("unreachable", tests, NULL, NULL);
}
