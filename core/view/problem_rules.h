/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is looked for: each kind of problem with its thresholds, over how long it is judged, and for
 * how long it is told on once it was seen. One table, of which `problems` shows the text, and
 * docs/oncall.md has it. For this room.
 */
#ifndef XGOTOPFS_VIEW_PROBLEM_RULES_H
#define XGOTOPFS_VIEW_PROBLEM_RULES_H

#include <stdint.h>

#include "core/base/text.h"

enum problem_kind {
	PROBLEM_TARGET,
	PROBLEM_BLOCKED,
	PROBLEM_CONVOY,
	PROBLEM_DOWNSTREAM,
	PROBLEM_WORK,
	PROBLEM_CALLS,
	PROBLEM_INIT,
	PROBLEM_FINALIZER,
	PROBLEM_ENDED,
	PROBLEM_LEAK,
	PROBLEM_GROWING,
	PROBLEM_LATENCY,
	PROBLEM_CPU,
	PROBLEM_TIMERS,
	PROBLEM_STARTS,
	PROBLEM_ALLOCATION,
	PROBLEM_HEAP,
	PROBLEM_FILES,
	PROBLEM_GC,
	PROBLEM_COST,
	PROBLEM_LOST,
	PROBLEM_AUDIT,
	PROBLEM_KINDS,
};

/* What a kind cannot be seen without. */
enum problem_needs {
	NEEDS_NOTHING = 0,
	NEEDS_EVENTS = 1 << 0, /* every change of state is told by an event, just now */
	NEEDS_STACKS = 1 << 1, /* memory of a process that lives, or its last stacks */
	NEEDS_PAST = 1 << 2,   /* it has been watched for some seconds */
	NEEDS_LEAKS = 1 << 3,
	NEEDS_ALLOCS = 1 << 4,  /* allocations are seen, by events or sampled */
	NEEDS_CPU = 1 << 6,     /* processors are sampled, or every change of state is told */
	NEEDS_LIVE = 1 << 5,    /* somebody counts losses and audits */
	NEEDS_OBJECTS = 1 << 7, /* memory tells what somebody waits on */
	NEEDS_METER = 1 << 9,   /* somebody measures what our probes cost */
	NEEDS_ALL = 1 << 10,    /* all goroutines that were there before us are known */
	NEEDS_HEAP = 1 << 11,   /* the runtime's figures of its heap are read */
	NEEDS_FILES = 1 << 12,  /* how many descriptors are open */
	NEEDS_RUNNING = 1 << 8, /* the program has not ended */
	NEEDS_STARTS = 1 << 13, /* each start is told by an event, or how many there were is read */
};

/* Which rows of a kind are one and the same in two looks, though their figures differ. */
enum problem_same {
	SAME_FUNCTION, /* those about one function, or one lock where they are about that */
	SAME_KIND,     /* all: there is one at most, of the whole program */
};

struct problem_rule {
	const char *name;
	unsigned needs;
	uint64_t number, ns, percent; /* thresholds */
	/* Judged over so much of the past, and not before it has been watched for so long: one
	 * burst is no rate. (Latency: over so much at most.) 0: as of a moment, or of a time that
	 * `says` has. */
	uint64_t over_ns;
	/* Told on for so long after the look that saw it last; 0: told of while it is seen. */
	uint64_t stays_ns;
	enum problem_same same;
	const char *says; /* with {n}, {t}, {p} for the thresholds, {o} for over_ns */
};

extern const struct problem_rule problem_rules[PROBLEM_KINDS];

/* The i-th in the order in which they are told: whether the program has ended comes last. */
const struct problem_rule *problem_rule_told(unsigned i);
/* What it says, with its numbers. */
void problem_rule_add(const struct problem_rule *rule, struct buf *out);

/* How severe something has been stays for so long. */
#define PROBLEM_SEVERE_NS (30 * NS_PER_SEC)
/* Rates that only events tell are judged over so much; of a program whose events are not retained
 * for as long, over what there is, if that is PROBLEM_LEAST_NS. */
#define EVENTS_OVER_S    5
#define PROBLEM_LEAST_NS (1 * NS_PER_SEC)
/* Who is looked at so early has not been watched for as long as most rules take. */
#define PROBLEM_EARLY_NS (16 * NS_PER_SEC)
/* By samples of the CPUs; and what our probes take, by one sample of the meter's each second. */
#define SAMPLES_OVER_S 10
#define COST_OVER_S    5
/* Thresholds that are not the first of their kind. */
#define CALM_PERCENT    50
#define NAMED_PERCENT   10
#define STARVED_PERCENT 12
#define SLEEP_SAMPLES   5
#define LATE_STEPS      3
#define FILES_FULL      95
#define CALLS_OF_OWN    100
#define STARTS_MET      5
#define ENDED_FOR_S     3
#define ENDED_SHOWN_MIN 5
/* A system call that takes so long is a wait. */
#define WAIT_CALL_NS (2 * NS_PER_SEC)
/* What the runtime said so long ago is no rate of now. */
#define COUNTED_NS (10 * NS_PER_SEC)

#endif
