/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The attached probes. Sites of one kind belong together: they are attached and detached as a
 * group, with one uprobe_multi link where the kernel has those, with a perf event link each
 * elsewhere. Never an inheriting perf event, which breaks clone() in the target.
 * Not thread-safe: capture.c's lock guards it.
 */
#ifndef XGOTOPFS_CAPTURE_PROBES_H
#define XGOTOPFS_CAPTURE_PROBES_H

#include <stdatomic.h>

#include "core/capture/program.h"

struct probes;

/*
 * `path` names the binary for as long as the set lives. The probes are in every process that maps
 * it (PROBES_ALL), in one, or in those that probes_add_process() names (PROBES_NAMED). `asked`
 * (NULL: nothing does) says that attaching is not to be waited for any longer.
 */
#define PROBES_ALL   0
#define PROBES_NAMED (-1)
int probes_new(struct program *program, const char *path, pid_t pid, const atomic_bool *asked,
	       struct probes **ret);
/* Before anything is attached: the file is a plugin's. */
void probes_of_plugin(struct probes *p);
/* Detaches all; what the kernel does not let go of now goes when this process has ended. */
void probes_free(struct probes *p);

/* Attaches those of sites[] that are not attached yet. On failure none of them stays: -ESRCH when
 * the process is gone, -EPERM, -ENOSPC (more than WIRE_SITES_MAX), -ETIMEDOUT, -EBUSY or -EINTR
 * (keeper.h), … ; one line was logged. */
int probes_attach(struct probes *p, const struct probe_site *sites, size_t n);
/* Detaches what is not among sites[], all at the same time; n = 0 detaches everything. Once it
 * returns 0, no program runs any more; -ETIMEDOUT or -EBUSY: the kernel has not let go of them yet,
 * and until it has nothing can be attached in their place. */
int probes_keep(struct probes *p, const struct probe_site *sites, size_t n);

/* PROBES_NAMED: what is attached is so in this process, too, or no longer. Errors as above, -ESRCH
 * unlogged. */
int probes_add_process(struct probes *p, pid_t pid);
int probes_remove_process(struct probes *p, pid_t pid);
/* Is what is attached so in this process? */
bool probes_are_in(const struct probes *p, pid_t pid);

/* CPU time that attaching and detaching took besides this thread's, ns. */
uint64_t probes_cpu_ns(const struct probes *p);
/* No link of ours is left, the kernel has let go of all. */
bool probes_gone(struct probes *p);

/* Links only while the read lease on `fd` (-1: whatever leases there are) is held: keeper_guard(),
 * keeper_has_let_go(). */
int probes_guard(struct probes *p, int fd);
/* As if made with PROBES_NAMED, with no lease to be had. Nothing is attached yet. */
int probes_name(struct probes *p);
bool probes_have_let_go(struct probes *p);

bool probes_attached(const struct probes *p, const struct probe_site *site);

#endif
