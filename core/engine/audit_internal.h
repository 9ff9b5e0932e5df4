/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of the audit share: audit.c when, audit_compare.c goroutines, audit_numbers.c
 * counters. */
#ifndef XGOTOPFS_ENGINE_AUDIT_INTERNAL_H
#define XGOTOPFS_ENGINE_AUDIT_INTERNAL_H

#include <pthread.h>

#include "core/base/util.h"
#include "core/engine/audit.h"

#define PATIENCE_NS (10 * NS_PER_SEC)
#define RAN_NS      10000000ull /* in it, at least: of CPU time */

/* A goroutine that differed in the last reading. */
struct difference {
	struct audit_example is;
	uint64_t model_ns; /* since when the model has it so: another time, another difference */
	uint64_t cpu_ns;   /* the process's, when it was first met */
	bool patient;      /* a thread may stand between its probe and what that tells of */
	bool confirmed;
	uint32_t seen; /* its place in the reading; UINT32_MAX: not in it */
};

struct differences {
	struct difference *list; /* by goid */
	size_t n, cap;
};

/* The counters when the audit of a process began, each so that it errs on the side of silence. */
struct base {
	bool taken, firm; /* firm: no C thread came between it and the next reading */
	uint64_t least, most, of_threads, created_before, created_after, lost, dropped, creating;
	/* By the comparison before, confirmed or not; and told of. */
	uint64_t missed, invented, missed_told, invented_told;
};

struct traced_now {
	bool states, creations, exits;
	const char *off; /* why nothing can be compared; NULL: it can */
};

/* A process that is audited. The thread's, but for `shown`, which the lock protects. */
struct watched {
	pid_t pid;
	uint64_t attached_ns; /* with pid: whose this is, as indexes may be used again */
	unsigned epoch;       /* auditor_reset() */
	uint64_t begun_ns;    /* auditor_arrived(): after an execve(2); 0: after none */
	bool settled;         /* the model was brought in line since */
	struct traced_now now;
	uint64_t lost, quiet_ns; /* events lost so far; until then what differs may be theirs */
	bool lossy;          /* since it was quiet: lost, not only missed while no probe was in */
	uint64_t reached_ns; /* the last reading that could be compared, or the begin */
	struct differences open;
	struct base base;
	struct audit shown;
};

/* One look into a process. */
struct reading {
	unsigned proc;
	unsigned epoch;
	pid_t pid;
	struct traced_now now;
	uint64_t begun_ns, ended_ns, cpu_ns;
	int err;
	struct goroutine_seen *seen; /* by goid */
	bool *met;                   /* by audit_compare(): which of them the model has */
	size_t n;
	bool complete;
	int numbers_err;
	uint64_t least, most, of_threads; /* of numbers */
	uint64_t created;                 /* by events, before the reading */
};

/* Creations that events told of, but those of C threads, each of which comes in again and again
 * with one number. */
uint64_t audit_created(const struct model_totals *t);

/* Fills `next` and the figures of `result`. 0 or -ENOMEM. */
int audit_compare(struct model *m, const struct watched *w, struct reading *r,
		  struct differences *next, struct audit *result);
/* The confirmed ones are told by memory. */
void audit_heal(struct model *m, const struct reading *r, const struct differences *found);

/* Where state changes are not traced, memory tells states; of creations and exits it tells those
 * that are not traced either. */
void audit_refresh(struct model *m, const struct reading *r);

/* Both once all events of the reading were applied. */
void audit_numbers_begin(struct model *m, struct watched *w, const struct reading *r);
void audit_numbers(struct model *m, struct watched *w, const struct reading *r,
		   struct audit *result);

#endif
