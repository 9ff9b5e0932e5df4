/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -b PATH: another file may come to be what the path names, by rename(2), by unlink and creat, by a
 * link on its way that leads elsewhere. It gets an image of its own; who runs the one before is
 * traced until he ends. Looked at once a second, and whenever a process executes something. Main
 * thread, but for what is marked.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/engine/traced_internal.h"

static bool same_file(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* The image that is in this file, or n_images. It cannot be another file with an old one's number:
 * the capture has the old one open. */
static unsigned image_in(const struct traced *t, const struct file_stamp *file)
{
	struct file_stamp stamp;
	unsigned k = 0;

	while (k < t->n_images && (file_stamp_path(capture_path(t->images[k]->capture), &stamp) ||
				   !same_file(&stamp, file)))
		k++;
	return k;
}

/* "": nothing is wrong. */
static void set_why(struct traced *t, const char *why)
{
	pthread_rwlock_wrlock(&t->lock);
	(void)snprintf(t->path_why, sizeof(t->path_why), "%s", why);
	pthread_rwlock_unlock(&t->lock);
}

/* A release is taken back: the file is one of before, whose processes may still run. */
static void return_to(struct traced *t, unsigned k)
{
	struct traced_image *i = t->images[k];

	traced_images_first(t, k);
	set_why(t, "");
	log_info("%s is a file of before again (built with %s): following it", t->c.watch,
		 target_go_version(i->target));
}

static int open_it(const struct traced *t, struct target **ret, char *why, size_t why_size)
{
	struct target *target;
	int err = target_open_why(t->c.watch, &target, why, why_size);

	if (err)
		return err;
	if (strcmp(target_arch(target), target_arch(traced_now(t)->target)) != 0) {
		target_free(target);
		(void)snprintf(why, why_size, "it is a program for another machine");
		return -ENOEXEC;
	}
	*ret = target;
	return 0;
}

/* It may be half written. What is wrong with it is said once it has stayed so for a second. */
static void try_it(struct traced *t)
{
	struct traced_image *before = traced_now(t);
	struct target *target;
	char why[512] = "";
	int err = open_it(t, &target, why, sizeof(why));

	if (!err)
		err = traced_adopt(t, target);
	t->path_tried = err != -ESTALE;
	if (traced_now(t) != before) {
		if (err)
			traced_cannot(t, err == -ENOEXEC ? "no probe can be placed in it"
							 : strerror(-err));
		else
			log_info("%s is another file now (built with %s): following it", t->c.watch,
				 target_go_version(traced_now(t)->target));
		set_why(t, "");
		t->c.another(t->c.ctx);
		return;
	}
	if (err != -ESTALE)
		(void)snprintf(t->path_pending, sizeof(t->path_pending), "%s",
			       *why ? why : strerror(-err));
}

static void say_pending(struct traced *t)
{
	if (!t->path_pending[0])
		return;
	/* Who reads this word finds it in health. */
	set_why(t, t->path_pending);
	log_warn("%s is another file now, which cannot be traced (%s): its processes are not "
		 "followed, those of the one before are",
		 t->c.watch, t->path_pending);
	t->path_pending[0] = '\0';
}

void traced_path_look(struct traced *t)
{
	struct file_stamp file;
	unsigned k;

	if (!t->c.watch)
		return;
	atomic_store(&t->path_moved, false);
	if (file_stamp_path(t->c.watch, &file)) {
		if (!t->path_gone)
			log_info("%s is not there any more: its processes are followed on, and "
				 "what comes in its place will be",
				 t->c.watch);
		t->path_gone = true;
		return;
	}
	t->path_gone = false;
	k = image_in(t, &file);
	if (k == t->n_images) {
		if (t->path_tried && file_stamp_same(&file, &t->path_stamp)) {
			say_pending(t);
			return;
		}
		t->path_stamp = file;
		t->path_pending[0] = '\0';
		try_it(t);
	} else if (k) {
		return_to(t, k);
	} else if (t->path_why[0]) {
		set_why(t, "");
	}
	t->path_tried = t->path_tried && k == t->n_images;
	atomic_store(&t->path_ino, file.ino);
}

/* On a capture's thread. */
void traced_path_executed(struct traced *t)
{
	struct file_stamp file;

	if (!t->c.watch || file_stamp_path(t->c.watch, &file) ||
	    file.ino == atomic_load(&t->path_ino) || atomic_exchange(&t->path_moved, true))
		return;
	t->c.file(t->c.ctx);
}
