/* The keeper closes in our table of descriptors, and what a killed process held goes with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/capture/keeper.h"

#define SECONDS 20

/* Does the other end of the pipe get closed in time? */
static bool hangs_up(int fd)
{
	struct pollfd poll_fd = {.fd = fd};

	return poll(&poll_fd, 1, SECONDS * 1000) == 1 && poll_fd.revents & POLLHUP;
}

static void test_closes_ours(void **state)
{
	struct keeper *k;
	int fds[3], pipes[3][2];

	assert_int_equal(keeper_new(&k), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		fds[i] = pipes[i][1];
	}
	keeper_close(k, fds, 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD) < 0, i < 2);
	assert_true(hangs_up(pipes[0][0]) && hangs_up(pipes[1][0]));
	/* Its end closes nothing. */
	keeper_free(k);
	assert_true(fcntl(fds[2], F_GETFD) >= 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	close(fds[2]);
	for (int i = 0; i < 3; i++)
		close(pipes[i][0]);
}

static void test_without(void **state)
{
	int pipe_fds[2];

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	keeper_close(NULL, &pipe_fds[1], 1);
	assert_true(hangs_up(pipe_fds[0]));
	keeper_free(NULL);
	close(pipe_fds[0]);
}

/* A bad program is the kernel's answer, by whoever asks it. */
static void test_attach_error(void **state)
{
	const uint64_t offset = 0, cookie = 0;
	struct keeper *k;
	int fd, err;

	assert_int_equal(keeper_new(&k), 0);
	err = keeper_attach(k, -1, "/proc/self/exe", 0, &offset, &cookie, 1, &fd);
	assert_true(err == -EBADF || err == -EPERM || err == -EINVAL || err == -ENOSYS);
	keeper_free(k);
}

static void test_killed(void **state)
{
	int held[2], ready[2], status;
	char byte;
	pid_t child;

	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		struct keeper *k;

		if (keeper_new(&k) == 0)
			(void)!write(ready[1], "", 1);
		for (;;)
			pause();
	}
	close(held[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(hangs_up(held[0]));
	close(held[0]);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closes_ours),
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_attach_error),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
