/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that shows the model: the mounted tree, the web server, the recording, stdout. The
 * same for a live target and a replay. Main thread only.
 */
#ifndef XGOTOPFS_APP_OUTPUTS_H
#define XGOTOPFS_APP_OUTPUTS_H

#include <stdbool.h>

#include "app/config.h"
#include "app/loop.h"
#include "core/engine/sinks.h"
#include "core/view/view.h"

struct outputs;

struct outputs_config {
	const struct config *config;
	const struct view *view;
	struct loop *loop;       /* gets LOOP_UNMOUNTED and LOOP_STDOUT */
	struct confine *confine; /* what the threads that serve enter */
	const char *
		look; /* what of it the UI is to show: behind the # of its address; NULL: nothing */
	bool many;    /* several processes may come: lines carry pid= */
	bool record;
	pid_t pid;               /* 0: a binary is watched */
	const char *binary_path; /* for the recording */
};

/* Mounts and binds; serves nothing yet. All borrowed, they outlive it. -errno, logged; then nothing
 * is left behind. */
int outputs_open(const struct outputs_config *config, struct outputs **ret);
/* Serves. -errno, logged. */
int outputs_start(struct outputs *o);
/* The recording, which is begun by itself, and what is printed. */
struct sinks *outputs_sinks(const struct outputs *o);
/* How many events behind the feed who must miss none of a replay is. From outputs_start() on. */
uint64_t outputs_behind(const struct outputs *o);
/* Says on stderr where things are: the line people and scripts wait for. */
void outputs_announce(const struct outputs *o, const char *subject);
/*
 * Writes what is left (the feed is closed), unmounts, ends the session, frees. 0, or -errno of
 * output that was lost. NULL is fine. *ret_left: a thread is stuck and was left behind; then
 * nothing that was borrowed may be freed.
 */
int outputs_close(struct outputs *o, bool *ret_left);

#endif
