/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A lease tells of writers before they write; where it was gone already, nothing is trusted again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/capture/guard.h"

#define SECONDS 20

struct file {
	char path[64];
	int fd;
	struct guard *guard;
	atomic_int refuse;    /* `release` fails so many times first */
	atomic_bool released; /* what was_released() says, */
	atomic_int unsaid;    /* but so many times first */
	atomic_int releases, helds, losts;
};

static int on_release(void *ctx)
{
	struct file *f = ctx;

	if (atomic_fetch_sub(&f->refuse, 1) > 0)
		return -EBUSY;
	atomic_fetch_add(&f->releases, 1);
	return 0;
}

static bool on_was_released(void *ctx)
{
	struct file *f = ctx;

	return atomic_fetch_sub(&f->unsaid, 1) <= 0 && atomic_load(&f->released);
}

static void on_held(void *ctx)
{
	atomic_fetch_add(&((struct file *)ctx)->helds, 1);
}

static void on_lost(void *ctx)
{
	atomic_fetch_add(&((struct file *)ctx)->losts, 1);
}

static void file_open(struct file *f)
{
	const struct guard_ops ops = {.ctx = f,
				      .release = on_release,
				      .was_released = on_was_released,
				      .held = on_held,
				      .lost = on_lost};
	int fd;

	snprintf(f->path, sizeof(f->path), "/tmp/test_guard_XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0 && write(fd, "code", 4) == 4);
	close(fd);
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (!guard_trusts_leases(f->fd)) {
		close(f->fd);
		unlink(f->path);
		skip();
	}
	assert_int_equal(guard_new(f->fd, 0, &ops, &f->guard), 0);
}

static void file_close(struct file *f)
{
	guard_free(f->guard);
	close(f->fd);
	unlink(f->path);
}

static bool comes(atomic_int *counter, int n)
{
	for (uint64_t end = monotonic_ns() + SECONDS * NS_PER_SEC; monotonic_ns() < end;) {
		if (atomic_load(counter) >= n)
			return true;
		(void)poll(NULL, 0, 2);
	}
	return false;
}

/* Every way in waits for `release`; the end of the last writer is noticed. */
static void test_writers(void **state)
{
	struct file f = {.fd = -1};
	int fds[2];

	file_open(&f);
	assert_int_equal(guard_state(f.guard), GUARD_HELD);
	assert_true(guard_holds(f.guard));
	fds[0] = open(f.path, O_WRONLY);
	assert_int_equal(atomic_load(&f.releases), 1);
	fds[1] = open(f.path, O_RDWR);
	assert_int_equal(guard_state(f.guard), GUARD_WRITER);
	close(fds[0]);
	(void)poll(NULL, 0, 50);
	assert_int_equal(guard_state(f.guard), GUARD_WRITER);
	assert_int_equal(atomic_load(&f.helds), 0);
	close(fds[1]);
	assert_true(comes(&f.helds, 1));
	assert_int_equal(guard_state(f.guard), GUARD_HELD);

	assert_int_equal(truncate(f.path, 2), 0);
	assert_int_equal(atomic_load(&f.releases), 2);
	assert_true(comes(&f.helds, 2));
	/* Who does not want to wait comes again. */
	fds[0] = open(f.path, O_WRONLY | O_NONBLOCK);
	assert_true(fds[0] < 0 && errno == EWOULDBLOCK);
	assert_true(comes(&f.releases, 3));
	assert_true(comes(&f.helds, 3));
	assert_int_equal(atomic_load(&f.losts), 0);
	file_close(&f);
}

static void test_open_at_first(void **state)
{
	struct file f = {.fd = -1};
	int writer;

	file_open(&f);
	guard_free(f.guard);
	close(f.fd);
	writer = open(f.path, O_WRONLY);
	f.fd = open(f.path, O_RDONLY | O_CLOEXEC);
	{
		const struct guard_ops ops = {.ctx = &f, .release = on_release, .held = on_held};

		assert_int_equal(guard_new(f.fd, 0, &ops, &f.guard), 0);
	}
	assert_int_equal(guard_state(f.guard), GUARD_WRITER);
	close(writer);
	assert_true(comes(&f.helds, 1));
	file_close(&f);
}

/* What cannot be let go of at once keeps the writer waiting. */
static void test_slow_release(void **state)
{
	struct file f = {.fd = -1, .refuse = 4};
	int writer;

	file_open(&f);
	writer = open(f.path, O_WRONLY);
	assert_int_equal(atomic_load(&f.releases), 1);
	assert_true(atomic_load(&f.refuse) < 0);
	close(writer);
	assert_true(comes(&f.helds, 1));
	file_close(&f);
}

/* The lease is gone, and it was not we who let it go: what the kernel does when we are too late. */
static void test_lost(void **state)
{
	struct file f = {.fd = -1};
	int writer;

	file_open(&f);
	assert_int_equal(fcntl(f.fd, F_SETLEASE, F_UNLCK), 0);
	assert_true(comes(&f.losts, 1));
	assert_int_equal(atomic_load(&f.releases), 1);
	assert_int_equal(guard_state(f.guard), GUARD_LOST);
	/* For good. */
	writer = open(f.path, O_WRONLY);
	close(writer);
	(void)poll(NULL, 0, 100);
	assert_int_equal(guard_state(f.guard), GUARD_LOST);
	assert_int_equal(atomic_load(&f.helds), 0);
	file_close(&f);
}

/* The keeper let it go, in time. */
static void test_let_go_elsewhere(void **state)
{
	struct file f = {.fd = -1, .released = true};

	file_open(&f);
	assert_int_equal(fcntl(f.fd, F_SETLEASE, F_UNLCK), 0);
	assert_true(comes(&f.helds, 1));
	assert_int_equal(atomic_load(&f.losts), 0);
	assert_int_equal(guard_state(f.guard), GUARD_HELD);
	file_close(&f);
}

/* The lease goes a moment before the keeper can say that it was he. */
static void test_said_late(void **state)
{
	struct file f = {.fd = -1, .released = true, .unsaid = 3};

	file_open(&f);
	assert_int_equal(fcntl(f.fd, F_SETLEASE, F_UNLCK), 0);
	assert_true(comes(&f.helds, 1));
	assert_int_equal(atomic_load(&f.losts), 0);
	assert_int_equal(guard_state(f.guard), GUARD_HELD);
	file_close(&f);
}

/* It ends while a writer waits, who goes on when the descriptor is closed. */
static void *write_late(void *arg)
{
	int fd = open(arg, O_WRONLY);

	close(fd);
	return NULL;
}

static void test_end_while_asked(void **state)
{
	struct file f = {.fd = -1, .refuse = 1000000};
	pthread_t thread;

	file_open(&f);
	assert_int_equal(pthread_create(&thread, NULL, write_late, f.path), 0);
	for (uint64_t end = monotonic_ns() + SECONDS * NS_PER_SEC;
	     guard_state(f.guard) == GUARD_HELD && monotonic_ns() < end;)
		(void)poll(NULL, 0, 2);
	guard_free(f.guard);
	close(f.fd);
	assert_int_equal(pthread_join(thread, NULL), 0);
	unlink(f.path);
}

static void test_no_leases(void **state)
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const struct guard_ops ops = {.ctx = NULL};
	struct guard *g;

	assert_false(guard_trusts_leases(fd));
	assert_int_equal(guard_new(fd, 0, &ops, &g), 0);
	assert_int_equal(guard_state(g), GUARD_NONE);
	guard_free(g);
	guard_free(NULL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writers),          cmocka_unit_test(test_open_at_first),
		cmocka_unit_test(test_slow_release),     cmocka_unit_test(test_lost),
		cmocka_unit_test(test_let_go_elsewhere), cmocka_unit_test(test_end_while_asked),
		cmocka_unit_test(test_no_leases),        cmocka_unit_test(test_said_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
