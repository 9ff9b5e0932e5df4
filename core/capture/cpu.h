/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CPU samples of one binary's processes: a BPF program (bpf/cpu.bpf.c) that a perf event of each
 * CPU runs so many times a second. It puts nothing into the target. Where the kernel does not take
 * it, or it is not allowed, there is a sampler all the same, which says why it never samples.
 *
 * The perf events are of CPUs, not of threads: to follow threads they would have to be inherited,
 * which goes through the target's clone(2). They end with their descriptors.
 */
#ifndef XGOTOPFS_CAPTURE_CPU_H
#define XGOTOPFS_CAPTURE_CPU_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/cpu.h"
#include "core/target/target.h"

struct cpu_sampler;

/* `hz`: of each CPU; 0: never. Attaches nothing. 0 or -ENOMEM. */
int cpu_sampler_new(const struct target *target, unsigned hz, struct cpu_sampler **ret);
/* One that never samples, since no BPF program is to be loaded. */
int cpu_sampler_none(struct cpu_sampler **ret);
void cpu_sampler_free(struct cpu_sampler *s); /* NULL is fine */

/* Of the ring buffer of struct wire_cpu_sample; -1: there is none. */
int cpu_sampler_fd(const struct cpu_sampler *s);
/* What a sample stands for, ns. */
uint64_t cpu_sampler_period_ns(const struct cpu_sampler *s);

/* Samples a process from now on, or no longer. Any thread. */
void cpu_sampler_follow(struct cpu_sampler *s, pid_t pid, uint64_t bias);
void cpu_sampler_leave(struct cpu_sampler *s, pid_t pid);

/* Opens or closes the perf events; on, also those of CPUs that have come since. One thread at a
 * time. Is any of them open now? Which cannot be had cpu_sampler_is() says. */
bool cpu_sampler_switch(struct cpu_sampler *s, bool on);
/* Have CPUs come or gone since the perf events were opened? Who comes has none, and one of a CPU
 * that was gone for a while is dead: cpu_sampler_switch() opens all anew. Any thread. */
bool cpu_sampler_outdated(struct cpu_sampler *s);
/* "on", "incomplete: …" or "off: …", why. Any thread. */
void cpu_sampler_is(struct cpu_sampler *s, char *ret, size_t size);

/* Any thread. */
void cpu_sampler_counts(const struct cpu_sampler *s, struct wire_cpu_counts *ret);

#endif
