/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/base/cpu_time: how long threads waited for a CPU is told of all of them, or not at all. */
#undef _FORTIFY_SOURCE /* openat() is ours below */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cpu_time.h"

static int fails_with; /* 0: it does not; the second file that is opened */
static unsigned n_opened;

/* In libc's place. */
int openat(int dir, const char *path, int flags, ...)
{
	if (++n_opened == 2 && fails_with) {
		errno = fails_with;
		return -1;
	}
	return (int)syscall(SYS_openat, dir, path, flags, 0);
}

static void *wait_for_end(void *arg)
{
	pthread_mutex_lock(arg);
	pthread_mutex_unlock(arg);
	return NULL;
}

static uint64_t waited(int fails)
{
	fails_with = fails;
	n_opened = 0;
	return process_cpu_wait_ns(getpid());
}

static void test_of_all_threads(void **state)
{
	pthread_mutex_t running = PTHREAD_MUTEX_INITIALIZER;
	pthread_t thread;

	pthread_mutex_lock(&running);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_end, &running), 0);
	(void)waited(0);
	assert_true(n_opened >= 2);
	assert_true(waited(EMFILE) == UINT64_MAX);
	assert_true(waited(EACCES) == UINT64_MAX);
	(void)waited(ENOENT); /* it has ended: the others are told of */
	assert_true(n_opened >= 2);
	pthread_mutex_unlock(&running);
	pthread_join(thread, NULL);
	assert_true(process_cpu_wait_ns(-1) == UINT64_MAX);
}

/* Another process, which does nothing but be stopped and let go on. */
static void test_stopped(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_false(process_stopped(pid));
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(process_stopped(pid));
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
	assert_false(process_stopped(pid));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(process_stopped(pid));
	assert_false(process_stopped(-1));
}

static void test_files(void **state)
{
	uint64_t before, now, most;
	struct rlimit limit;
	int fds[2];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(process_files(getpid(), &before, &most));
	assert_true(most == limit.rlim_cur);
	assert_int_equal(pipe(fds), 0);
	assert_true(process_files(getpid(), &now, &most));
	assert_int_equal(now, before + 2);
	close(fds[0]);
	close(fds[1]);
	assert_false(process_files(-1, &now, &most));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_all_threads),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_files),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
