/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From wire records to events: addresses become ids of names, one record becomes the one or two
 * events it stands for. What an address means is looked up in the target once and cached.
 * Runs on the pump thread only.
 *
 * A type outside the binary (made by reflect at run time) is read from the process's memory once;
 * the cache keeps those apart by process.
 */
#ifndef XGOTOPFS_CAPTURE_DECODE_H
#define XGOTOPFS_CAPTURE_DECODE_H

#include "core/capture/capture.h"
#include "core/capture/ring.h"
#include "core/model/event.h"
#include "core/model/names.h"
#include "core/model/sample.h"
#include "core/target/target.h"

/* The most events one record stands for. */
#define DECODE_EVENTS_MAX 2

struct decode;

/* All are borrowed; `made` may be NULL. 0 or -ENOMEM. */
int decode_new(const struct target *target, struct names *names, capture_type_fn *made,
	       struct decode **ret);
void decode_free(struct decode *d);

/* Records do not tell which CPU they were made on: there are more than they have numbers for. */
void decode_without_cpus(struct decode *d);

/* What the events of one process share. */
struct decode_process {
	pid_t pid;
	uint16_t proc; /* the sink's index */
	uint64_t bias; /* runtime address minus static address */
};

/* Plugins (core/target/parts.h): process `pid` has part k there. Any thread. 0 or -ENOMEM. */
int decode_part(struct decode *d, pid_t pid, unsigned k, uint64_t part_bias);
/* Was the last record, which gave no event, a call from within the runtime of a plugin, told at the
 * outer function? Those of the program itself make no record (target_exclude()). */
bool decode_was_inner(const struct decode *d);
/* The calls at a return address of the process, inlined ones too, innermost first: names_site(), or
 * one 0: not Go code. 0: they cannot be kept. *ret_sites is good until the next call. */
uint32_t decode_calls(struct decode *d, const struct decode_process *process, uint64_t return_pc,
		      const uint32_t **ret_sites);
/* An address of the process as the target knows it. */
uint64_t decode_static(struct decode *d, const struct decode_process *process, uint64_t addr);
/* Names a sampled stack. false: it makes no sense, or a creation's does not have the go statement.
 */
bool decode_sample(struct decode *d, const struct decode_process *process,
		   const struct wire_sample *sample, struct stack_sample *ret);

/*
 * Writes the record's events in the order they count: the state change first, then what it means
 * (newgoroutine, goexit). What -sample did not choose carries EVENT_HIDDEN. Returns how many; 0 for
 * a record that makes no sense.
 */
unsigned decode_record(struct decode *d, const struct decode_process *process,
		       const union wire_record *record, struct event out[DECODE_EVENTS_MAX]);

#endif
