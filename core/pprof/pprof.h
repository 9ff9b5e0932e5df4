/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A profile for `go tool pprof`: stacks with values, in pprof's format (proto/profile.proto),
 * compressed as its readers expect. Samples of the same stack and labels are one. Not thread-safe.
 */
#ifndef XGOTOPFS_PPROF_PPROF_H
#define XGOTOPFS_PPROF_PPROF_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

#define PPROF_VALUES_MAX  4
#define PPROF_LABELS_MAX  35 /* the 32 that are read of a goroutine, and three of ours */
#define PPROF_DEPTH_MAX   256
#define PPROF_SAMPLES_MAX 200000 /* different ones; what is more goes to one "(others)" */

struct pprof;

struct pprof_text {
	const char *p; /* what a terminal may not see is escaped (core/base/text.h) */
	size_t len;
};

#define PPROF_TEXT(s) ((struct pprof_text){(s), strlen(s)})

struct pprof_frame {
	struct pprof_text function, file; /* file: len 0 when unknown */
	uint32_t line;                    /* 0 unknown */
};

struct pprof_label {
	struct pprof_text key;   /* as above */
	struct pprof_text value; /* len 0: no such label */
};

struct pprof_sample {
	const struct pprof_frame *frames; /* innermost first */
	size_t n;
	struct pprof_label labels[PPROF_LABELS_MAX];
	int64_t values[PPROF_VALUES_MAX];
};

/* What values are: {"delay", "nanoseconds"}. The last is what a reader shows first. */
struct pprof_type {
	const char *type, *unit;
};

int pprof_new(const struct pprof_type *types, unsigned n, struct pprof **ret);
void pprof_free(struct pprof *p);
/* How much of the last type lies between two samples; else 1. */
void pprof_period(struct pprof *p, uint64_t period);
/* Copies what it needs. 0 or -ENOMEM, which sticks: pprof_finish() says so, too. */
int pprof_add(struct pprof *p, const struct pprof_sample *sample);
/* What a person should know of it: `go tool pprof -comments`. */
void pprof_comment(struct pprof *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct pprof_about {
	const char *binary;   /* its path */
	uint64_t time_ns;     /* UNIX time it begins, or when a snapshot was taken */
	uint64_t duration_ns; /* 0: a snapshot */
};

/* Appends the profile to `out`. 0 or -ENOMEM. */
int pprof_finish(struct pprof *p, const struct pprof_about *about, struct buf *out);

#endif
