/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parts of capture.h share: capture.c has what is called for and attached, capture_make.c
 * making and freeing, capture_file.c the traced file.
 */
#ifndef XGOTOPFS_CAPTURE_INTERNAL_H
#define XGOTOPFS_CAPTURE_INTERNAL_H

#include <pthread.h>

#include "core/capture/capture.h"
#include "core/capture/procs.h"
#include "core/target/file_copy.h"

struct capture {
	struct target *target;
	struct capture_sink sink;
	pid_t pid;
	int binary_fd; /* keeps the file reachable, deleted or not */
	char path[64]; /* /proc/self/fd/<binary_fd> */
	struct program *program;
	struct decode *decode;
	struct procs *procs;
	struct cpu_sampler *cpu; /* changed by who holds `changing` */
	struct cpu_names *cpu_names;
	struct pump *pump;
	pthread_mutex_t changing; /* held as long as the kernel takes; before lock */
	struct probes *probes;    /* protected by changing */
	struct plugins *plugins;  /* the same; NULL until there is one */
	const atomic_bool *asked;
	bool attached, over; /* the same */
	bool was_another;    /* the same: the file was another than the one that was decoded */
	struct guard *guard;
	struct runners *runners;    /* CAPTURE_FOLLOWED only */
	struct file_stamp stamp;    /* protected by changing: the file when it was compared last */
	bool left;                  /* the same: its links are those of a thread that is gone */
	int enter_err;              /* the same: why the last process could not be followed */
	pthread_mutex_t lock;       /* what is told of us; held for moments only */
	bool paused;                /* protected by lock; changed by who holds both */
	bool samples_alone;         /* the same: allocations are sampled, whatever the rates say */
	enum capture_file file;     /* the same */
	unsigned file_changes;      /* the same */
	uint64_t switching_ns;      /* the same */
	struct capture_price price; /* the same */
	struct probe_site *shown;   /* the same: the sites in use */
	size_t n_shown;
};

/* --- capture.c ---------------------------------------------------------------------------- */

/* Tells the BPF program. Where both could tell of a creation or an exit, casgstatus does. */
void capture_publish_rates(struct capture *c, const uint32_t rates[RATES]);
/* 0, -EINVAL. */
int capture_check_rates(const uint32_t rates[RATES]);
/* Of enum want: what the rates call for; nothing of theirs while paused. */
unsigned capture_wanted(const struct capture *c, const uint32_t rates[RATES]);

/* From here on `changing` is held by who calls. */

/* Attaches what the rates need, as far as the file allows, then publishes them. */
int capture_change_rates(struct capture *c, const uint32_t rates[RATES]);
/* Something was attached or detached, and is done: the program may keep what it reads, if it can.
 */
void capture_may_keep(struct capture *c);
/* All of them, in the program and its plugins. */
int capture_drop_probes(struct capture *c);
/* The same, and says so. */
void capture_detach(struct capture *c);
bool capture_let_go(const struct capture *c); /* no probe of ours is in any file */
/* What capture_sites() tells from now on. */
void capture_show_sites(struct capture *c);

/* --- capture_file.c ----------------------------------------------------------------------- */

/* What keeps writers off the file; and is it still the one that was read? 0 or -errno, which was
 * logged. */
int capture_guard_file(struct capture *c);
enum procs_file capture_file_is(struct capture *c);
/* Nothing of ours comes into the file: nobody needs to be kept off it. */
int capture_leave_file(struct capture *c);
/* May these probes be in the file at this moment? */
bool capture_file_is_ours(struct capture *c, const struct probe_site *sites, size_t n);
/* A process that runs the file gets these probes; -ESTALE: the file is another. */
int capture_enter(struct capture *c, pid_t pid, const struct probe_site *sites, size_t n);

#endif
