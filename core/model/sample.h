/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A stack with a weight, as capture tells of it: data alone. Allocations: taken where the runtime
 * hands out memory by the span, each stands for so many bytes of its kind there.
 */
#ifndef XGOTOPFS_MODEL_SAMPLE_H
#define XGOTOPFS_MODEL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sample_kind {
	SAMPLE_ALLOC, /* weight: bytes */
	SAMPLE_KINDS,
};

#define SAMPLE_DEPTH_MAX 128 /* calls, with those that were inlined */

struct stack_sample {
	uint64_t time_ns, goid; /* goid 0: the runtime for itself */
	uint64_t weight, size;  /* size: of one object in bytes, 0 not known */
	uint32_t proc;
	uint8_t kind; /* enum sample_kind */
	bool cut;     /* the stack is deeper */
	uint32_t n;
	uint32_t sites[SAMPLE_DEPTH_MAX]; /* names_site(), innermost first; 0: not Go code */
};

#endif
