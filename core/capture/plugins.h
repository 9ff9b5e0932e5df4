/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The probes in a program's plugins (core/target/parts.h): the same as in the program, at the sites
 * that each plugin's own copies of the runtime's functions have, in the processes that loaded it.
 * Not thread-safe: capture.c's lock guards it.
 */
#ifndef XGOTOPFS_CAPTURE_PLUGINS_H
#define XGOTOPFS_CAPTURE_PLUGINS_H

#include <stdatomic.h>

#include "core/capture/program.h"
#include "core/target/parts.h"

struct plugins;

int plugins_new(struct program *program, const atomic_bool *asked, struct plugins **ret);
void plugins_free(struct plugins *p); /* NULL is fine */

/* Part k, which was read from `fd`; borrowed, as is the target. 0 or -errno. */
int plugins_add(struct plugins *p, unsigned k, const struct target *part, int fd);
/* What is attached in part k is so in this process, too. -ESRCH (unlogged), -ESTALE: the file was
 * changed since it was read; others as probes_add_process(). */
int plugins_enter(struct plugins *p, unsigned k, pid_t pid);
void plugins_leave(struct plugins *p, pid_t pid);
/* Attaches what gives `wanted` (enum target_want), then detaches what does not; 0: everything. The
 * first error, but all are tried. */
int plugins_apply(struct plugins *p, unsigned wanted);
/* Detaches from each whose file was changed since it was read: bits 1 << k. */
unsigned plugins_changed(struct plugins *p);
/* No link of ours is left, the kernel has let go of all. */
bool plugins_gone(struct plugins *p);
/* The sites in use; how many there are. */
size_t plugins_sites(const struct plugins *p, struct probe_site *ret, size_t max);

#endif
