/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF program of one binary, loaded: knobs set, rings made, counters and controls mapped.
 * Attaches nothing (probes.h does). The control block may be written by any one thread at a time,
 * the counters read by any.
 */
#ifndef XGOTOPFS_CAPTURE_PROGRAM_H
#define XGOTOPFS_CAPTURE_PROGRAM_H

#include <linux/types.h>
#include <sys/types.h>

#include "bpf/abi.h"
#include "core/capture/ring.h"
#include "core/target/target.h"

struct bpf_program;
struct ring_buffer;
struct xgotopfs_bpf;

struct program {
	struct xgotopfs_bpf *skeleton;
	volatile struct wire_control *control;
	const volatile struct wire_cpu *cpus;
	unsigned n_cpus; /* entries of cpus[] in use */
	bool tells_cpus; /* no two CPUs share one */
	struct ring *rings;
	unsigned n_rings;
	size_t ring_bytes;               /* of all */
	void *slots;                     /* the slot map, mapped: ring_bytes of it */
	struct ring_buffer *wakeups;     /* its epoll fd is readable after a wake-up */
	int exec_fd;                     /* sched_process_exec; -1: not watched */
	bool slots_used[WIRE_SITES_MAX]; /* of control->sites, by any set of probes */
	struct wire_control *own;        /* program_none(): what `control` is then */
	bool samples;                    /* the kernel took the programs that sample */
	bool multi;                      /* loaded for uprobe_multi links: one link a program */
};

struct program_config {
	pid_t pid;         /* 0: every process */
	unsigned n_rings;  /* at most one a CPU is made */
	size_t ring_bytes; /* each */
	bool quiet;        /* -ENOMEM is not logged: it is tried with less */
};

/* One line is logged on failure. -EPERM, -ENOTSUP, -ENOMEM, -EINVAL. */
int program_load(const struct program_config *config, const struct target *target,
		 struct program **ret);
/* One that is none: no ring, no counter, nothing to attach; and no word with the kernel. 0 or
 * -ENOMEM. */
int program_none(struct program **ret);
void program_free(struct program *p); /* NULL and half-built are fine */

/* From now on execve(2) of the traced processes is in the rings. 0 or -errno. */
int program_watch_execs(struct program *p);

/* While nothing changes in what is attached, and every end of a goroutine is seen (the caller
 * knows), what was read of a goroutine may be kept (bpf/goids.bpf.h); unless that was wrong once,
 * or execs are not watched. Whoever attaches or detaches anything says first that no more of it
 * holds. */
void program_may_keep(struct program *p);
void program_keep_nothing(struct program *p);

/* The ring buffer of samples. */
int program_samples_fd(const struct program *p);

/* The program for a probe kind. */
struct bpf_program *program_for(struct program *p, enum probe_kind kind);

struct program_counters {
	uint64_t hits, stepped, skipped, faulted, prog_ns_sum, prog_ns_samples, lost[WIRE_TYPES];
	uint64_t unchosen[WIRE_TYPES]; /* events that -sample did not choose */
	uint64_t refused, cancelled, hidden, absent, outside; /* as in struct wire_cpu */
	uint64_t misnamed;    /* at most: the same, and what was not proven then */
	uint64_t lost_execs;  /* execs that found no room in the ring */
	uint64_t sample_hits; /* struct wire_sampled */
	uint64_t samples_lost[WIRE_SAMPLE_KINDS], samples_lost_weight[WIRE_SAMPLE_KINDS];
};
/* Sums the CPUs' counters. */
void program_counters(const struct program *p, struct program_counters *ret);

/* Our pid namespace, where it is not the initial one; else both are left alone. 0 or -errno,
 * logged.
 */
int program_namespace(uint64_t *ret_dev, uint64_t *ret_ino);

/* Routes libbpf's messages into the log, at debug level. Once a process. */
void program_route_log(void);

#endif
