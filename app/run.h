/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One run of the program, live or replayed: what the composition root's files share. Everything
 * here is made and freed on the main thread; callbacks that other threads make are marked where
 * they are. Members stand in the order they are made.
 */
#ifndef XGOTOPFS_APP_RUN_H
#define XGOTOPFS_APP_RUN_H

#include <limits.h>
#include <signal.h>

#include "app/config.h"
#include "app/launch.h"
#include "app/loop.h"
#include "app/notify.h"
#include "app/outputs.h"
#include "core/engine/engine.h"
#include "core/engine/traced.h"
#include "core/model/meter.h"
#include "core/model/model.h"
#include "core/session/replay.h"
#include "core/target/go_file.h"
#include "core/target/target.h"
#include "core/view/view.h"

struct run {
	const struct config *config;
	sigset_t old_mask;        /* of before our signals were blocked: a COMMAND's */
	struct limits old_limits; /* a COMMAND's, too */
	int background_fd;        /* -1: in the foreground */
	struct notify notify;     /* the service manager that started us */
	struct loop *loop;

	struct launch launch;       /* MODE_COMMAND */
	pid_t pid;                  /* 0: MODE_BINARY, replay */
	char binary_path[PATH_MAX]; /* as people know it */
	struct go_program program;  /* MODE_PID, MODE_COMMAND: keeps its file open */
	struct target *target;      /* until it is traced */

	struct replay *replay; /* MODE_REPLAY; traced is NULL then */
	struct names *names;
	struct model *model;
	unsigned workers; /* that apply events, after the bound of one a CPU */
	struct meter *meter;
	struct traced *traced;
	struct engine *engine;

	struct confine *confine; /* what threads that serve enter; NULL: none serve */
	struct live live;
	struct control control;
	struct problem_memory *problems;
	struct view view;
	struct outputs *outputs;

	bool tracing;         /* probes were attached */
	bool recording_reads; /* it counts among the readers of events */
	bool said_lost;
	bool asked_to_stop;
	bool left; /* at the end: a thread is stuck, and what it uses was not freed */
	uint64_t start_ns, frozen_ns;
};

/* run_live.c, run_replay.c: from start to end; the exit status. */
int run_live(struct run *r);
int run_replay(struct run *r);

/* privileges.c: r->confine, before anything serves; then, when all that needs privileges is done,
 * giving up what is no longer needed, in the main thread and those it makes from now on. -errno,
 * logged. */
int run_confine(struct run *r);
int run_give_up(struct run *r);

/* run_common.c: what both runs make and free. */
int run_make_model(struct run *r, int64_t wall_offset_ns);
int run_make_engine(struct run *r);
int run_open_outputs(struct run *r, bool many);
/* Everything serves: says so, also to a service manager, and lets go of the terminal with -daemon.
 */
void run_ready(struct run *r, const char *subject);
/* Closes the outputs and frees everything. 0, or -errno of output that was lost. */
int run_finish(struct run *r);

/* Once a second: the figures, and the statistics line where somebody reads it. */
void run_tick(struct run *r);
/* What makes the figures too low, and what helps: a line each. */
void run_say_losses(const struct run *r);

#endif
