/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process that keeps the right to unmount, so that the one that serves can give it up: with
 * CAP_SYS_ADMIN and nothing else, or, for a user without it, able to run fusermount3. It holds no
 * descriptor of ours, ends when we do (soon after, when we were killed and it is to clear up), and
 * unmounts one place, once. Not thread-safe.
 */
#ifndef XGOTOPFS_FS_UNMOUNTER_H
#define XGOTOPFS_FS_UNMOUNTER_H

#include <stdbool.h>

struct unmounter;

/* Before mounting on `path`, or it would hold /dev/fuse. 0 or -errno. */
int unmounter_new(const char *path, struct unmounter **ret);
/* Unmounts lazily. 0, -ECHILD (it is gone), -ETIMEDOUT (it does so yet, also when we have ended),
 * -ESTALE (what is mounted there is not ours, and stays), or what unmounting gave. */
int unmounter_ask(struct unmounter *u);
/* Once it is mounted: from now on no other mount is taken for ours. With `watch`, where we end
 * without having asked, it removes the dead mount that we leave. With CAP_SYS_ADMIN nothing else
 * does; for a user without it fusermount3 (auto_unmount) looks once before, and not rarely before
 * the kernel has closed the device. */
void unmounter_mounted(struct unmounter *u, bool watch);
/* The same as unmounter_ask() for who ends at once and can wait for nothing: a descriptor, the
 * caller's to close, that takes *ret_word, or -errno. */
int unmounter_line(const struct unmounter *u, char *ret_word);
void unmounter_free(struct unmounter *u); /* ends it, but one that is late; NULL is fine */

#endif
