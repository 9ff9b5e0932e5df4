/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program that ends, or executes another file, while it is read: whatever is read of it, and
 * whichever of the calls is the first that fails, the reading is none. What was read before looks
 * whole, and is not: goroutines without their labels, locks without who waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/engine/reader.h"
#include "core/memory/about.h"
#include "core/memory/goroutines.h"
#include "core/memory/memory.h"
#include "core/memory/unreachable.h"
#include "core/memory/waits.h"
#include "tests/unit/child.h"
#include "tests/unit/sample.h"

#define POINTS 40 /* of each reading, at which it ends */

/* --- the end --------------------------------------------------------------------------------- */

static size_t calls, last_call = SIZE_MAX;

/* Once: a word of it is another by now. */
static uint64_t changes_at, changes_to;

static void change(const struct iovec *local, unsigned long n_local, const struct iovec *remote)
{
	for (unsigned long i = 0; i < n_local && changes_at; i++) {
		if ((uintptr_t)remote[i].iov_base != changes_at || remote[i].iov_len != 8)
			continue;
		memcpy(local[i].iov_base, &changes_to, 8);
		changes_at = 0;
	}
}

/* Instead of the C library's: from a call on there is no such process. */
ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long n_local,
			 const struct iovec *remote, unsigned long n_remote, unsigned long flags)
{
	ssize_t got;

	if (calls++ >= last_call) {
		errno = ESRCH;
		return -1;
	}
	got = syscall(SYS_process_vm_readv, pid, local, n_local, remote, n_remote, flags);
	if (got > 0)
		change(local, n_local, remote);
	return got;
}

/* --- a program at rest ------------------------------------------------------------------------ */

struct child {
	pid_t pid;
	FILE *out;
};

static void child_start(struct child *c, char *argv[])
{
	char line[4096];

	c->out = child_spawn(argv, &c->pid);
	do
		assert_non_null(fgets(line, sizeof(line), c->out));
	while (strcmp(line, "END\n") != 0);
}

static void child_stop(struct child *c)
{
	child_end(c->pid, c->out);
}

/* --- what a goroutine points at --------------------------------------------------------------- */

static const struct memory_goroutine *find(const struct memory_goroutine *list, size_t n,
					   uint64_t not_labels)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].labels && list[i].labels != not_labels)
			return &list[i];
	return NULL;
}

/* It gets other labels while they are read: then it has those; the g becomes another's: then none.
 */
static void check_about(const struct target *t, pid_t pid)
{
	struct goroutine_about *about = calloc(3, sizeof(*about));
	cleanup_free_ struct memory_goroutine *list = NULL;
	const struct memory_goroutine *g, *other;
	uint64_t bias;
	size_t n;

	assert_non_null(about);
	assert_int_equal(target_load_bias(t, pid, &bias), 0);
	assert_int_equal(memory_goroutines(t, pid, bias, &list, &n, NULL), 0);
	g = find(list, n, 0);
	assert_non_null(g);
	other = find(list, n, g->labels);
	assert_non_null(other);
	memory_about(t, pid, g, &about[0]);
	memory_about(t, pid, other, &about[1]);
	assert_true(about[0].n > 0 && about[1].n > 0 && about[0].n != about[1].n);
	changes_at = g->address + target_layout(t)->g_labels;
	changes_to = other->labels;
	memory_about(t, pid, g, &about[2]);
	assert_int_equal(changes_at, 0);
	/* By now it is as it was. */
	assert_int_equal(about[2].n, about[0].n);
	assert_int_equal(about[2].labels[0].key_len, about[0].labels[0].key_len);
	assert_memory_equal(about[2].labels[0].key, about[0].labels[0].key,
			    about[0].labels[0].key_len);
	changes_at = g->address + target_layout(t)->g_goid;
	changes_to = g->goid + 1;
	memory_about(t, pid, g, &about[2]);
	assert_int_equal(changes_at, 0);
	assert_int_equal(about[2].n, 0);
	free(about);
}

/* --- each reading ----------------------------------------------------------------------------- */

struct what {
	struct reader *reader;
	pid_t pid;
};

static int add_text(void *arg, const char *text, size_t len)
{
	buf_add(arg, text, len);
	return buf_error(arg);
}

static int all_stacks(const struct what *w, enum live_stacks style)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	return reader_stacks(w->reader, w->pid, style, add_text, &text);
}

static int as_go(const struct what *w)
{
	return all_stacks(w, LIVE_STACKS_AS_GO);
}
static int labelled(const struct what *w)
{
	return all_stacks(w, LIVE_STACKS_LABELLED);
}
static int labels(const struct what *w)
{
	return all_stacks(w, LIVE_STACKS_LABELS);
}

static int one_stack(const struct what *w)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int err = reader_stack(w->reader, 0, w->pid, 1, &text);

	assert_true(err ? !text.len : text.len > 0);
	return err;
}

static int goroutines(const struct what *w)
{
	cleanup_free_ struct goroutine_seen *seen = NULL;
	bool complete;
	size_t n;
	int err = reader_goroutines(w->reader, 0, w->pid, &seen, &n, &complete);

	assert_true(!seen == !!err);
	return err;
}

static int goids(const struct what *w)
{
	uint64_t least, most;

	return reader_goids(w->reader, w->pid, &least, &most);
}

static int runtime(const struct what *w)
{
	cleanup_free_ struct runtime_seen *seen = NULL;
	int err = reader_runtime(w->reader, w->pid, &seen);

	assert_true(!seen == !!err);
	return err;
}

static int waits(const struct what *w)
{
	struct wait_graph *graph = NULL;
	int err = reader_waits(w->reader, w->pid, &graph);

	assert_true(!graph == !!err);
	wait_graph_put(graph);
	return err;
}

static int unreachable(const struct what *w)
{
	struct unreachable u cleanup_unreachable_ = {0};
	const size_t last = last_call;
	struct wait_graph *graph;
	int err;

	last_call = SIZE_MAX;
	assert_int_equal(reader_waits(w->reader, w->pid, &graph), 0);
	last_call = last;
	calls = 0;
	err = reader_unreachable(reader_target(w->reader), w->pid, graph, NULL, &u);
	wait_graph_put(graph);
	return err;
}

static const struct {
	const char *name;
	int (*read)(const struct what *);
} readings[] = {
	{"goroutines", goroutines},    {"goids", goids},   {"stacks", as_go},
	{"labelled stacks", labelled}, {"labels", labels}, {"stack", one_stack},
	{"runtime", runtime},          {"waits", waits},   {"unreachable", unreachable},
};

static void test_ends_meanwhile(void **state)
{
	struct what w;
	struct names *names;
	struct target *t;
	struct child c;
	char path[SAMPLE_PATH_MAX];
	char *argv[] = {path, NULL};

	if (!sample_build("1.27", "stripped", "parked", path) &&
	    !sample_build("local", "plain", "parked", path))
		return;
	child_start(&c, argv);
	assert_int_equal(target_open(path, &t), 0);
	check_about(t, c.pid);
	assert_int_equal(names_new(1000, &names), 0);
	assert_int_equal(reader_new(t, names, &w.reader), 0);
	w.pid = c.pid;
	for (size_t i = 0; i < ARRAY_SIZE(readings); i++) {
		size_t whole;

		last_call = SIZE_MAX;
		assert_int_equal(readings[i].read(&w), 0); /* what is looked for once is known */
		calls = 0;
		assert_int_equal(readings[i].read(&w), 0);
		whole = calls;
		assert_true(whole > 1);
		for (size_t at = 0; at < whole; at += MAX(whole / POINTS, 1)) {
			int err;

			last_call = at;
			calls = 0;
			err = readings[i].read(&w);
			if (err != -ESRCH && calls > last_call)
				fail_msg("%s, which ended at %zu of %zu calls: %d",
					 readings[i].name, at, whole, err);
		}
	}
	last_call = SIZE_MAX;
	child_stop(&c);
	for (size_t i = 0; i + 1 < ARRAY_SIZE(readings); i++)
		assert_int_equal(readings[i].read(&w), -ESRCH);
	reader_free(w.reader);
	names_free(names);
	target_free(t);
}

/* --- the image -------------------------------------------------------------------------------- */

static bool is_named(pid_t pid, const char *name)
{
	char path[64], line[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "r");
	if (f && !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = 0;
	return !strcmp(line, name);
}

static void hold_and_end(char *argv[], int signal)
{
	struct memory_image image;
	struct child c;
	siginfo_t info;

	child_start(&c, argv);
	memory_image_hold(c.pid, &image);
	assert_true(image.fd >= 0);
	assert_int_equal(memory_image_end(&image, 0), 0);
	memory_image_hold(c.pid, &image);
	assert_int_equal(memory_image_end(&image, -ENOENT), -ENOENT);
	memory_image_hold(c.pid, &image);
	assert_int_equal(kill(c.pid, signal), 0);
	if (signal == SIGKILL)
		assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	else
		for (int i = 0; i < 60000 && !is_named(c.pid, "sleep"); i++)
			usleep(1000);
	assert_int_equal(memory_image_end(&image, 0), -ESRCH);
	assert_int_equal(image.fd, -1);
	memory_image_hold(c.pid, &image);
	assert_int_equal(memory_image_end(&image, 0), signal == SIGKILL ? -ESRCH : 0);
	child_stop(&c);
}

static void test_image(void **state)
{
	static char script[] = "trap 'exec sleep 1000' TERM; echo END; while :; do :; done";
	char *argv[] = {(char *)"bash", (char *)"-c", script, NULL};

	hold_and_end(argv, SIGTERM);
	hold_and_end(argv, SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_ends_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
