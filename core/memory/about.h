/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a g points at that a dump tells: profiler labels (runtime/pprof.SetGoroutineLabels, Do) and
 * its synctest bubble. All of it is the program's, bounded, and may be anything. Any thread.
 */
#ifndef XGOTOPFS_MEMORY_ABOUT_H
#define XGOTOPFS_MEMORY_ABOUT_H

#include "core/memory/goroutines.h"

#define LABELS_MAX      32
#define LABEL_BYTES_MAX 128 /* of a key or a value; what is longer is cut */

struct memory_label {
	uint64_t key_len, value_len; /* as in the program: may be more than is here */
	char key[LABEL_BYTES_MAX], value[LABEL_BYTES_MAX];
};

struct goroutine_about {
	uint64_t bubble; /* its number; 1.24: the goroutine that began it; 0 none */
	size_t n;
	bool more; /* labels than LABELS_MAX */
	struct memory_label labels[LABELS_MAX];
};

/* Fills all of it, as of one moment; what cannot be read, or keeps changing, is not there. */
void memory_about(const struct target *t, pid_t pid, const struct memory_goroutine *g,
		  struct goroutine_about *ret);

/* Does a dump by the process itself tell labels? The release, how it was built, and GODEBUG in the
 * environment that it was started with decide. */
bool memory_shows_labels(const struct target *t, pid_t pid);

#endif
