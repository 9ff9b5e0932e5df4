/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A stack with a weight, as capture tells of it: data alone. Allocations: taken where the runtime
 * hands out memory by the span, each stands for so many bytes of its kind there. Off the CPU: of
 * one that was in a state other than running, taken when it left it; stands for so many ns.
 * Creations: where a goroutine was made, from the go statement on; stands for so many made there.
 * CPU time: taken by the CPUs' clocks, each stands for the time between two ticks.
 */
#ifndef XGOTOPFS_MODEL_SAMPLE_H
#define XGOTOPFS_MODEL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sample_kind {
	SAMPLE_ALLOC,   /* weight: bytes */
	SAMPLE_OFF_CPU, /* weight: ns in `state` */
	SAMPLE_CREATED, /* weight: goroutines; goid: the one that was made */
	SAMPLE_CPU,     /* weight: ns on a CPU */
	SAMPLE_KINDS,
};

/* Of SAMPLE_CPU: what is known of one beside its calls. */
enum sample_mark {
	SAMPLE_IN_KERNEL = 1 << 0,    /* "[kernel]" is its innermost call */
	SAMPLE_IN_C = 1 << 1,         /* "[C code]" or "[vdso]" is */
	SAMPLE_NO_GOROUTINE = 1 << 2, /* the runtime's own, or a thread that is not Go's */
	SAMPLE_CUT = 1 << 3,          /* its outermost calls are missing */
	SAMPLE_MARKS = 4,             /* so many bits */
};

#define SAMPLE_WINDOWS 127

#define SAMPLE_DEPTH_MAX 128 /* calls, with those that were inlined */

struct stack_sample {
	uint64_t time_ns, goid; /* goid 0: the runtime for itself */
	uint64_t weight, size;  /* size: of one object in bytes, of one stay in ns; 0 not known */
	uint32_t proc;
	uint8_t kind;           /* enum sample_kind */
	uint8_t state;          /* off the CPU: enum gstate */
	bool cut;               /* the stack is deeper */
	uint8_t marks;          /* enum sample_mark bits */
	uint8_t window;         /* 1 to SAMPLE_WINDOWS and round: it stands for what lies between
				   windows, too; 0: for its own time alone */
	uint32_t reason_id;     /* the same: why it waited; names_string() */
	uint32_t start_func_id; /* the same: of the goroutine, when the model knows it */
	bool system;            /* the same: it is the runtime's */
	uint32_t n;
	uint32_t sites[SAMPLE_DEPTH_MAX]; /* names_site(), innermost first; 0: not Go code */
};

/* Behind those that are there; false: there is not enough room, and none is added. */
static inline bool stack_sample_add(struct stack_sample *s, const uint32_t *sites, uint32_t n)
{
	if (s->n + n > SAMPLE_DEPTH_MAX)
		return false;
	for (uint32_t i = 0; i < n; i++)
		s->sites[s->n++] = sites[i];
	return true;
}

#endif
