/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The traced file and what becomes of it: whoever wants to write to it has made capture take the
 * probes out; when it is another program afterwards, this makes an image of that one. Old processes
 * stay as they were in the model, new ones are read with the new program's tables. Main thread, but
 * for traced_file_health().
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/engine/traced_internal.h"

/* A writer that takes no longer is not worth a word. */
#define WRITER_NS NS_PER_SEC

/* --- another program in the same file --------------------------------------------------- */

void traced_cannot(struct traced *t, const char *why)
{
	pthread_rwlock_wrlock(&t->lock);
	snprintf(t->file_why, sizeof(t->file_why), "%s", why);
	pthread_rwlock_unlock(&t->lock);
	log_warn("%s was changed and cannot be traced now: %s", t->c.path, why);
}

static int open_new(struct traced *t, struct target **ret)
{
	struct target *target;
	char why[512];
	int err = target_open_why(capture_path(traced_now(t)->capture), &target, why, sizeof(why));

	if (err) {
		if (err != -ESTALE)
			traced_cannot(t, *why ? why : strerror(-err));
		return err;
	}
	if (strcmp(target_arch(target), target_arch(traced_now(t)->target)) != 0) {
		target_free(target);
		traced_cannot(t, "it is a program for another machine");
		return -ENOEXEC;
	}
	*ret = target;
	return 0;
}

/* -ESTALE: it is being changed again. */
static int take_new_file(struct traced *t)
{
	const struct traced_image *before = traced_now(t);
	struct target *target;
	int err = open_new(t, &target);

	if (err)
		return err;
	err = traced_adopt(t, target);
	/* There are no processes of the old one, unless the kernel lets people write to a file that
	 * is executed (Linux 6.11). */
	if (traced_now(t) != before)
		traced_images_end(t, 1);
	if (err) {
		if (err != -ESTALE)
			traced_cannot(t, err == -ENOEXEC ? "no probe can be placed in it"
							 : strerror(-err));
		return err;
	}
	t->c.another(t->c.ctx);
	log_info("%s was changed: tracing it as it is now (%s)", t->c.path,
		 target_go_version(traced_now(t)->target));
	return 0;
}

/* --- what happened ---------------------------------------------------------------------- */

static void on_changed(struct traced *t)
{
	if (!t->c.pid) {
		t->file_retry = take_new_file(t) == -ESTALE;
		return;
	}
	/* Most often it has ended, and its end is about to be told. */
	if (kill(t->c.pid, 0) == 0)
		log_warn("%s was changed: process %d, which was started from it and runs something "
			 "else now, is not traced any more",
			 t->c.path, t->c.pid);
}

void traced_file_changed(struct traced *t)
{
	unsigned changes;
	enum capture_file file;

	if (atomic_load(&t->executed) || t->exec_ns)
		traced_executed(t);
	if (atomic_load(&t->path_moved))
		traced_path_look(t);
	file = capture_file(traced_now(t)->capture, &changes);
	if (file == t->file && changes == t->file_changes)
		return;
	t->file_changes = changes;
	t->file_since_ns = monotonic_ns();
	t->file = file;
	t->file_retry = false;
	switch (file) {
	case CAPTURE_CHANGED:
		on_changed(t);
		break;
	case CAPTURE_LOST:
		log_error(-EIO,
			  "%s was written to before its probes were out (this process was held up "
			  "for longer than fs.lease-break-time): it is not traced any more, and a "
			  "process started from it since may be damaged: restart that",
			  t->c.path);
		break;
	case CAPTURE_HELD:
	case CAPTURE_FOLLOWED:
		if (t->file_said)
			log_info("%s is not open for writing any more, and as it was: tracing goes "
				 "on",
				 t->c.path);
		t->c.another(t->c.ctx);
		break;
	case CAPTURE_UNTOUCHED:
		break;
	case CAPTURE_WRITER:
		return;
	}
	t->file_said = false;
}

void traced_file_tick(struct traced *t)
{
	if (t->exec_ns)
		traced_executed(t);
	traced_exec_tick(t);
	traced_path_look(t);
	traced_images_sweep(t);
	if (t->file_retry)
		on_changed(t);
	if (t->file != CAPTURE_WRITER || t->file_said ||
	    monotonic_ns() - t->file_since_ns < WRITER_NS)
		return;
	t->file_said = true;
	log_warn("%s is open for writing: it is not traced until that is over", t->c.path);
}

/* --- what is told of it ----------------------------------------------------------------- */

void traced_file_health(struct traced *t, struct health *ret)
{
	unsigned changes;
	enum capture_file file = capture_file(traced_now(t)->capture, &changes);
	const char *text = "";

	switch (file) {
	case CAPTURE_HELD:
		text = "as it was read, and watched over by a lease";
		break;
	case CAPTURE_FOLLOWED:
		text = "as it was read when its processes began: no lease keeps writers off it "
		       "here, so "
		       "each process has probes of its own, milliseconds after its start";
		ret->file_limited = !t->c.pid;
		break;
	case CAPTURE_WRITER:
		text = "open for writing by somebody: no probe until that is over";
		break;
	case CAPTURE_CHANGED:
		text = "another one than was read: no probe";
		break;
	case CAPTURE_UNTOUCHED:
		text = "as it was read; no probe comes into it";
		break;
	case CAPTURE_LOST:
		text = "written to before the probes were out: no probe any more; restart its "
		       "processes";
		break;
	}
	ret->file_trouble =
		file != CAPTURE_HELD && file != CAPTURE_FOLLOWED && file != CAPTURE_UNTOUCHED;
	(void)snprintf(ret->path_why, sizeof(ret->path_why), "%s", t->path_why);
	snprintf(ret->file, sizeof(ret->file), "%s", text);
	if (!t->file_why[0])
		return;
	snprintf(ret->file, sizeof(ret->file),
		 "another one than was read, and cannot be traced: %s", t->file_why);
	ret->file_trouble = true;
}
