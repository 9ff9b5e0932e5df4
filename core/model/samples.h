/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples summed up: by stack, and allocations and CPU time by goroutine; each kind for itself.
 * Bounded: stacks past SAMPLES_STACKS_MAX are one row without a stack, goroutines past
 * SAMPLES_GOROUTINES_MAX are forgotten, those first that were not seen for longest. But for
 * allocations the last stack of a goroutine is known, of SAMPLES_LAST_MAX of them: one may push
 * another out. Any thread.
 */
#ifndef XGOTOPFS_MODEL_SAMPLES_H
#define XGOTOPFS_MODEL_SAMPLES_H

#include "core/base/util.h"
#include "core/model/sample.h"

#define SAMPLES_STACKS_MAX     32768
#define SAMPLES_GOROUTINES_MAX 65536
#define SAMPLES_LAST_MAX       65536
/* Of SAMPLE_CPU the newest are known one by one: so long, and so many of all processes (20 MiB,
 * which are 82 s of 64 busy CPUs at 99 Hz). */
#define SAMPLES_KEPT_NS    (600 * NS_PER_SEC)
#define SAMPLES_RECENT_MAX (1u << 19)
/* And of SAMPLE_ALLOC: who asks for much just now (2 MiB). */
#define SAMPLES_ALLOC_KEPT_NS    (30 * NS_PER_SEC)
#define SAMPLES_ALLOC_RECENT_MAX (1u << 16)
#define SAMPLES_RECENT_NS        (60 * NS_PER_SEC) /* what "lately" is, where nobody says */

struct samples;

int samples_new(struct samples **ret);
void samples_free(struct samples *s); /* NULL is fine */

/* They are taken from that time on, though there may be none for long. */
void samples_begin(struct samples *s, enum sample_kind kind, uint64_t time_ns);
/* And no longer, until they begin again. */
void samples_end(struct samples *s, enum sample_kind kind, uint64_t time_ns);
/* Have any ever been taken? Else nothing follows from there being none. */
bool samples_begun(struct samples *s, enum sample_kind kind);
/* Were they taken up to that time? Else nothing follows from there being none of then. */
bool samples_on(struct samples *s, enum sample_kind kind, uint64_t time_ns);
/* What cannot be kept for want of memory counts as lost. */
void samples_add(struct samples *s, const struct stack_sample *sample);
/* Samples that never came, and what they stood for; of all processes. */
void samples_lost(struct samples *s, enum sample_kind kind, uint64_t n, uint64_t weight);

struct sample_sum {
	uint64_t hits;
	uint64_t weight;
	double squares; /* the estimate's variance: of the weights, as hits come at random; of
			   windows, by what one has more than the one before it */
	double objects; /* weight / size, where the size is known */
	/* The window that is added to, what it has, and what the one before it had. */
	uint8_t window;
	double in_window, before;
};
void sample_sum_up(const struct sample_sum *from, struct sample_sum *to); /* adds it */
/* One standard deviation of the weight. */
uint64_t sample_error(const struct sample_sum *sum);

struct sample_row {
	struct sample_sum sum;
	const uint32_t *sites; /* lives as long as `s`; innermost first; NULL: all other stacks */
	uint32_t n;
	bool cut;
	/* As in struct stack_sample. */
	uint8_t state;
	bool system;
	uint32_t reason_id, start_func_id;
	uint64_t goid; /* of samples_recent() */
};
struct sample_totals {
	struct sample_sum sum;
	uint64_t lost, lost_weight;
	uint64_t from_ns;             /* CLOCK_MONOTONIC: since they were taken; 0: never */
	uint64_t recent_from_ns;      /* what samples_recent() knows begins here */
	uint64_t marks[SAMPLE_MARKS]; /* samples with that bit of enum sample_mark; of all processes
				       */
};
/* The rows of a process, in no order, and their totals. The caller frees *ret. 0 or -ENOMEM. */
int samples_copy(struct samples *s, unsigned proc, enum sample_kind kind, struct sample_row **ret,
		 size_t *ret_n, struct sample_totals *ret_totals);
/* Of those whose innermost call is at that place the one of the greatest weight, and the weight of
 * all of them. false: there is none. */
bool samples_best_at(struct samples *s, unsigned proc, enum sample_kind kind, uint32_t site,
		     struct sample_row *ret, uint64_t *ret_weight);
/* Of the process, at once: nothing is walked through. */
void samples_totals(struct samples *s, unsigned proc, enum sample_kind kind,
		    struct sample_totals *ret);
/* sample_totals' `lost`, at once. */
uint64_t samples_lost_all(struct samples *s, enum sample_kind kind);
/* Of SAMPLE_CPU and SAMPLE_ALLOC, those of [since_ns, until_ns) that are known one by one, by stack
 * and goroutine, in no order. *ret_from_ns: when the first of them was; 0: there is none. The
 * caller frees *ret. 0 or -ENOMEM.
 */
int samples_recent(struct samples *s, unsigned proc, enum sample_kind kind, uint64_t since_ns,
		   uint64_t until_ns, struct sample_row **ret, size_t *ret_n,
		   uint64_t *ret_from_ns);
/* The last of a goroutine's, but for allocations; its sum is the row's, which others share. false:
 * there is none, or it is not known any more. */
bool samples_last(struct samples *s, unsigned proc, enum sample_kind kind, uint64_t goid,
		  struct sample_row *ret, uint64_t *ret_time_ns);
/* All zero: none, or forgotten. */
void samples_of_goroutine(struct samples *s, unsigned proc, enum sample_kind kind, uint64_t goid,
			  struct sample_sum *ret);

#endif
