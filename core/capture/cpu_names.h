/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CPU samples between BPF and the sink: they wait until the records before them were delivered, and
 * get names. The pump's thread only.
 */
#ifndef XGOTOPFS_CAPTURE_CPU_NAMES_H
#define XGOTOPFS_CAPTURE_CPU_NAMES_H

#include "core/capture/cpu.h"
#include "core/capture/decode.h"

struct cpu_names;

/* All are borrowed. 0 or -ENOMEM. */
int cpu_names_new(struct decode *decode, const struct target *target, struct names *names,
		  struct cpu_names **ret);
void cpu_names_free(struct cpu_names *n);

/*
 * Names the calls of a sample, the kernel and C code as one each. A function that has no frame of
 * its own at that instruction (it is at its beginning or end, or never has one) hides its caller
 * from the chain of frame pointers: that is found by Go's tables.
 */
void cpu_names_decode(struct cpu_names *n, const struct decode_process *process,
		      const struct wire_cpu_sample *sample, uint64_t period_ns,
		      struct stack_sample *ret);

#endif
