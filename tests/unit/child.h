/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A program that a test runs and looks at; included after cmocka.h. */
#ifndef XGOTOPFS_TESTS_CHILD_H
#define XGOTOPFS_TESTS_CHILD_H

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_ARGS_MAX 4

/* `argv` ends with NULL. Returns what it prints. It ends with us, also when an assertion ends us:
 * who runs the tests waits for its output. */
static inline FILE *child_spawn(char *const argv[], pid_t *ret_pid)
{
	char *all[3 + CHILD_ARGS_MAX + 1] = {(char *)"setpriv", (char *)"--pdeathsig",
					     (char *)"KILL"};
	char *envp[] = {NULL};
	posix_spawn_file_actions_t actions;
	FILE *out;
	int fds[2];

	for (unsigned i = 0; argv[i]; i++) {
		assert_true(i < CHILD_ARGS_MAX);
		all[3 + i] = argv[i];
	}
	assert_int_equal(pipe(fds), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	assert_int_equal(posix_spawnp(ret_pid, all[0], &actions, NULL, all, envp), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	out = fdopen(fds[0], "r");
	assert_non_null(out);
	return out;
}

static inline void child_end(pid_t pid, FILE *out)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fclose(out);
}

#endif
