/*
 * The attached probes. Sites of one kind belong together: they are attached and detached as a
 * group, with one uprobe_multi link where the kernel has those, with a perf event link each
 * elsewhere. Never an inheriting perf event, which breaks clone() in the target (GO_RUNTIME:
 * section 0). Not thread-safe: capture.c's lock guards it.
 */
#ifndef XGOTOPFS_CAPTURE_PROBES_H
#define XGOTOPFS_CAPTURE_PROBES_H

#include "core/capture/program.h"

struct probes;

/* `path` names the binary for as long as the set lives. pid 0: every process that maps it. */
int probes_new(struct program *program, const char *path, pid_t pid, struct probes **ret);
/* Detaches all. */
void probes_free(struct probes *p);

/* Attaches those of sites[] that are not attached yet. On failure none of them stays: -ESRCH when
 * the process is gone, -EPERM, -ENOSPC (more than WIRE_SITES_MAX), … ; one line was logged. */
int probes_attach(struct probes *p, const struct probe_site *sites, size_t n);
/* Detaches what is not among sites[], all at the same time; n = 0 detaches everything. Once it
 * returns, no program runs any more. */
void probes_keep(struct probes *p, const struct probe_site *sites, size_t n);

bool probes_attached(const struct probes *p, const struct probe_site *site);

#endif
