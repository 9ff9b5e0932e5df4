/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a recording has come to. The recorder knows it of the one under way, metadata.json how one
 * that is looked at stopped; views, web and the statistics line show it, and nobody works it out
 * anew.
 */
#ifndef XGOTOPFS_MODEL_RECORDING_H
#define XGOTOPFS_MODEL_RECORDING_H

#include <stdint.h>

#include "core/model/audit.h"

enum recording_state {
	RECORDING_NONE, /* nothing is recorded */
	RECORDING_RUNNING,
	RECORDING_STOPPED, /* an error ended it; tracing goes on, or went on */
	RECORDING_DONE,
};

#define RECORDING_SAMPLE_MAX 160

/* What a recording, or what is exported, keeps of its source beside events. */
struct recording_noted {
	char probes[16];                   /* the level; "": not known */
	uint64_t off_ns, switched;         /* how long no probe was in, how often that changed */
	char sample[RECORDING_SAMPLE_MAX]; /* in the -sample form; "": all */
	struct audit_kept audit;
};

struct recording {
	enum recording_state state;
	char id[40];             /* of the session */
	uint64_t events;         /* in it, and in those it goes on from */
	uint64_t missed;         /* not in it: the recorder could not keep up … */
	uint64_t not_recorded;   /* … or they came after it stopped */
	uint64_t nameless;       /* names that found no room in it */
	int64_t stopped_ns;      /* CLOCK_REALTIME; 0 unless it stopped */
	char why[160];           /* it stopped; "" */
	struct audit_kept audit; /* of one that is looked at */
	/* Of one that is looked at: the -sample list that held when it was written last; "": all.
	 */
	char sample[RECORDING_SAMPLE_MAX];
	uint64_t probes_off_ns; /* of one that is looked at: how long no probe was in */
	/* Of one that is looked at, once it was read to its end: */
	uint64_t until_ns; /* CLOCK_MONOTONIC: nothing happened after its last event until then; 0:
			      not known */
	uint64_t torn_bytes;    /* after the last whole record, that could not be read … */
	char torn_why[128];     /* … because; "" */
	uint64_t read_bytes;    /* up to there */
	bool changed;           /* its file was written over meanwhile: it may be of two sessions */
	uint64_t unread_events; /* that it says it has, beyond those that were read */
	uint64_t skipped;       /* events of a type that does not exist */
	uint64_t out_of_range;  /* fields (cpu, line, pid, nth) that cannot be, taken as absent */
};

/* "none", "running", "stopped", "done". */
static inline const char *recording_state_name(enum recording_state state)
{
	static const char *const names[] = {"none", "running", "stopped", "done"};

	return names[state];
}

#endif
