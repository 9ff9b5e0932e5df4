/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A live program under trace, as an engine's source: capture and memory of one binary, which may
 * become another one while it is watched. What is captured goes into the model.
 *
 * Made, started and ended on the main thread, the source's functions are for any.
 */
#ifndef XGOTOPFS_ENGINE_TRACED_H
#define XGOTOPFS_ENGINE_TRACED_H

#include <stdatomic.h>

#include "core/engine/source.h"
#include "core/target/target.h"

struct traced;

struct traced_config {
	struct model *model; /* borrowed */
	pid_t pid;           /* one process; 0: all of the binary, now and later */
	const char *path;    /* of the binary, as people know it; outlives this */
	const char *watch;   /* the same as it was given: what is there is traced. NULL: path is
				not looked at any more */
	unsigned readers;
	size_t ring_bytes; /* of each, as capture_config's */
	unsigned cpu_hz;   /* the same */
	uint32_t rates[RATES];
	bool without_bpf;         /* memory alone: as capture_config's */
	const atomic_bool *asked; /* somebody wants an end: attaching is not to be waited for */

	/* What is told, on any thread; none may block. */
	void *ctx;
	void (*arrived)(void *ctx, unsigned proc); /* a process, which is in the model now */
	void (*ended)(void *ctx);                  /* one has */
	void (*lost)(void *ctx);                   /* events were, of any of them */
	void (*file)(void *ctx);                   /* traced_file_changed() has to look */
	/* From traced_file_changed(): another program is traced from now on, or the same again,
	 * after somebody had it open for writing. What began before its probes were in is not
	 * known by events. */
	void (*another)(void *ctx);
};

/* Decodes, measures, loads; attaches nothing. `target` is taken over, whatever happens. -EAGAIN (it
 * is being changed), -ESRCH (the process is gone), -EPERM, -ENOTSUP, -EIO: one line was logged. */
int traced_new(const struct traced_config *config, struct target *target, struct traced **ret);
const struct source *traced_source(const struct traced *t);
/* 0 or -errno, as capture_attach() and capture_start(). */
int traced_attach(struct traced *t);
int traced_start(struct traced *t);
/* What reads memory of the traced processes ends soon, with -ECANCELED. NULL is fine. */
void traced_end_reading(struct traced *t);
/* Detaches and delivers what was captured; nothing is told any more. NULL is fine. */
void traced_stop(struct traced *t);
void traced_free(struct traced *t); /* NULL is fine */

/* Main thread: the program as it is now, how many of its processes live. */
const struct target *traced_target(const struct traced *t);
int traced_processes(const struct traced *t);
/* Main thread, one process: it has ended, or executes what cannot be traced (*ret_other: "PATH now,
 * which …"; else NULL). */
bool traced_over(const struct traced *t, const char **ret_other);
/* Attaching again will take CAP_SYS_ADMIN (capture.h). */
bool traced_needs_admin(const struct traced *t);

/* Main thread: what became of the file, when `file` told, and once a second. */
void traced_file_changed(struct traced *t);
void traced_file_tick(struct traced *t);

#endif
