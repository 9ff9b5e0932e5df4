/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capture: the only user of libbpf. Loads the BPF program for one binary, attaches it at the sites
 * core/target chose, drains the rings, and hands events to a sink in the order they happened.
 *
 * Threads: capture_start() makes one pump thread (reading and decoding take it some 30 ns a record,
 * so one is enough for all rings); the sink runs on it. Control calls may come from any thread.
 */
#ifndef XGOTOPFS_CAPTURE_CAPTURE_H
#define XGOTOPFS_CAPTURE_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/model/event.h"
#include "core/model/names.h"
#include "core/model/sample.h"
#include "core/target/target.h"

struct capture;

#define CAPTURE_NICE (-10) /* of the pump's thread, where it may */

/* What the kernel's side counted as lost. */
struct capture_lost {
	uint64_t events[EVENT_TYPES];
	uint64_t hidden; /* changes of state that were not to be shown, but are missing all the same
			  */
};

/*
 * What capture tells the world above. All on the pump thread, but for what capture_attach() and,
 * when no pump was started, capture_stop() tell on their caller's; never two at a time. None may
 * block on a reader, a disk or a client. `proc` is what process_new answered.
 */
struct capture_sink {
	void *ctx;
	/* A process of the binary showed up; returns its index (>= 0) or -errno to ignore it. */
	int (*process_new)(void *ctx, pid_t pid, uint64_t time_ns);
	/* `status`: how, as waitpid(2) says; NULL: not known. */
	void (*process_exited)(void *ctx, unsigned proc, uint64_t time_ns, const int *status);
	/* It executed another program: an end, too. Executes it the same file again, process_new
	 * follows. */
	void (*process_execed)(void *ctx, unsigned proc, uint64_t time_ns);
	/* After that, and when one executed something that is not known (any more). NULL: nobody
	 * asks. */
	void (*executed)(void *ctx, pid_t pid);
	void (*events)(void *ctx, struct event *events, size_t n); /* may write ev->parent */
	/* Lost between the last call and time_ns: before it, not after. */
	void (*lost)(void *ctx, const struct capture_lost *lost, uint64_t time_ns);
	/* A sampled stack. Samples that never came: how many, and what they stood for. NULL: nobody
	 * asks. */
	void (*sample)(void *ctx, const struct stack_sample *sample);
	void (*samples_lost)(void *ctx, enum sample_kind kind, uint64_t n, uint64_t weight);
	/* capture_file() has changed. From a thread of its own, at any time. NULL: nobody asks. */
	void (*file)(void *ctx);
};

/*
 * What is known of the file that the probes are in. There is never a probe in a file that is not
 * the one that was decoded: CAPTURE_HELD and CAPTURE_FOLLOWED are the states with probes.
 */
enum capture_file {
	CAPTURE_HELD,      /* a lease: whoever wants to write waits until the probes are out */
	CAPTURE_FOLLOWED,  /* no lease to be had: probes in processes that execute it, one by one */
	CAPTURE_WRITER,    /* open for writing by somebody: no probe until that is over */
	CAPTURE_CHANGED,   /* it is another file now: no probe; a new capture is needed */
	CAPTURE_UNTOUCHED, /* no probe will ever be in it (capture_config.without_bpf) */
	CAPTURE_LOST,      /* somebody could write before we were ready: no probe any more */
};

/* A type that the program made at run time, at its runtime address. Not this room's to read: it
 * knows the file. 0 or -errno. On the pump thread. */
typedef int capture_type_fn(const struct target *t, pid_t pid, uint64_t addr,
			    struct target_type *ret);

/* What a hit costs the traced thread here without our program: the trap where the kernel emulates
 * the instruction, and where it is stepped out of line. 0: not known. */
struct capture_price {
	uint64_t trap_ns, step_ns;
};

struct capture_config {
	pid_t pid;             /* one process; 0 = every process of the binary */
	unsigned readers;      /* -rw: rings, at most one a CPU */
	size_t ring_bytes;     /* each ring, 64 bytes a record; rounded up to a power of two. 0 =
				  default */
	uint32_t rates[RATES]; /* parts of RATE_ONE (core/model/control.h's 10000); 0 = no
					probe */
	struct capture_price price; /* what capture_calibrate() said, for capture_stats() */
	unsigned cpu_hz;            /* samples a second of each CPU; 0: none */
	/* Only follows which processes there are, by pidfds and, once a second, what they execute:
	 * no bpf(2), no tracefs, no capability of its own. It stays paused: -ENOTSUP. */
	bool without_bpf;
	capture_type_fn *made_type; /* NULL: such types have no name */
	/* NULL, or: somebody wants this process to end, so attaching is not to be waited for. */
	const atomic_bool *asked;
};

/* Opens and loads, attaches nothing. -EPERM, -ENOTSUP (the kernel lacks what the program needs:
 * before 5.15), -EINVAL; one line was logged. -ESTALE, unlogged: the file is not the one any more
 * that `target` was read from. `target` and `names` are borrowed and outlive it. */
int capture_new(const struct capture_config *config, struct target *target, struct names *names,
		const struct capture_sink *sink, struct capture **ret);
/* Detaches everything, drains what is left into the sink, frees. NULL and half-built are fine. */
void capture_free(struct capture *c);

/* And how often that was said anew (NULL: that does not matter): the file can change from one state
 * into the same. */
enum capture_file capture_file(struct capture *c, unsigned *ret_changes);
/* Opens the file anew, whatever it is called now. */
const char *capture_path(const struct capture *c);
/* Is what is attached so in this process, too, by what was asked of the kernel? false also while it
 * is being changed. */
bool capture_is_in(struct capture *c, pid_t pid);
/* Does it lie on overlayfs, where one file may be two (before and after it was changed)? */
bool capture_is_overlaid(const struct capture *c);
/*
 * The one process (config.pid) has executed something. The same file: attached there anew where
 * that is needed, for some events a moment too late, and 0. -ESTALE: another file, -ESRCH: it is
 * gone; -errno of attaching.
 */
int capture_executed(struct capture *c);
/* Would it be CAPTURE_HELD? For -doctor. */
bool capture_file_can_be_held(const char *path);

/* Attaches the probes the rates need and tells the sink of the processes there are; events wait in
 * the rings until capture_start(). On failure nothing stays attached. -ESRCH when the process is
 * gone, -EPERM, … */
int capture_attach(struct capture *c);
/* Starts the pump. */
int capture_start(struct capture *c);
/* Detaches and delivers what was captured up to now; the pump stops. Takes no longer than half a
 * minute, whatever the kernel does. */
void capture_stop(struct capture *c);

/* Changes rates live: attaches what is newly needed, detaches what nobody needs. All or nothing,
 * but for -ETIMEDOUT and -EBUSY: the kernel has not let go yet of probes that nobody needs. */
int capture_set_rates(struct capture *c, const uint32_t rates[RATES]);
void capture_get_rates(struct capture *c, uint32_t ret[RATES]);
/* Detaches all probes, or attaches them again: some 30 to 100 ms on kernels with uprobe_multi links
 * (6.10 on), up to a second before. -ETIMEDOUT and -EBUSY as above. What is asked of capture
 * meanwhile, by the functions that get something, is answered at once. -ENOTSUP: without_bpf. */
int capture_set_paused(struct capture *c, bool paused);
/* Attaching needs CAP_SYS_ADMIN besides CAP_BPF and CAP_PERFMON: this kernel has no uprobe_multi
 * links. */
bool capture_needs_admin(const struct capture *c);
bool capture_get_paused(struct capture *c);
/* Counted: while any is on, an event is delivered within a millisecond. */
void capture_low_latency(struct capture *c, bool on);

#define CAPTURE_TIMED 64

struct capture_stats {
	uint64_t hits;                  /* probe hits, counted events or not */
	uint64_t read;                  /* wire records read */
	uint64_t delivered;             /* events given to the sink, hidden ones too */
	uint64_t waiting;               /* read, not yet delivered */
	uint64_t lost[EVENT_TYPES];     /* what refused and cancelled records would have told */
	uint64_t unchosen[EVENT_TYPES]; /* events that -sample did not choose: exactly */
	uint64_t refused;               /* records that found no room in the ring */
	uint64_t cancelled;             /* records given up: the goroutine was not to be read */
	uint64_t misnamed;              /* hits, at most, told of a goroutine whose end was not
					   seen, in the place of the one that came after it */
	uint64_t hidden;  /* of both: changes of state that -sample did not choose; in no lost[] */
	uint64_t absent;  /* reads of the target's memory that failed: what they should have told is
			     0 */
	uint64_t outside; /* hits of processes that are not in our pid namespace */
	uint64_t ignored; /* records of processes that are not followed */
	uint64_t stranded;    /* records that were left in the rings at the end */
	uint64_t undecodable; /* records that made no sense: a bug, shown */
	uint64_t skipped;     /* hits that were no event: stack-check restarts, inner calls */
	uint64_t faulted;     /* reads of the target's memory that had to wait for the page */
	uint64_t prog_ns_sum, prog_ns_samples; /* time in the BPF program, of 1 in CAPTURE_TIMED */
	uint64_t deliver_ns_sum;               /* CPU time of merging, decoding and the sink */
	unsigned readers;                      /* rings in use */
	size_t ring_bytes;                     /* of all rings together, as they were rounded */
	uint64_t sample_hits;                  /* of the hits, those of allocation samples */
	/* CPU samples, and the time in the BPF program at those; in none of the above. */
	uint64_t cpu_samples, cpu_samples_ns;
	/* CPU time of all capture_set_paused() and capture_sample_allocations(), the kernel's in it
	 */
	uint64_t switching_ns;
	/* Of the hits, those at sites that the kernel steps out of line rather than emulate. */
	uint64_t stepped;
	struct capture_price price; /* capture_config's */
	/* The dearest that a hit of an event type costs where it is probed now, without our
	 * program.
	 */
	uint64_t hit_ns[EVENT_TYPES];
};
void capture_stats(struct capture *c, struct capture_stats *ret);

/*
 * Everything that happened before this time (CLOCK_MONOTONIC ns) was given to the sink, and what of
 * it was lost was told: 0 before capture_start(), UINT64_MAX after capture_stop(). `wanted_ns`: how
 * far somebody would like it to be; the pump then looks at once, so that this is a millisecond away
 * when nothing is in the rings, and as long as the backlog takes when something is.
 */
uint64_t capture_delivered(struct capture *c, uint64_t wanted_ns);

/* Measures what an empty probe costs on this machine, on functions of this process (some ms). 0 or
 * -errno. */
int capture_calibrate(struct capture_price *ret);
/* It costs this from now on, says who measured again. Any thread, at once. */
void capture_set_price(struct capture *c, const struct capture_price *price);

/*
 * Plugins (core/target/parts.h). Part k of the target was read from `fd`, both borrowed as long as
 * this lives; then, for each process that has it: -ESRCH (gone), -ESTALE (the file was changed
 * since it was read); others were logged. One thread; what was never added is not in
 * capture_sites().
 */
int capture_add_part(struct capture *c, unsigned k, const struct target *part, int fd);
int capture_enter_part(struct capture *c, unsigned k, pid_t pid, uint64_t part_bias);
void capture_leave_parts(struct capture *c, pid_t pid);
/* Those (bits 1 << k) that are not probed any more, since their file was changed. */
unsigned capture_changed_parts(struct capture *c);

/* Allocations are sampled, whatever the rates say, and while paused (-probes light). 0 or -errno;
 * then nothing is changed. -ENOTSUP: this kernel does not take the programs. -EBUSY: it has not let
 * go of what was there before, which is not logged. */
int capture_sample_allocations(struct capture *c, bool on);
/* From now on a sample stands for `scale` times what it is of, and tells of that window
 * (core/model/sample.h); 1 and 0 to begin with, 0: none is taken. At once: attaching takes time. */
void capture_sample_window(struct capture *c, unsigned scale, unsigned window);
/* Allocations are sampled beside the events, while any event of an allocation is wanted. "on", or
 * why not. */
void capture_sampling(struct capture *c, char *ret, size_t size);

/* CPU samples are taken from now on, or no longer; whatever the probes do. Not at all where that
 * cannot be: capture_cpu_sampling() says why. Are they taken now? */
bool capture_sample_cpu(struct capture *c, bool on);
/* They are, but CPUs have come or gone since: capture_sample_cpu(c, true) sees to it. */
bool capture_cpus_changed(struct capture *c);
/* "on", "incomplete: …" or "off: …". */
void capture_cpu_sampling(struct capture *c, char *ret, size_t size);

/* Can CPU samples be taken here? 0; or -EPERM, -ENOTSUP, and why, in a line. */
int capture_check_cpu(char *why, size_t size);

/* The sites in use, with whether each is attached now. */
size_t capture_sites(struct capture *c, struct probe_site *ret, size_t max);

/* Whether attaching takes CAP_SYS_ADMIN on this kernel. With CAP_BPF and CAP_PERFMON only. */
bool capture_kernel_needs_admin(void);

/* Is our clock the one that the kernel gives events? 0, or -ENOTSUP, which was logged. */
int capture_check_clock(void);

/* What the kernel lacks or forbids, one line each ("missing: BPF ring buffers …"), into `out`, the
 * weightiest first. 0 = nothing, -EPERM = it is not allowed here, -ENOTSUP = something is missing.
 */
struct buf;
int capture_check_kernel(struct buf *out);

#endif
