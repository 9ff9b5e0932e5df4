/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What only a live target can answer. Filled by core/engine from target and capture, so
 * that view, fs and web know neither; all NULL in a replay (the views then say so).
 * Functions may be called from any thread and may take milliseconds.
 */
#ifndef XGOTOPFS_VIEW_LIVE_H
#define XGOTOPFS_VIEW_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/memory/runtime_seen.h"
#include "core/model/audit.h"
#include "core/model/event.h"
#include "core/model/probe_level.h"

struct health_probe {
	char symbol[96];
	char instruction[64];
	uint64_t offset;        /* from the function's entry, bytes */
	bool emulated;          /* one trap; otherwise stepped out of line, ten times the cost */
	const char *event_name; /* static */
};

#define CLOCK_SET_NS (NS_PER_SEC / 5)

struct health {
	char go_version[64], offsets_from[64], symbols_from[64], goroutines_from[128];
	/* What this very build, or process, hides, so that events are missing; "" = nothing. */
	char unseen[1200];
	char not_covered[512]; /* what this Go version hides from the probes in use; "" = nothing */
	char sampling[512];    /* of allocations: "on", "incomplete: …", "off: …" */
	char cpu_sampling[256]; /* of CPUs: the same */
	unsigned cpu_hz;
	/* Ticks that met a traced process, and what they took of it in our program. */
	uint64_t cpu_samples, cpu_samples_ns;
	char file[600];     /* the traced file: as it was read, watched over, … */
	char path_why[512]; /* another file is where it was, and cannot be traced: why; "" */
	bool file_trouble, file_limited; /* it is not traced just now; each process from late on */
	uint64_t sample_hits;            /* of allocation samples; in none of the next */
	uint64_t hits, skipped_by_filter, reads_faulted;
	uint64_t ring_bytes;          /* of all rings */
	unsigned readers, processors; /* in use, after the bound of one a CPU */
	/* So much later than by the model's wall_offset_ns it is by CLOCK_REALTIME now: the clock
	 * was set, or the machine slept. 0: less than CLOCK_SET_NS, as by a clock that is only kept
	 * right. */
	int64_t clock_set_ns;
	struct health_probe probes[64];
	unsigned n_probes;
};

/* What was lost on the way from the program to the model, of all processes: see losses.h. */
struct live_losses {
	uint64_t ring_full, unreadable, absent_fields, misnamed_fields, outside_namespace,
		unfollowed, undecodable, left_in_rings;
};

/* What is attached, by -probes and what else takes it off; of all processes but for as_of_ns. */
struct live_probes {
	enum probe_level level;
	uint64_t level_since_ns;
	unsigned off;      /* 0: the probes of the events are in, which tell of goroutines; else
			      memory alone does, or nobody (paused) */
	bool paused;       /* nobody: the tree is as it was then */
	const char *why;   /* that; static, "" while they are in */
	uint64_t since_ns; /* they are in, or out, since then; CLOCK_MONOTONIC, as all of these */
	uint64_t switched, off_ns; /* so often so far; all the time without them */
	unsigned readers;          /* of events, now */
	/* Allocation samples stand for so many times what they are of, as they are taken in
	 * windows; of those so many have ended. 1: all of the time. */
	unsigned sample_scale;
	uint64_t sample_windows;
	double sample_stands_for; /* part of the program's CPU time that samples stand for */
	/* Numbers the runtime has given to goroutines since the process began, at least and at
	 * most, when memory alone tells; 0: not known. */
	uint64_t goids_least, goids_most;
	uint64_t as_of_ns; /* memory was read then; 0: never */
};

/* What -max-overhead does, of all processes together. All times but on_ns and off_ns are CPU time.
 */
struct live_budget {
	double max_percent; /* of the program's CPU time; 0: no bound, and nothing below counts on
			     */
	bool on;            /* a window is open, or all is within the bound */
	uint64_t windows;   /* that have ended */
	uint64_t on_ns, off_ns;
	uint64_t cpu_ns;                /* of the program under a bound */
	uint64_t spent_ns, switched_ns; /* by hits and switching; of that the switching */
	uint64_t attach_ns, detach_ns;  /* what that takes at a time, a running mean */
	double full_percent;            /* hits, of the program's time while probes are in */
	/* Not seen between windows, an estimate, and its error (two standard errors, and what the
	 * price of hits may be wrong by); until the last look. 0: everything was seen. */
	bool estimated; /* false: no window tells yet */
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
};

/* What core/engine/heap_past.h calls growth of the heap. */
#define HEAP_GROWS_BYTES   (64ull << 20)
#define HEAP_GROWS_PERCENT 50
#define HEAP_GROWS_NS      (60 * NS_PER_SEC)
#define HEAP_GROWS_CYCLES  4

struct heap_growth {
	uint64_t from_bytes, to_bytes; /* live after a collection; to_bytes 0: it does not grow */
	uint64_t ns, cycles;           /* in which it grew */
	uint64_t watched_ns;           /* between the first reading and the last */
};

#define LIVE_JUDGED_NS (5 * NS_PER_SEC)

/* The runtime's own figures as they were read last, once a second or so, and what they make. */
struct live_runtime {
	uint64_t read_ns;       /* CLOCK_MONOTONIC */
	int64_t wall_offset_ns; /* CLOCK_REALTIME minus it, then */
	struct runtime_heap heap;
	uint64_t procs, threads; /* GOMAXPROCS; RUNTIME_UNKNOWN, as all of these */
	uint64_t cpu_ns;         /* of the process, since its start */
	double alloc_per_second; /* bytes; between the last two readings; < 0: not known */
	double cpu_percent;      /* of one CPU; the same */
	/* The same bytes over LIVE_JUDGED_NS or somewhat more, for who judges them: a rate of two
	 * moments tells of one burst. 0: not watched for so long, or not known. */
	uint64_t judged_ns;
	double alloc_judged;
	double switches_judged; /* what is below, over that time; < 0: not known */
	/* Goroutines started a second in that time, by the numbers that the runtime has given; or
	 * twice what the quieter half of it had, where that is less: one burst is no rate. < 0: not
	 * known. */
	double starts_judged;
	/* Goroutines that were given a processor a second, but for who is handed the rest of
	 * another's turn: at least so many; < 0: not known. */
	double switches_per_second;
	uint64_t files, files_most; /* descriptors that are open, and that may be */
	/* At so many readings in turn, up to the last, the process was stopped, at the first of
	 * them since then. 0: it was not. */
	unsigned stopped_readings;
	uint64_t stopped_ns;
	uint64_t cpu_wait_ns; /* its threads waited for a CPU of the machine, since its start */
	/* Of the last ten seconds or so: so much of a second waited for each that was taken; < 0:
	 * not known. */
	double cpu_wait_ratio;
	uint64_t allocated_since;            /* bytes, since it was attached to, all allocations */
	uint64_t event_bytes, sampled_bytes; /* what events and samples told of in that time */
	struct heap_growth growth;
};

/* The heap profile that the program keeps of itself (core/memory/heap_profile.h): what each stack
 * allocated that is still there. Estimates. */
struct live_heap_place {
	uint64_t id;
	uint64_t in_use_objects, in_use_bytes, alloc_objects, alloc_bytes;
	uint64_t then_bytes; /* in use at live_heap.then_ns */
	uint32_t first, n;   /* of its sites, innermost first; 0 among them: not known */
};
/* One block, which is freed with free(). */
struct live_heap {
	uint64_t rate;    /* bytes from one sample to the next; 0: the program keeps none */
	uint64_t read_ns; /* CLOCK_MONOTONIC; as the next */
	uint64_t then_ns; /* 0: it was not read before */
	bool cut;         /* there are more */
	uint32_t n, n_sites;
	uint64_t sites_at;               /* bytes from the beginning */
	struct live_heap_place places[]; /* n; then n_sites of uint32_t */
};
static inline const uint32_t *live_heap_sites(const struct live_heap *h)
{
	return (const uint32_t *)(const void *)((const char *)h + h->sites_at);
}
static inline size_t live_heap_size(const struct live_heap *h)
{
	return h->sites_at + h->n_sites * sizeof(uint32_t);
}

struct wait_graph;
struct leak_report;

/* Text as it comes; it is gone after the call. Anything but 0 ends it. */
typedef int live_text_fn(void *arg, const char *text, size_t len);

/* How stacks are told. */
enum live_stacks {
	LIVE_STACKS_AS_GO, /* as Go's debug=2 dump */
	/* For profiles: labels in every release, as Go 1.27 prints them behind the brackets, and no
	 * arguments. */
	LIVE_STACKS_LABELLED,
	LIVE_STACKS_LABELS, /* only the headers of those that have labels */
	LIVE_STACKS_KINDS,
};

struct live {
	void *ctx;
	int (*health)(void *ctx, unsigned proc, struct health *ret);
	void (*losses)(void *ctx, struct live_losses *ret); /* quick */
	void (*audit)(void *ctx, unsigned proc, struct audit *ret);
	void (*probes)(void *ctx, unsigned proc, struct live_probes *ret); /* quick */
	/* Somebody looks at a process: where memory alone tells of it and was not read a moment
	 * ago, that is done, and waited for, so long at most. */
	void (*look)(void *ctx, unsigned proc, uint64_t patience_ns);
	/* Waits until the goroutines that were there before us are known, so long at most; at once
	 * when they are, or proc is none. */
	void (*await)(void *ctx, unsigned proc, uint64_t patience_ns);
	void (*budget)(void *ctx, struct live_budget *ret); /* quick */
	/* Events that -sample did not choose, of all processes; exact, and quick. */
	void (*unchosen)(void *ctx, uint64_t ret[EVENT_TYPES]);
	/* Go's debug=2 text of one goroutine. -ESRCH when it is gone. *ret_as_of_ns: of when it is
	 * (CLOCK_MONOTONIC) where the target has ended since; left alone where it is of now. */
	int (*stack)(void *ctx, unsigned proc, uint64_t goid, struct buf *out,
		     uint64_t *ret_as_of_ns);
	/* All of them, some whole goroutines at a time, each with the blank line before it: there
	 * may be millions. Returns what `fn` did when that was not 0. *ret_as_of_ns, as above, is
	 * set before the first. -ESRCH also: it has ended, and none were read before. */
	int (*stacks)(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn, void *arg,
		      uint64_t *ret_as_of_ns);
	/*
	 * What goroutines wait on (core/memory/wait_graph.h): read now, unless that was done a
	 * moment ago; preferably begun after newer_ns (CLOCK_MONOTONIC). waits_put() it. -ESRCH,
	 * -ENOSYS, -EPERM, -ENOMEM.
	 */
	int (*waits)(void *ctx, unsigned proc, uint64_t newer_ns, struct wait_graph **ret);
	/* The last reading, at once, and asks for another one soon; -EAGAIN: there is none. */
	int (*waits_known)(void *ctx, unsigned proc, struct wait_graph **ret);
	void (*waits_put)(void *ctx, struct wait_graph *g);
	/* What its runtime says of heap and scheduler, read now (core/memory/runtime_seen.h); the
	 * caller frees *ret. -ESRCH, -ENOSYS (not found in this program), -EPERM, -ENOMEM. */
	int (*runtime)(void *ctx, unsigned proc, struct runtime_seen **ret);
	/* As it was read last, also of one that has ended since. False: never. Quick. */
	bool (*runtime_known)(void *ctx, unsigned proc, struct live_runtime *ret);
	/* The heap profile that it keeps of itself, read now, or as it was last where it has ended
	 * since; `then` is the reading that is as old as since_ns (CLOCK_MONOTONIC), or the oldest.
	 * The caller frees *ret. -ESRCH, -ENOSYS (not found in this program), -EPERM, -ENOMEM. */
	int (*heap_profile)(void *ctx, unsigned proc, uint64_t since_ns, struct live_heap **ret);
	/*
	 * Who is leaked (core/memory/leak_report.h): looks, which takes a second or two (longer for
	 * a large heap), unless that was done a moment ago. leaks_put() it. *ret_late: the look was
	 * not waited for to the end, what there is is of before. -EAGAIN: that, and there is
	 * nothing yet; -ESRCH, -ENOSYS, -EPERM, -ENOMEM.
	 */
	int (*leaks)(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late);
	/* The last report, at once, and asks for a look soon where that is long ago; -EAGAIN: there
	 * is none yet; else what leaks() says. */
	int (*leaks_known)(void *ctx, unsigned proc, struct leak_report **ret);
	void (*leaks_put)(void *ctx, struct leak_report *r);
};

#endif
