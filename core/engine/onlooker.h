/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A live process as an engine's source, by its memory alone: no BPF is loaded and nothing is
 * attached, so it takes no more than the right to read that memory (CAP_SYS_PTRACE). No event ever
 * comes of it. Made and freed on one thread; the source's functions are for any.
 */
#ifndef XGOTOPFS_ENGINE_ONLOOKER_H
#define XGOTOPFS_ENGINE_ONLOOKER_H

#include "core/engine/source.h"
#include "core/target/target.h"

struct onlooker;

/* All are borrowed. `path`: of the binary, as people know it. The process is added to the model as
 * its first. 0, -EMFILE, -ENOMEM. */
int onlooker_new(struct model *model, const struct target *target, pid_t pid, const char *path,
		 struct onlooker **ret);
void onlooker_free(struct onlooker *o); /* NULL is fine */
const struct source *onlooker_source(const struct onlooker *o);

#endif
