/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What /proc says of a process: where its executable is, and how far its clock is from ours. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/target/process.h"

struct fixture {
	char folder[64];
	pid_t pid;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(x);
	snprintf(x->folder, sizeof(x->folder), "%.40s/process.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(x->folder));
	*state = x;
	return 0;
}

static void end(struct fixture *x)
{
	if (x->pid > 0) {
		kill(x->pid, SIGKILL);
		waitpid(x->pid, NULL, 0);
	}
	x->pid = 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[100];

	end(x);
	snprintf(command, sizeof(command), "rm -rf '%s'", x->folder);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

static const char *in(const struct fixture *x, const char *name)
{
	static char path[2][PATH_MAX];
	static unsigned turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", x->folder, name);
	return path[turn];
}

/* A copy of sleep by that name, running. */
static void start(struct fixture *x, const char *name)
{
	char command[200], exe[64], path[PATH_MAX];

	snprintf(command, sizeof(command), "cp \"$(command -v sleep)\" '%s'", in(x, name));
	assert_int_equal(system(command), 0);
	x->pid = fork();
	assert_true(x->pid >= 0);
	if (!x->pid) {
		execl(in(x, name), "sleep", "100", NULL);
		_exit(1);
	}
	snprintf(exe, sizeof(exe), "/proc/%d/exe", x->pid);
	for (int i = 0; i < 6000; i++) {
		ssize_t n = readlink(exe, path, sizeof(path) - 1);

		path[MAX(n, 0)] = '\0';
		if (strstr(path, x->folder))
			return;
		usleep(10000);
	}
	fail_msg("it does not start");
}

static void expect(struct fixture *x, const char *name)
{
	char path[PATH_MAX], real[PATH_MAX], want[2 * PATH_MAX];

	assert_non_null(realpath(x->folder, real));
	snprintf(want, sizeof(want), "%s/%s", real, name);
	process_binary(x->pid, path, sizeof(path));
	assert_string_equal(path, want);
}

static void test_binary(void **state)
{
	struct fixture *x = *state;

	start(x, "prog");
	expect(x, "prog");
	assert_int_equal(unlink(in(x, "prog")), 0);
	expect(x, "prog");
	end(x);
	/* Another file came in its place. */
	start(x, "again");
	assert_int_equal(unlink(in(x, "again")), 0);
	assert_int_equal(close(open(in(x, "again"), O_CREAT | O_WRONLY | O_CLOEXEC, 0700)), 0);
	assert_int_equal(
		close(open(in(x, "again (deleted)"), O_CREAT | O_WRONLY | O_CLOEXEC, 0700)), 0);
	expect(x, "again");
}

/* It is its name. */
static void test_named_deleted(void **state)
{
	struct fixture *x = *state;

	start(x, "x (deleted)");
	expect(x, "x (deleted)");
	assert_int_equal(unlink(in(x, "x (deleted)")), 0);
	expect(x, "x (deleted)");
}

/* The name is gone, but the file has another. */
static void test_linked(void **state)
{
	struct fixture *x = *state;

	start(x, "first");
	assert_int_equal(link(in(x, "first"), in(x, "second")), 0);
	assert_int_equal(unlink(in(x, "first")), 0);
	expect(x, "first");
}

static int wait_in_clock_ahead(int ready)
{
	int fd;

	if (unshare(CLONE_NEWTIME))
		return 77;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "monotonic 3600 5", 16) != 16)
		return 77;
	close(fd);
	/* What it starts has the new clock. */
	if (fork() == 0) {
		pid_t pid = getpid();

		if (write(ready, &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		for (;;)
			pause();
	}
	wait(NULL);
	return 0;
}

static void test_clock(void **state)
{
	struct fixture *x = *state;
	int ready[2];
	pid_t inner = 0;
	ssize_t n;

	assert_int_equal(process_clock_ahead(getpid()), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	x->pid = fork();
	assert_true(x->pid >= 0);
	if (!x->pid) {
		close(ready[0]);
		_exit(wait_in_clock_ahead(ready[1]));
	}
	close(ready[1]);
	n = read(ready[0], &inner, sizeof(inner));
	close(ready[0]);
	if (n != (ssize_t)sizeof(inner)) {
		end(x);
		skip(); /* time namespaces are root's, and not every kernel's */
	}
	assert_int_equal(process_clock_ahead(inner), 3600 * (int64_t)NS_PER_SEC + 5);
	kill(inner, SIGKILL);
}

/* A child that ends so, as another's parent sees it: before it is reaped and after. */
/* Is it of that release, or newer? */
static bool is_linux(unsigned major, unsigned minor)
{
	struct utsname name;
	unsigned is[2];

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &is[0], &is[1]), 2);
	return is[0] > major || (is[0] == major && is[1] >= minor);
}

static void check_status(struct fixture *x, int exits_with, int signo, bool reaped)
{
	siginfo_t info;
	int pidfd, status = -1, want = -1, err;

	x->pid = fork();
	assert_true(x->pid >= 0);
	if (!x->pid) {
		if (!signo)
			_exit(exits_with);
		pause();
	}
	pidfd = (int)syscall(SYS_pidfd_open, x->pid, 0);
	assert_true(pidfd >= 0);
	if (signo) {
		assert_int_equal(process_wait_status(pidfd, x->pid, &status), -EAGAIN);
		kill(x->pid, signo);
	}
	assert_int_equal(waitid(P_PID, (id_t)x->pid, &info, WEXITED | WNOWAIT), 0);
	if (reaped)
		assert_int_equal(waitpid(x->pid, &want, 0), x->pid);
	err = process_wait_status(pidfd, x->pid, &status);
	if (!reaped)
		assert_int_equal(waitpid(x->pid, &want, 0), x->pid);
	/* Linux keeps it since 6.15, and /proc tells a status of 0 from none since 5.16. */
	if (err)
		assert_true(reaped ? !is_linux(6, 15) : !want && !is_linux(5, 16));
	else
		assert_int_equal(status, want);
	assert_true(!err || err == -EAGAIN);
	close(pidfd);
	x->pid = 0;
}

static void test_wait_status(void **state)
{
	for (int reaped = 0; reaped < 2; reaped++) {
		check_status(*state, 0, 0, reaped);
		check_status(*state, 3, 0, reaped);
		check_status(*state, 255, 0, reaped);
		check_status(*state, 0, SIGKILL, reaped);
		check_status(*state, 0, SIGTERM, reaped);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_binary), TEST(test_named_deleted), TEST(test_linked),
		TEST(test_clock),  TEST(test_wait_status),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
