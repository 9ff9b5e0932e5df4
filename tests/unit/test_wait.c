/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Waits for threads and children end, whatever those do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/base/wait.h"

#define MOMENT_NS (NS_PER_SEC / 10)

static void *until_told(void *arg)
{
	while (!atomic_load((atomic_bool *)arg))
		poll(NULL, 0, 1);
	return NULL;
}

static void test_thread(void **state)
{
	atomic_bool told = false;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, until_told, &told), 0);
	assert_int_equal(thread_join_until(thread, monotonic_ns() + MOMENT_NS), -ETIMEDOUT);
	atomic_store(&told, true);
	assert_int_equal(thread_join_until(thread, monotonic_ns() + 20 * NS_PER_SEC), 0);
}

static pid_t child(int status)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	while (status < 0)
		pause();
	_exit(status);
}

static void test_child(void **state)
{
	int status;
	pid_t pid = child(-1);

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(child_kill(pid, &status), 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(child_wait(child(3), 20 * NS_PER_SEC, &status), 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	assert_int_equal(child_wait(child(-1), MOMENT_NS, &status), -ETIMEDOUT);
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
