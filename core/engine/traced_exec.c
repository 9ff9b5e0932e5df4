/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -pid and -- COMMAND: the process has executed another program, or the same one again. The model
 * has the end of what it was before (capture_sink.process_execed). Here the new program is found:
 * the same file goes on with the same capture, another Go program gets an image of its own,
 * anything else is the end. Main thread.
 *
 * A launcher executes in a chain (a shell, env, the program): what is not a Go program has a second
 * to execute one.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/engine/traced_internal.h"
#include "core/target/go_file.h"
#include "core/target/process.h"

#define CHAIN_NS    NS_PER_SEC
#define CHAIN_TRIES 16 /* programs at once; then the next second */

static void begun(struct traced *t)
{
	t->exec_ns = monotonic_ns();
	t->exec_found = false;
}

static void settled(struct traced *t)
{
	t->exec_ns = 0;
	t->exec_found = false;
}

/* Not a program to trace, or gone. */
static void give_up(struct traced *t, const char *why)
{
	char path[PATH_MAX];

	if (monotonic_ns() - t->exec_ns < CHAIN_NS)
		return;
	process_binary(t->c.pid, path, sizeof(path));
	settled(t);
	if (path[0])
		(void)snprintf(t->other, sizeof(t->other), "%s now, which cannot be traced%s%s",
			       path, *why ? ": " : "", why);
}

/* The same file. Its process is told of by the capture, maybe later than this. */
static void same_again(struct traced *t)
{
	int proc = model_proc_by_pid(t->c.model, t->c.pid);
	struct proc_info info;

	if (proc < 0 || model_proc_living(t->c.model, (unsigned)proc, &info))
		return;
	if (!t->exec_found)
		log_info("process %d executes %s again (%s): following it anew", t->c.pid,
			 info.binary_path, info.go_version);
	/* What it did before the probes were in it again is read from its memory. */
	t->c.arrived(t->c.ctx, (unsigned)proc);
	t->reread_ns = monotonic_ns() + NS_PER_SEC;
	settled(t);
}

/* 0: another image is the newest now. -ESTALE: it is being changed, or was executed again. */
static int another_file(struct traced *t, char *why, size_t why_size)
{
	cleanup_(go_program_close) struct go_program program;
	struct target *target;
	int err = go_program_open_why(t->c.pid, &target, &program, why, why_size);

	if (err)
		return err;
	if (strcmp(target_arch(target), target_arch(traced_now(t)->target)) != 0) {
		target_free(target);
		snprintf(why, why_size, "it is a program for another machine");
		return -ENOEXEC;
	}
	return traced_adopt(t, target);
}

static void say_followed(const struct traced *t)
{
	char path[PATH_MAX];

	process_binary(t->c.pid, path, sizeof(path));
	log_info("process %d executes %s now (%s): following it", t->c.pid, path,
		 target_go_version(traced_now(t)->target));
}

/* true: look again at once. */
static bool look(struct traced *t)
{
	const struct traced_image *before = traced_now(t);
	char why[512] = "";
	int err = capture_executed(before->capture);

	if (!err) {
		same_again(t);
		return false;
	}
	if (err == -ESTALE)
		err = another_file(t, why, sizeof(why));
	if (!err)
		say_followed(t);
	else if (err != -ESTALE)
		give_up(t, *why ? why : err == -ESRCH || err == -ENOENT ? "" : strerror(-err));
	if (traced_now(t) == before)
		return err == -ESTALE;
	t->exec_found = true;
	traced_images_end(t, 1);
	t->c.another(t->c.ctx);
	/* Is it still what was opened? */
	return !err || err == -ESTALE || err == -ESRCH;
}

void traced_executed(struct traced *t)
{
	if (!t->c.pid || t->other[0])
		return;
	if (atomic_exchange(&t->executed, false))
		begun(t);
	for (unsigned n = 0; n < CHAIN_TRIES && t->exec_ns && look(t); n++)
		if (atomic_exchange(&t->executed, false))
			begun(t);
}

/* A runtime that has only begun has not set up what is read: what it did between that reading and
 * the probes is found a second later. */
void traced_exec_tick(struct traced *t)
{
	int proc = model_proc_by_pid(t->c.model, t->c.pid);

	if (!t->reread_ns || monotonic_ns() < t->reread_ns)
		return;
	t->reread_ns = 0;
	if (proc >= 0)
		t->c.arrived(t->c.ctx, (unsigned)proc);
}

bool traced_over(const struct traced *t, const char **ret_other)
{
	*ret_other = t->other[0] ? t->other : NULL;
	if (t->other[0])
		return true;
	/* In this order: the last end is told after it is said that something is executed. */
	return !traced_processes(t) && !atomic_load(&t->executed) && !t->exec_ns;
}
