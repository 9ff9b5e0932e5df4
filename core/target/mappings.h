/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a process has mapped: /proc/PID/maps, one line at a time. Stateless; any thread.
 */
#ifndef XGOTOPFS_TARGET_MAPPINGS_H
#define XGOTOPFS_TARGET_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint64_t start, end; /* [start, end), runtime addresses */
	uint64_t offset;     /* in the file */
	dev_t dev;           /* as maps shows them, not everywhere what fstat() says: */
	ino_t ino;           /* mappings_identity(). 0: no file */
	bool readable, writable, executable;
	pid_t pid;        /* whose it is */
	const char *path; /* as the process sees it, escaped as in maps; "" none. For this call */
};

/* In ascending order; anything but 0 of `fn` ends it and is returned. 0, or -ESRCH (no such
 * process, or it has ended), -EACCES, -ENOMEM. */
typedef int mapping_fn(void *ctx, const struct mapping *m);
int mappings_each(pid_t pid, mapping_fn *fn, void *ctx);

/* A file, as its mappings are known by. */
struct mapped_file {
	dev_t dev; /* that maps shows for it */
	ino_t ino; /* 0: not known, no mapping is its */
	/* btrfs: maps shows the same for the file of that number in each of its subvolumes (a
	 * snapshot's, another container's), stat(2) a device for each. */
	bool has_twins;
	dev_t stat_dev;
};

/*
 * How maps shows an open file. On overlayfs and btrfs that is another device than fstat(2) gives,
 * so it is mapped and looked for. 0 or -errno.
 */
int mappings_identity(int fd, struct mapped_file *ret);
/* Of a twin that may not be looked at: true. */
bool mapping_is_of(const struct mapping *m, const struct mapped_file *file);
/* Opens the file behind a mapping, also a deleted one or one in another mount namespace. The
 * descriptor, or -errno (-ENOENT: it is deleted, and this takes CAP_CHECKPOINT_RESTORE). */
int mapping_open(const struct mapping *m);

#endif
