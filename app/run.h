/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One run of the program, live or replayed: what the composition root's files share. Everything
 * here is made and freed on the main thread; callbacks that other threads make are marked where
 * they are. Members stand in the order they are made.
 */
#ifndef XGOTOPFS_APP_RUN_H
#define XGOTOPFS_APP_RUN_H

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "app/config.h"
#include "core/engine/deputy.h"
#include "core/engine/governor.h"
#include "core/engine/healer.h"
#include "app/launch.h"
#include "app/loop.h"
#include "app/notify.h"
#include "app/outputs.h"
#include "core/capture/capture.h"
#include "core/model/meter.h"
#include "core/model/model.h"
#include "core/session/replay.h"
#include "core/target/target.h"
#include "core/view/view.h"

/* What the second's figures are differences of. */
struct ticker {
	struct capture_stats last;
	uint64_t last_events[EVENT_TYPES];
	uint64_t last_ns;
	uint64_t last_lat_ns, last_prc_ns; /* kept over seconds in which nothing happened */
};

struct run {
	const struct config *config;
	sigset_t old_mask;       /* of before our signals were blocked: a COMMAND's */
	struct rlimit old_files; /* a COMMAND's, too */
	int background_fd;       /* -1: in the foreground */
	struct notify notify;    /* the service manager that started us */
	struct loop *loop;

	struct launch launch;       /* MODE_COMMAND */
	pid_t pid;                  /* 0: MODE_BINARY, replay */
	char binary_path[PATH_MAX]; /* as people know it */
	struct target *target;      /* protected by traced, as capture */

	struct replay *replay; /* MODE_REPLAY; target, healer and capture are NULL then */
	struct names *names;
	struct model *model;
	unsigned workers; /* that apply events, after the bound of one a CPU */
	struct meter *meter;
	struct healer *healer;
	uint64_t trap_ns;
	/* The main thread changes what is traced, and need not lock to look at it. */
	pthread_rwlock_t traced;
	struct capture *capture;
	struct capture_stats earlier; /* protected by traced: of the captures before it, summed */
	_Atomic int low_latency;      /* asked for so many times */
	char file_why[512];           /* protected by traced: why the file cannot be traced; "" */
	enum capture_file file;       /* as the main thread knows it */
	unsigned file_changes;        /* the same */
	uint64_t file_since_ns;
	bool file_said, file_retry;

	pthread_mutex_t governor_lock; /* control calls come from any thread */
	struct governor governor;      /* protected by governor_lock, which is held while the kernel
					  attaches and detaches */
	_Atomic double max_overhead;   /* the governor's, for who only looks */

	struct confine *confine; /* what threads that serve enter; NULL: none serve */
	struct deputy *looker;   /* reads the target for them */
	struct deputy *changer;  /* attaches and detaches for them */
	struct live live;
	struct control control;
	struct view view;
	struct outputs *outputs;
	struct ticker ticker;

	_Atomic int processes; /* traced and alive */
	bool tracing;          /* probes are attached; false once it is over */
	bool asked_to_stop;
	bool left; /* at the end: a thread is stuck, and what it uses was not freed */
	uint64_t start_ns;
};

/* run_live.c, run_replay.c: from start to end; the exit status. */
int run_live(struct run *r);
int run_replay(struct run *r);

/* A capture for `target` that tells of `r`'s processes. -errno, logged but for -ESTALE. */
int run_make_capture(struct run *r, struct target *target, const uint32_t rates[EVENT_TYPES],
		     struct capture **ret);

/* retarget.c: LOOP_FILE, the second's tick, health's part (any thread that holds `traced`). */
void file_changed(struct run *r);
void file_tick(struct run *r);
void file_health(struct run *r, struct health *ret);
/* Of all captures there were. Main thread, or holding `traced`. */
void run_capture_stats(struct run *r, struct capture_stats *ret);

/* live.c: r->live and r->control for a traced target; the threads that do what they ask. */
void live_fill(struct run *r);
int live_start(struct run *r);

/* privileges.c: r->confine, before anything serves; then, when all that needs privileges is done,
 * giving up what is no longer needed, in the main thread and those it makes from now on. -errno,
 * logged. */
int run_confine(struct run *r);
int run_give_up(struct run *r);

/* run_common.c: what both runs make and free. */
int run_make_model(struct run *r, int64_t wall_offset_ns);
int run_open_outputs(struct run *r, bool many);
/* Everything serves: says so, also to a service manager, and lets go of the terminal with -daemon.
 */
void run_ready(struct run *r, const char *subject);
/* Closes the outputs and frees everything. 0, or -errno of output that was lost. */
int run_finish(struct run *r);

/* ticker.c: once a second. */
void ticker_start(struct run *r);
void ticker_tick(struct run *r);

#endif
