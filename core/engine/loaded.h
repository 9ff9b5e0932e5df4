/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the traced processes have mapped, held against what is probed. Is their Go code still that
 * of the file (probes are in files; code that was copied to other memory has none)? Have they
 * loaded plugins, which are probed from then on, or another Go runtime, which is not? Looked at
 * when a process is first seen and then from time to time, a bounded number of processes a second,
 * on a thread of its own. What is found is said once, and stands in health from then on.
 */
#ifndef XGOTOPFS_ENGINE_LOADED_H
#define XGOTOPFS_ENGINE_LOADED_H

#include "core/base/buf.h"

struct loaded;
struct loaded_files;
struct traced;

int loaded_new(struct traced *traced, struct loaded **ret);
/* Looks at all processes there are now: what is found is not late. Before the thread is there. */
void loaded_look(struct loaded *l);
/* Starts the thread. 0 or -errno, logged. */
int loaded_start(struct loaded *l);
/* Ends the thread, which may read the target: NULL is fine. */
void loaded_stop(struct loaded *l);
void loaded_free(struct loaded *l); /* NULL is fine */

/* With an image (traced_internal.h) goes what is remembered of its processes' files. NULL is fine.
 */
void loaded_files_free(struct loaded_files *files);

/* What of this process is not traced, in one line; nothing is added when all of it is. Any thread.
 */
void loaded_unseen(struct loaded *l, unsigned proc, struct buf *out);

#endif
