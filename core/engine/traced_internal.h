/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What traced.c, traced_images.c, traced_file.c and traced_exec.c share. */
#ifndef XGOTOPFS_ENGINE_TRACED_INTERNAL_H
#define XGOTOPFS_ENGINE_TRACED_INTERNAL_H

#include <limits.h>
#include <pthread.h>

#include "core/engine/loaded.h"
#include "core/engine/reader.h"
#include "core/engine/traced.h"
#include "core/target/file_copy.h"

/* Program files traced at a time: the newest, and those whose processes still run. */
#define IMAGES_MAX 8

/* A program file under trace, with the processes that run it. */
struct traced_image {
	struct traced *owner;
	struct target *target;
	struct capture *capture;
	struct reader *reader;
	_Atomic int processes;      /* traced and alive */
	atomic_bool retired;        /* -pid: another is the newest, and tells of the process */
	char unsampled[400];        /* what allocation samples cannot see; "" */
	struct loaded_files *files; /* loaded.c's; NULL until there are some */
};

struct traced {
	struct traced_config c;
	struct source source;
	struct capture_price measured[3]; /* what a hit costs: the newest first; who measures */
	unsigned n_measured;
	struct loaded *loaded;

	/* The main thread changes what follows, and need not lock to look at it. */
	pthread_rwlock_t lock;
	struct traced_image *images[IMAGES_MAX]; /* protected by lock, as the next four; the newest
						    is the first */
	unsigned n_images;
	struct capture_price price;   /* the middle of what was measured */
	struct capture_stats earlier; /* of the captures that are gone, summed */
	char file_why[512];           /* why the file cannot be traced; "" */
	_Atomic int low_latency;      /* asked for so many times */
	atomic_bool samples_alone;    /* capture_sample_allocations() */
	/* capture_sample_window() */
	_Atomic unsigned sample_scale, sample_window;
	atomic_bool cpu_on; /* capture_sample_cpu() */

	/* By process: its image, for who asks about the process. NULL: none, or gone. */
	_Atomic(struct traced_image *) of[MODEL_PROCS_MAX];

	/* As the main thread knows it. */
	enum capture_file file;
	unsigned file_changes;
	uint64_t file_since_ns;
	bool file_said, file_retry;

	/* traced_path.c */
	atomic_bool path_moved;     /* somebody saw another file there */
	_Atomic uint64_t path_ino;  /* the one that was looked at last */
	char path_why[512];         /* protected by lock: why it is not followed; "" */
	bool path_gone, path_tried; /* main thread, as the next two: path_stamp was tried */
	struct file_stamp path_stamp;
	char path_pending[512]; /* why, and not said yet; "" */

	/* traced_exec.c: the one process has executed something. */
	atomic_bool executed;
	uint64_t exec_ns;   /* main thread: since when it is not known what; 0: it is */
	bool exec_found;    /* the same: it is the newest image now */
	uint64_t reread_ns; /* the same: when its memory is to be read once more; 0: not */
	/* The same: what it executes cannot be traced; which, and why. "": that is not so. */
	char other[PATH_MAX + 600];
};

/* --- traced_images.c --------------------------------------------------------------------- */

/* An image that tells of its processes. `target` is taken over, but for errors. -errno, logged but
 * for -ESTALE. */
int traced_image_new(struct traced *t, struct target *target, const uint32_t rates[RATES],
		     struct traced_image **ret);
void traced_image_free(struct traced_image *i); /* NULL and half-built are fine */
/* The newest. */
static inline struct traced_image *traced_now(const struct traced *t)
{
	return t->images[0];
}
/* Ends image number `k`: what it has captured is delivered, its processes end in the model. */
void traced_images_end(struct traced *t, unsigned k);
/* Makes image number `k` the newest. Main thread. */
void traced_images_first(struct traced *t, unsigned k);
/* Ends the older ones that no process runs any more. Main thread. */
void traced_images_sweep(struct traced *t);

/* Makes an image for `target`, which is taken over, the newest, and attaches it. -ESTALE and others
 * before there is one: traced_now() is the old one then. Main thread. */
int traced_adopt(struct traced *t, struct target *target);
/* *sum += *s */
void traced_add_stats(struct capture_stats *sum, const struct capture_stats *s);

/* --- traced_file.c ----------------------------------------------------------------------- */

/* Health's part, holding the lock. */
void traced_file_health(struct traced *t, struct health *ret);

/* Says, also in health, why the file cannot be traced. */
void traced_cannot(struct traced *t, const char *why);

/* --- traced_path.c ----------------------------------------------------------------------- */

/* Main thread: is it still the same file? */
void traced_path_look(struct traced *t);
/* A process executed something. Any thread. */
void traced_path_executed(struct traced *t);

/* --- traced_exec.c ----------------------------------------------------------------------- */

/* Main thread, when `executed` is set, and once a second while that is not settled. */
void traced_executed(struct traced *t);
/* Once a second. */
void traced_exec_tick(struct traced *t);

#endif
