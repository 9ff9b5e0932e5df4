/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an audit found: the model, which lives on events, held against the process's memory and the
 * runtime's own counters. core/engine/audit.h makes it, metadata.json keeps the end of it, views,
 * the statistics line and the UI show it. Plain data.
 */
#ifndef XGOTOPFS_MODEL_AUDIT_H
#define XGOTOPFS_MODEL_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model/event.h"

enum audit_state {
	AUDIT_NONE,    /* nobody audits it: a replay, or it was not recorded */
	AUDIT_WAITING, /* it has not come to a comparison yet */
	AUDIT_AGREES,
	AUDIT_DIFFERS,
	AUDIT_OFF,      /* too little is traced just now: `why` */
	AUDIT_BEHIND,   /* events of seconds ago are still on their way: nothing to compare with */
	AUDIT_BLIND,    /* its memory cannot be read: `why` */
	AUDIT_FINISHED, /* the process has ended; the figures are those of the last comparison */
	AUDIT_STATES,
};

/* What events should have told, and did not; or told, and was not so. */
enum audit_kind {
	AUDIT_CREATION, /* in memory, and no event told of its creation */
	AUDIT_EXIT,     /* lives by events, and is not in memory */
	AUDIT_ALIVE,    /* has ended by events, and is in memory */
	AUDIT_STATE,    /* in another state than events say */
	AUDIT_MISSED,   /* numbers given to goroutines whose creation no event told of */
	AUDIT_INVENTED, /* creations that events told of, but no number was given for */
	AUDIT_KINDS,
};

#define AUDIT_EXAMPLES 16

struct audit_example {
	uint64_t goid, since_ns; /* since_ns: CLOCK_MONOTONIC, when it was first met */
	uint8_t kind;            /* below AUDIT_MISSED */
	uint8_t memory, events;  /* enum gstate; GSTATE_DEAD not there, GSTATES not known */
};

struct audit {
	enum audit_state state;
	char why[160];
	/* What is compared: all that is traced. */
	bool states, creations, exits, numbers;
	char no_numbers[96]; /* why not numbers; "" */

	uint64_t comparisons, compared_ns; /* so many, the last at (CLOCK_MONOTONIC) */
	uint64_t took_ns;                  /* that one: reading and comparing */
	/* Of the last comparison: goroutines in memory; those of them that are known; those that
	 * agree; that changed meanwhile, so that nothing can be said; whose state is not known;
	 * that differ in a way that no probe can see (docs/coverage.md); that differ for the first
	 * time, or may be about to change. */
	uint64_t in_memory, in_model, agree, moved, unknown, unseen, unconfirmed;
	uint64_t memory_states[GSTATES], model_states[GSTATES];
	/* Since the audit began with this process: numbers given to goroutines, creations told of,
	 * and how many of those that are missing may be among the lost events. */
	uint64_t given, created, maybe_lost;

	uint64_t now[AUDIT_KINDS];   /* at the last comparison, confirmed */
	uint64_t total[AUDIT_KINDS]; /* since the begin, each once */
	uint64_t first_ns;           /* the first of them was confirmed; 0: none */
	struct audit_example examples[AUDIT_EXAMPLES];
	unsigned n_examples;
};

/* Of all processes together, as a recording keeps it: the worst that is to be said of one, sums. */
struct audit_kept {
	enum audit_state state; /* AUDIT_NONE: it was not recorded */
	uint64_t comparisons, found[AUDIT_KINDS];
};

/* "agrees", "differs", …; "creation", "exit", …: the keys of views, metrics and metadata.json. */
const char *audit_state_name(enum audit_state state);
const char *audit_kind_name(enum audit_kind kind);
enum audit_state audit_state_parse(const char *name); /* AUDIT_NONE when there is no such state */
/* Of all kinds, since the begin. */
uint64_t audit_total(const struct audit *a);

#endif
