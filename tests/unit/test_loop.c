/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signals reach the loop, end the process when it does not answer, and a step that hangs is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/exit_status.h"
#include "app/loop.h"
#include "core/base/log.h"
#include "core/base/util.h"
#include "core/base/wait.h"

#define MOMENT_NS (NS_PER_SEC / 5)
#define LATER_MS  400 /* a signal that comes then is a second one */
#define LONG_NS   (20 * NS_PER_SEC)

struct child {
	pid_t pid;
	int out; /* its stderr, then a line for each LOOP_SIGNAL */
};

/* `fn` runs in a process with a loop, whose stderr is fds[1], and never returns. */
static struct child start_with(void (*fn)(struct loop *l), const int fds[2])
{
	struct child c;
	struct loop *l;
	sigset_t old;

	c.pid = fork();
	if (!c.pid) {
		dup2(fds[1], STDERR_FILENO);
		loop_block_signals(&old);
		if (loop_new(&l))
			_exit(99);
		(void)!write(STDERR_FILENO, "ready\n", 6);
		fn(l);
		_exit(98);
	}
	close(fds[1]);
	c.out = fds[0];
	return c;
}

static struct child start(void (*fn)(struct loop *l))
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	return start_with(fn, fds);
}

/* What it has said until `text`, or its end. */
static void hear(struct child *c, const char *text, char said[1024])
{
	size_t len = 0;
	ssize_t n = 1;

	said[0] = '\0';
	while (len < 1023 && n > 0 && !strstr(said, text)) {
		n = read(c->out, said + len, 1023 - len);
		len += n > 0 ? (size_t)n : 0;
		said[len] = '\0';
	}
	if (!strstr(said, text))
		fail_msg("'%s' lacks '%s'", said, text);
}

static int end_of(struct child *c)
{
	int status = 0;

	assert_int_equal(child_wait(c->pid, LONG_NS, &status), 0);
	close(c->out);
	return status;
}

/* A later signal, and another one: it may have come to the first only now. */
static void insist(struct child *c, int signo)
{
	struct pollfd said = {.fd = c->out, .events = POLLIN};

	do
		assert_int_equal(kill(c->pid, signo), 0);
	while (poll(&said, 1, LATER_MS) == 0);
}

static _Noreturn void sleep_on(struct loop *l)
{
	for (;;)
		pause();
}

/* The main thread is stuck: the first signal changes nothing, a second one ends it by itself. */
static void test_second(void **state)
{
	struct child c = start(sleep_on);
	char said[1024];
	int status;

	hear(&c, "ready", said);
	/* Stopped, it has both before it looks, whoever is made to wait here. */
	assert_int_equal(kill(c.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(c.pid, &status, WUNTRACED), c.pid);
	assert_int_equal(kill(c.pid, SIGINT), 0);
	assert_int_equal(kill(c.pid, SIGTERM), 0); /* with the first one */
	assert_int_equal(kill(c.pid, SIGCONT), 0);
	poll(NULL, 0, LATER_MS);
	assert_int_equal(waitpid(c.pid, &status, WNOHANG), 0);
	insist(&c, SIGTERM);
	hear(&c, "at once", said);
	status = end_of(&c);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void tell_signals(struct loop *l)
{
	for (int n = 0; n < 3;) {
		if (!(loop_wait(l) & LOOP_SIGNAL))
			continue;
		n++;
		loop_signal_passed_on(l);
		(void)!write(STDERR_FILENO, "signal\n", 7);
	}
	loop_free(l);
	_exit(7);
}

/* Those that are handed on are first ones each. */
static void test_passed_on(void **state)
{
	struct child c = start(tell_signals);
	char said[1024];
	int status;

	hear(&c, "ready", said);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kill(c.pid, SIGINT), 0);
		hear(&c, "signal", said);
		poll(NULL, 0, LATER_MS);
	}
	status = end_of(&c);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void hang_in_step(struct loop *l)
{
	loop_set_patience(l, MOMENT_NS);
	loop_ending(l, "a quick one");
	loop_ending_by_itself(l, "one of its own");
	poll(NULL, 0, LATER_MS);
	loop_ending(l, "feeding the cat");
	sleep_on(l);
}

/* No signal at all, and then one in a main thread that never gets to its end. */
static void test_step(void **state)
{
	struct child c = start(hang_in_step);
	char said[1024];
	int status;

	hear(&c, "feeding the cat", said);
	assert_non_null(strstr(said, "what was attached is taken out with this process"));
	assert_null(strstr(said, "a quick one"));
	assert_null(strstr(said, "one of its own"));
	status = end_of(&c);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_ERROR);
}

static void hang_at_once(struct loop *l)
{
	loop_set_patience(l, MOMENT_NS);
	sleep_on(l);
}

static void test_asked(void **state)
{
	struct child c = start(hang_at_once);
	char said[1024];
	int status;

	hear(&c, "ready", said);
	poll(NULL, 0, LATER_MS); /* nothing is asked for, nothing ends it */
	assert_int_equal(kill(c.pid, SIGINT), 0);
	status = end_of(&c);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_ERROR);
}

static void start_slowly(struct loop *l)
{
	loop_starting(l, "a quick one");
	loop_starting(l, "looking for the cat");
	/* Bit by bit: a machine that stands still takes one of them from who is to tell. */
	for (int i = 0; i < 125; i++)
		poll(NULL, 0, 20);
	loop_starting(l, NULL);
	poll(NULL, 0, LATER_MS);
	(void)!write(STDERR_FILENO, "started\n", 8);
	sleep_on(l);
}

/* What takes a second is told where somebody sits before it, once; a script reads errors alone. */
static void test_slow_start(void **state)
{
	int fds[2];
	char said[1024];
	struct child c;

	fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fds[0] >= 0 && !grantpt(fds[0]) && !unlockpt(fds[0]));
	fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fds[1] >= 0);
	for (int terminal = 1; terminal >= 0; terminal--) {
		c = terminal ? start_with(start_slowly, fds) : start(start_slowly);
		hear(&c, "started", said);
		assert_null(strstr(said, "a quick one"));
		if (terminal) {
			const char *told = strstr(said, "xgotopfs: starting, ");

			assert_non_null(told);
			assert_non_null(strstr(told, " s so far: looking for the cat"));
			assert_null(strstr(told + strlen("xgotopfs: starting"), "starting"));
		} else {
			assert_null(strstr(said, "starting"));
		}
		assert_int_equal(kill(c.pid, SIGKILL), 0);
		(void)end_of(&c);
	}
}

/* A signal while it attaches: an end that was asked for, and no error. Whatever else fails is one.
 */
static void test_asked_while_it_starts(void **state)
{
	(void)log_error(-EINTR, "interrupted");
	assert_int_equal(exit_status_of_start(-EINTR, true), EXIT_FINE);
	assert_int_equal(exit_status_of_start(-ECANCELED, true), EXIT_FINE);
	assert_int_equal(exit_status_of_start(-EINTR, false), EXIT_ERROR);
	assert_int_equal(exit_status_of_start(-ESRCH, true), EXIT_GONE);
	assert_int_equal(exit_status_of_start(-EIO, true), EXIT_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second),     cmocka_unit_test(test_passed_on),
		cmocka_unit_test(test_step),       cmocka_unit_test(test_asked),
		cmocka_unit_test(test_slow_start), cmocka_unit_test(test_asked_while_it_starts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
