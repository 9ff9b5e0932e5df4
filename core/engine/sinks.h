/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where events go besides mount and web: a recording, lines on stdout, and at the end the metrics
 * file. Each for a live program and a replay alike, each there only when it is asked for. Main
 * thread, but where it says otherwise.
 */
#ifndef XGOTOPFS_ENGINE_SINKS_H
#define XGOTOPFS_ENGINE_SINKS_H

#include "core/engine/stdout_log.h"
#include "core/model/meter.h"
#include "core/session/recorder.h"

struct sinks;

struct sinks_config {
	struct recorder_config recorder;     /* storage_dir NULL: nothing is recorded */
	struct stdout_log_config stdout_log; /* model NULL: nothing is printed */
};

/* All of it borrowed. 0 or -ENOMEM. */
int sinks_new(const struct sinks_config *config, struct sinks **ret);
void sinks_free(struct sinks *s); /* once stopped; NULL is fine */

/* Begins the recording: makes the session's folder, so this comes when nothing else can fail, and
 * before the first event is applied. -errno, logged. */
int sinks_record(struct sinks *s);
/* Begins to print. -errno, logged. */
int sinks_print(struct sinks *s);

/* What was recorded up to now, in *buf; NULL when nothing is. */
const struct recorder_stats *sinks_recorded(const struct sinks *s, struct recorder_stats *buf);
/* How the recording is; *ret stays as it is when there is none. Any thread. */
void sinks_recording(const struct sinks *s, struct recording *ret);
/* The session's id; false when nothing is recorded. */
bool sinks_session(const struct sinks *s, char ret[SESSION_ID_LEN + 1]);
/* How many events stdout has yet to print. Any thread. */
uint64_t sinks_behind(const struct sinks *s);

/* Prints what is left (the feed is closed). 0, or -errno of a write that failed, logged. */
int sinks_stop_printing(struct sinks *s);
/* Writes what is left; what is missing is said. 0, or -errno of what could not be written. How it
 * was is told until sinks_free(). *ret_left: a thread is stuck and was left behind; then nothing
 * that was borrowed may be freed. */
int sinks_stop_recording(struct sinks *s, bool *ret_left);

#endif
