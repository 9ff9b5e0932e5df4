/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keeper closes in our table of descriptors, and what a killed process held goes with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

	assert_int_equal(keeper_new(NULL, &k), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		fds[i] = pipes[i][1];
	}
	assert_int_equal(keeper_close(k, fds, 2), 0);
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

/* A program that is none. */
static int attach_nothing(struct keeper *k)
{
	const uint64_t offset = 0, cookie = 0;
	const struct keeper_sites sites = {.prog_fd = -1,
					   .path = "/proc/self/exe",
					   .offsets = &offset,
					   .cookies = &cookie,
					   .n = 1};
	int fd;

	return keeper_attach(k, &sites, &fd);
}

static void test_without(void **state)
{
	int pipe_fds[2];

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(keeper_close(NULL, &pipe_fds[1], 1), 0);
	assert_true(hangs_up(pipe_fds[0]));
	keeper_free(NULL);
	close(pipe_fds[0]);
}

/* A bad program is the kernel's answer, by whoever asks it. */
static void test_attach_error(void **state)
{
	struct keeper *k;
	int err;

	assert_int_equal(keeper_new(NULL, &k), 0);
	err = attach_nothing(k);
	assert_true(err == -EBADF || err == -EPERM || err == -EINVAL || err == -ENOSYS);
	keeper_free(k);
}

/* Our only child. */
static pid_t keeper_pid(void)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", syscall(SYS_gettid));
	file = fopen(path, "re");
	if (file && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

static bool is_stopped(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%*d %*s %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state == 'T' || state == 't';
}

static void wait_stopped(pid_t pid)
{
	for (int i = 0; i < SECONDS * 100 && !is_stopped(pid); i++)
		poll(NULL, 0, 10);
	assert_true(is_stopped(pid));
}

/* One that was stopped goes on when there is something to do. */
static void test_stopped(void **state)
{
	int pipe_fds[2];
	struct keeper *k;
	uint64_t begun = monotonic_ns();

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(keeper_new(NULL, &k), 0);
	assert_int_equal(kill(keeper_pid(), SIGSTOP), 0);
	wait_stopped(keeper_pid());
	assert_int_equal(keeper_close(k, &pipe_fds[1], 1), 0);
	assert_true(hangs_up(pipe_fds[0]));
	assert_int_equal(kill(keeper_pid(), SIGSTOP), 0);
	keeper_free(k);
	assert_true(monotonic_ns() - begun < SECONDS * NS_PER_SEC);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	close(pipe_fds[0]);
}

/* What a debugger holds does not go on: then it is done without it, once. */
static void test_traced(void **state)
{
	int pipe_fds[2], other[2];
	struct keeper *k;
	pid_t pid;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(keeper_new(NULL, &k), 0);
	pid = keeper_pid();
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL)) {
		keeper_free(k);
		skip();
	}
	wait_stopped(pid);
	assert_int_equal(keeper_close(k, &pipe_fds[1], 1), 0);
	assert_true(hangs_up(pipe_fds[0]));
	/* The number has a new meaning by the time it goes on; what was taken back is not done. */
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
	close(pipe_fds[0]);
	assert_int_equal(keeper_close(k, &other[0], 1), 0);
	assert_true(fcntl(other[1], F_GETFD) >= 0);
	keeper_free(k);
	close(other[1]);
}

/* Holds it for so long. */
static pid_t hold(pid_t pid, int ms)
{
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		if (!ptrace(PTRACE_SEIZE, pid, NULL, NULL) &&
		    !ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) &&
		    waitpid(pid, NULL, __WALL) == pid && write(ready[1], "x", 1) == 1)
			poll(NULL, 0, ms);
		_exit(0); /* which lets it go */
	}
	close(ready[1]);
	if (child > 0 && read(ready[0], &byte, 1) != 1) {
		waitpid(child, NULL, 0);
		child = 0;
	}
	close(ready[0]);
	return child;
}

/* A machine that has much to do may not run it for longer than it takes to do things without it:
 * what it alone can do is waited for, and is no error. */
static void test_guard_waits(void **state)
{
	int pipe_fds[2];
	struct keeper *k;
	pid_t holder;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(keeper_new(NULL, &k), 0);
	holder = hold(keeper_pid(), 2000);
	if (holder <= 0) {
		keeper_free(k);
		skip();
	}
	assert_int_equal(keeper_guard(k, pipe_fds[0], NULL), 0);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
	/* For ever it does not wait, and what it took back is not done later. */
	keeper_set_patience(k, NS_PER_SEC / 5);
	holder = hold(keeper_pid(), 1000 * SECONDS);
	assert_true(holder > 0);
	assert_int_equal(keeper_guard(k, pipe_fds[0], NULL), -ETIMEDOUT);
	assert_true(keeper_settled(k));
	assert_int_equal(kill(holder, SIGKILL), 0);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
	keeper_free(k);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* A socket whose close waits for `seconds`, or until the peer is closed, who takes nothing any
 * more. */
static int slow_to_close(int seconds, int *ret_peer)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = seconds};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	static const char junk[65536];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	*ret_peer = accept(listener, NULL, NULL);
	assert_true(*ret_peer >= 0);
	close(listener);
	for (int idle = 0; idle < 20;) {
		if (send(fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
			idle = 0;
		else if (++idle)
			poll(NULL, 0, 5);
	}
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

static void wait_settled(struct keeper *k)
{
	for (int i = 0; i < SECONDS * 100 && !keeper_settled(k); i++)
		poll(NULL, 0, 10);
	assert_true(keeper_settled(k));
}

/* What the kernel does not come to an end with is waited for only so long. */
static void test_held_up(void **state)
{
	int slow, peer, pipe_fds[2];
	struct keeper *k;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(keeper_new(NULL, &k), 0);
	keeper_set_patience(k, NS_PER_SEC / 5);
	slow = slow_to_close(SECONDS, &peer);
	assert_int_equal(keeper_close(k, &slow, 1), -ETIMEDOUT);
	assert_false(keeper_settled(k));
	assert_int_equal(keeper_close(k, &pipe_fds[1], 1), -EBUSY);
	assert_true(fcntl(pipe_fds[1], F_GETFD) >= 0);
	close(peer);
	wait_settled(k);
	assert_true(fcntl(slow, F_GETFD) < 0);
	keeper_set_patience(k, SECONDS * NS_PER_SEC);
	assert_int_equal(keeper_close(k, &pipe_fds[1], 1), 0);
	assert_true(hangs_up(pipe_fds[0]));
	keeper_free(k);
	close(pipe_fds[0]);
}

/* Who is freed while the kernel does not come to an end is left to itself, with the descriptors; of
 * our memory nothing is kept for it. (The address sanitizer looks.) */
static void test_left_to_itself(void **state)
{
	int slow, peer;
	struct keeper *k;
	pid_t pid;

	assert_int_equal(keeper_new(NULL, &k), 0);
	pid = keeper_pid();
	keeper_set_patience(k, NS_PER_SEC / 5);
	slow = slow_to_close(SECONDS, &peer);
	assert_int_equal(keeper_close(k, &slow, 1), -ETIMEDOUT);
	keeper_free(k);
	assert_int_equal(kill(pid, 0), 0);
	close(peer);
	for (int i = 0; i < SECONDS * 100 && fcntl(slow, F_GETFD) >= 0; i++)
		poll(NULL, 0, 10);
	assert_true(fcntl(slow, F_GETFD) < 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, __WALL), pid);
}

/* The tracer is stopped, and somebody wants to write to the file: the keeper lets go of it, and
 * first clears the word that says that nothing is missed. */
static void test_clears(void **state)
{
	volatile __u64 *word = mmap(NULL, sizeof(*word), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[] = "/tmp/test_keeper.XXXXXX";
	int file = mkstemp(path), status;
	pid_t child;

	assert_true(file >= 0 && word != MAP_FAILED);
	close(file);
	*word = 7;
	child = fork();
	if (child == 0) {
		struct keeper *k;
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		signal(SIGIO, SIG_IGN);
		if (!fcntl(fd, F_SETLEASE, F_RDLCK) && !keeper_new(NULL, &k) &&
		    !keeper_guard(k, fd, word))
			raise(SIGSTOP);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(*word, 7);
	file = open(path, O_WRONLY | O_CLOEXEC); /* waits for it */
	assert_true(file >= 0);
	assert_int_equal(*word, 0);
	close(file);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	unlink(path);
	munmap((void *)(uintptr_t)word, sizeof(*word));
}

/* Asked to end: no attaching is waited for, not even one that nobody has begun. */
static void test_asked(void **state)
{
	atomic_bool asked = true;
	struct keeper *k;
	int slow, peer;

	assert_int_equal(keeper_new(&asked, &k), 0);
	keeper_set_patience(k, NS_PER_SEC / 5);
	slow = slow_to_close(SECONDS, &peer);
	assert_int_equal(keeper_close(k, &slow, 1), -ETIMEDOUT);
	assert_int_equal(attach_nothing(k), -EBUSY);
	close(peer);
	wait_settled(k);
	if (!ptrace(PTRACE_SEIZE, keeper_pid(), NULL, NULL) &&
	    !ptrace(PTRACE_INTERRUPT, keeper_pid(), NULL, NULL)) {
		wait_stopped(keeper_pid());
		assert_int_equal(attach_nothing(k), -EINTR);
	}
	keeper_free(k);
}

static void killed(bool stopped)
{
	int held[2], ready[2], status;
	char byte;
	pid_t child;

	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		struct keeper *k;

		if (keeper_new(NULL, &k) == 0 && (!stopped || kill(keeper_pid(), SIGSTOP) == 0)) {
			if (stopped)
				wait_stopped(keeper_pid());
			(void)!write(ready[1], "", 1);
		}
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

static void test_killed(void **state)
{
	killed(false);
}

/* Nobody is left to tell it to go on. */
static void test_killed_with_stopped_keeper(void **state)
{
	killed(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closes_ours),
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_attach_error),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_traced),
		cmocka_unit_test(test_guard_waits),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_left_to_itself),
		cmocka_unit_test(test_clears),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_killed_with_stopped_keeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
