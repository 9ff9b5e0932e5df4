/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Heap and scheduler as they are read from memory, against what the program's own runtime says
 * (tests/targets/figures): exact where nothing moves between two answers of the program. And where
 * the variables lie: found by code as the symbols say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/memory/runtime_read.h"
#include "core/target/target_internal.h"
#include "tests/unit/sample.h"

#define ANSWER_MAX 4096
#define TRIES      50 /* until nothing moves: the runtime's scavenger and sysmon do what they do */

static const char *const programs[][2] = {
	{"1.17", "stripped"}, {"1.18", "plain"},        {"1.19", "stripped"},
	{"1.21", "plain"},    {"1.23", "pie-stripped"}, {"1.25", "stripped"},
	{"1.27", "plain"},    {"1.27", "pie-stripped"},
};

/* Of other machines: found, and where the symbols say. */
static const char *const others[][2] = {
	{"1.17", "arm64"}, {"1.22", "arm64"}, {"1.27", "arm64"}, {"1.27", "stripped-arm64"}};

struct child {
	pid_t pid;
	FILE *out;
	int in, trace; /* trace: what gctrace says, a file */
	struct target *target;
	struct runtime_at at;
	uint64_t bias;
	char answer[ANSWER_MAX]; /* the last one */
};

static void take_answer(struct child *c)
{
	char line[256];
	size_t len = 0;

	for (;;) {
		assert_non_null(fgets(line, sizeof(line), c->out));
		if (!strcmp(line, "END\n"))
			return;
		len += (size_t)snprintf(c->answer + len, sizeof(c->answer) - len, "%s", line);
		assert_true(len < sizeof(c->answer));
	}
}

static void ask(struct child *c, const char *command)
{
	assert_int_equal(write(c->in, command, strlen(command)), strlen(command));
	c->answer[0] = '\0';
	take_answer(c);
}

static void child_start(struct child *c, const char *path)
{
	char *argv[] = {(char *)"setpriv", (char *)"--pdeathsig", (char *)"KILL", (char *)path,
			NULL};
	char *envp[] = {(char *)"GODEBUG=gctrace=1", NULL};
	posix_spawn_file_actions_t actions;
	int out[2], in[2];

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	c->trace = memfd_create("gctrace", MFD_CLOEXEC);
	assert_true(c->trace >= 0);
	posix_spawn_file_actions_adddup2(&actions, c->trace, 2);
	for (unsigned i = 0; i < 2; i++) {
		posix_spawn_file_actions_addclose(&actions, out[i]);
		posix_spawn_file_actions_addclose(&actions, in[i]);
	}
	assert_int_equal(posix_spawnp(&c->pid, argv[0], &actions, NULL, argv, envp), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	close(in[0]);
	c->in = in[1];
	c->out = fdopen(out[0], "r");
	take_answer(c);
	assert_int_equal(target_open(path, &c->target), 0);
	assert_int_equal(runtime_find(c->target, &c->at), 0);
	assert_int_equal(target_load_bias(c->target, c->pid, &c->bias), 0);
}

static void child_stop(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	fclose(c->out);
	close(c->in);
	close(c->trace);
	target_free(c->target);
}

static uint64_t said(const struct child *c, const char *key)
{
	char want[64];
	const char *at;

	snprintf(want, sizeof(want), "\n%s ", key);
	at = strstr(c->answer, want);
	if (at)
		at++;
	else if (!strncmp(c->answer, want + 1, strlen(want + 1)))
		at = c->answer;
	if (!at)
		fail_msg("no %s in: %s", key, c->answer);
	return strtoull(at + strlen(key) + 1, NULL, 10);
}

/* Read between two answers that are the same. */
static struct runtime_seen *read_at_rest(struct child *c)
{
	struct runtime_seen *seen;
	char before[ANSWER_MAX];

	ask(c, "\n");
	for (unsigned i = 0; i < TRIES; i++) {
		snprintf(before, sizeof(before), "%s", c->answer);
		assert_int_equal(memory_runtime(c->target, &c->at, c->pid, c->bias, &seen), 0);
		ask(c, "\n");
		if (!strcmp(before, c->answer))
			return seen;
		free(seen);
	}
	fail_msg("it does not come to rest: %s", c->answer);
	return NULL;
}

/* `swept`: it has collected by itself, which ends with all of it swept. */
static void check_heap(struct child *c, bool swept)
{
	cleanup_free_ struct runtime_seen *seen = read_at_rest(c);
	const struct runtime_heap *h = &seen->heap;
	const struct {
		const char *key;
		uint64_t value;
	} exact[] = {
		{"cycles", h->cycles},
		{"forced", h->forced_cycles},
		{"last_gc", h->last_gc_unix_ns},
		{"pause_total", h->pause_total},
		{"pause_last", h->pause_last},
		{"pause_longest", h->pause_longest},
		{"allocated", h->allocated},
		{"goal", h->goal},
		{"in_use", h->in_use},
		{"idle", h->idle},
		{"released", h->released},
		{"sys", h->sys},
		{"stacks_in_use", h->stacks_in_use},
		{"stacks_sys", h->stacks_sys},
		{"spans_bytes", h->spans_bytes},
		{"gc_sys", h->gc_sys},
		{"other_sys", h->other_sys},
		{"all_sys", h->all_sys},
		{"cpu", (uint64_t)(h->cpu_fraction * 1e9)},
	};

	assert_true(seen->has_heap);
	for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
		if (said(c, exact[i].key) != exact[i].value)
			fail_msg("%s is %" PRIu64 ", the program says %" PRIu64, exact[i].key,
				 exact[i].value, said(c, exact[i].key));
	/* The pacer counts a span that a thread allocates from as full. What a cycle found dead is
	 * in the program's own figure until its span is swept (MemStats.HeapAlloc), and not in the
	 * pacer's. */
	assert_in_range(h->live, swept ? said(c, "alloc") : h->marked, said(c, "in_use"));
	assert_in_range(h->marked, 10000000, said(c, "in_use"));
	assert_in_range(h->spans, 100, h->spans_bytes / 64);
}

/* gctrace's time in ms, of which it shows two or three digits. */
static bool is_about(double ms, uint64_t ns)
{
	double ours = (double)ns / 1e6;

	return ours >= ms - 0.02 - 0.1 * ms && ours <= ms + 0.02 + 0.1 * ms;
}

/* What gctrace said last, whole: "gc 7 @…: … ms clock, 0.1+2.5/4.0/0+0.2 ms cpu, …": what assists,
 * workers and idle ones took of that cycle's marking. False: of another one than `cycle`. */
static bool read_gctrace(struct child *c, uint64_t cycle, double *ret_assist, double *ret_mark)
{
	static char text[1 << 20];
	ssize_t n = pread(c->trace, text, sizeof(text) - 1, 0);
	double first, workers, idle;
	char want[64], *last = NULL;

	assert_in_range(n, 0, sizeof(text) - 2);
	text[n] = '\0';
	snprintf(want, sizeof(want), "gc %" PRIu64 " @", cycle);
	last = strstr(text, want);
	if (!last || !strchr(last, '\n'))
		return false;
	last = strstr(last, "ms clock, ");
	assert_non_null(last);
	assert_int_equal(
		sscanf(last, "ms clock, %lf+%lf/%lf/%lf", &first, ret_assist, &workers, &idle), 4);
	*ret_mark = *ret_assist + workers + idle;
	return true;
}

/* Of a cycle that goroutines had to assist in, when the next one has not begun: then it is that
 * one's. */
static void check_assist(struct child *c)
{
	uint64_t until_ns = monotonic_ns() + 120 * NS_PER_SEC;
	double assist = 0, mark = 0;

	for (;;) {
		cleanup_free_ struct runtime_seen *seen = NULL;

		ask(c, "churn\n");
		assert_int_equal(memory_runtime(c->target, &c->at, c->pid, c->bias, &seen), 0);
		if (seen->heap.assist > 500000 && seen->heap.mark > seen->heap.assist &&
		    read_gctrace(c, seen->heap.cycles, &assist, &mark) &&
		    is_about(assist, seen->heap.assist) && is_about(mark, seen->heap.mark))
			return;
		if (monotonic_ns() > until_ns)
			fail_msg("gctrace says %g of %g ms, memory %" PRIu64 " of %" PRIu64, assist,
				 mark, seen->heap.assist, seen->heap.mark);
	}
}

/* What is set is what is read. */
static void check_settings(struct child *c)
{
	struct runtime_seen *seen = read_at_rest(c);
	bool has_limit = target_go_minor(c->target) >= 19;

	assert_int_equal(seen->heap.gc_percent, 100);
	assert_true(seen->heap.memory_limit == (has_limit ? INT64_MAX : RUNTIME_UNKNOWN));
	free(seen);
	ask(c, "percent 60\n");
	seen = read_at_rest(c);
	assert_int_equal(seen->heap.gc_percent, 60);
	free(seen);
	ask(c, "percent -1\n");
	seen = read_at_rest(c);
	assert_true(seen->heap.gc_percent > INT32_MAX);
	free(seen);
	if (!has_limit)
		return;
	/* Now the limit alone says where the goal is. */
	ask(c, "limit 60000000\n");
	ask(c, "gc\n");
	check_heap(c, true);
	seen = read_at_rest(c);
	assert_int_equal(seen->heap.memory_limit, 60000000);
	assert_in_range(seen->heap.goal, 10000000, 60000000);
	free(seen);
	/* Less than there is: the goal is what is alive, and every allocation begins a cycle. */
	ask(c, "limit 1000000\n");
	ask(c, "gc\n");
	check_heap(c, false);
}

static bool has_task(pid_t pid, uint64_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%" PRIu64, (int)pid, tid);
	return !access(path, F_OK);
}

/* An offset that the program's own DWARF makes up, as far as core/target lets it: threads are left
 * out, and nothing is written behind what holds one. */
static void check_wild_offset(struct child *c)
{
	uint32_t *offsets[] = {&c->target->layout.m_id, &c->target->layout.m_procid,
			       &c->target->layout.m_p, &c->target->layout.m_curg};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		cleanup_free_ struct runtime_seen *seen = NULL;
		uint32_t was = *offsets[i];

		*offsets[i] = 60000;
		assert_int_equal(memory_runtime(c->target, &c->at, c->pid, c->bias, &seen), 0);
		assert_true(seen->has_sched && seen->cut && seen->n_ms == 0);
		*offsets[i] = was;
	}
}

/* Until all Ps but one, which may still be lent to the read of our answer, are idle. */
static struct runtime_seen *read_idle(struct child *c)
{
	uint64_t until_ns = monotonic_ns() + 120 * NS_PER_SEC;
	struct runtime_seen *seen;

	for (;;) {
		int64_t idle = 0, waiting = 0;

		assert_int_equal(memory_runtime(c->target, &c->at, c->pid, c->bias, &seen), 0);
		for (uint32_t i = 0; i < seen->n_ps; i++) {
			idle += seen->ps[i].status == RUNTIME_P_IDLE;
			waiting += seen->ps[i].runq;
		}
		if (idle >= 2 && idle == seen->idle_ps && !waiting && !seen->run_queue)
			return seen;
		if (monotonic_ns() > until_ns)
			fail_msg("%d idle Ps, %d said, %d in queues, %d in the global one",
				 (int)idle, (int)seen->idle_ps, (int)waiting, (int)seen->run_queue);
		free(seen);
		usleep(10000);
	}
}

/* The program has three threads that goroutines are locked to, and said which, and three Ps. */
static void check_sched(struct child *c, const char *first)
{
	cleanup_free_ struct runtime_seen *seen = read_idle(c);
	const struct runtime_m *ms = runtime_ms(seen);
	unsigned locked = 0;

	assert_true(seen->has_sched && seen->has_ms && !seen->cut);
	assert_int_equal(seen->n_ps, 3);
	assert_int_equal(seen->n_ms, seen->threads);
	assert_in_range(seen->threads, 4, 64);
	assert_true((seen->need_spinning >= 0) == (target_go_minor(c->target) >= 20));
	for (uint32_t i = 0; i < seen->n_ps; i++) {
		assert_int_equal(seen->ps[i].id, i);
		assert_in_range(seen->ps[i].status, 0, RUNTIME_P_STATUSES - 1);
	}
	for (uint32_t i = 0; i < seen->n_ms; i++) {
		char line[64];

		assert_true(has_task(c->pid, ms[i].tid));
		assert_in_range(ms[i].id, 0, 64);
		snprintf(line, sizeof(line), "locked %" PRIu64 "\n", ms[i].tid);
		if (!ms[i].locked_goid)
			continue;
		assert_non_null(strstr(first, line));
		assert_int_equal(ms[i].p, -1);
		locked++;
	}
	assert_int_equal(locked, 3);
}

static void test_against_the_program(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		char path[SAMPLE_PATH_MAX], first[ANSWER_MAX];
		struct child child = {0};

		if (!sample_build(programs[i][0], programs[i][1], "figures", path))
			continue;
		print_message("# %s %s\n", programs[i][0], programs[i][1]);
		child_start(&child, path);
		snprintf(first, sizeof(first), "%s", child.answer);
		check_heap(&child, true);
		ask(&child, "gc\n");
		check_heap(&child, true);
		check_sched(&child, first);
		check_assist(&child);
		check_heap(&child, false);
		check_wild_offset(&child);
		check_settings(&child);
		child_stop(&child);
	}
}

static void check_symbol(const struct target *t, const char *symbol, uint64_t found)
{
	uint64_t addr, size;

	assert_true(found);
	if (!image_symbol(target_image(t), symbol, &addr, &size))
		assert_int_equal(found, addr);
}

static void test_found(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs) + ARRAY_SIZE(others); i++) {
		const char *const *of =
			i < ARRAY_SIZE(programs) ? programs[i] : others[i - ARRAY_SIZE(programs)];
		char path[SAMPLE_PATH_MAX];
		struct runtime_at at;
		struct target *t;

		if (!sample_build(of[0], of[1], "figures", path))
			continue;
		print_message("# %s %s\n", of[0], of[1]);
		assert_int_equal(target_open(path, &t), 0);
		assert_int_equal(runtime_find(t, &at), 0);
		check_symbol(t, "runtime.memstats", at.memstats);
		check_symbol(t, "runtime.gcController", at.controller);
		check_symbol(t, "runtime.mheap_", at.mheap);
		check_symbol(t, "runtime.sched", at.sched);
		check_symbol(t, "runtime.allp", at.allp);
		check_symbol(t, "runtime.allm", at.allm);
		target_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_against_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
