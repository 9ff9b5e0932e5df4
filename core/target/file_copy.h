/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file's bytes in memory of our own. Not a mapping of the file: its owner may shorten a file, and
 * who reads the mapping then gets SIGBUS; and a copy can be held against the file later, to see
 * whether that is still what was read. No state but the struct's.
 */
#ifndef XGOTOPFS_TARGET_FILE_COPY_H
#define XGOTOPFS_TARGET_FILE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* Which file, and in which state: what fstat(2) tells without reading. */
struct file_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec modified, changed;
};
int file_stamp_read(int fd, struct file_stamp *ret); /* 0 or -errno */
int file_stamp_path(const char *path, struct file_stamp *ret);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);

/* Parts given back to the system; more than these stay. */
#define FILE_COPY_DROPS_MAX 16

struct file_copy {
	const uint8_t *data; /* read-only; NULL: nothing */
	size_t size;
	struct file_stamp stamp; /* of when it was read */
	struct {
		uint64_t offset, end;
	} dropped[FILE_COPY_DROPS_MAX]; /* reads as zeros since */
	size_t n_dropped;
};

/* Reads a regular file that is not empty, the first `max` bytes of it. -ESTALE: it was changed
 * meanwhile. */
int file_copy_read(int fd, uint64_t max, struct file_copy *ret);
void file_copy_free(struct file_copy *c);

/* Gives back the memory of what lies in [offset, offset + size): nobody will read it again. */
void file_copy_drop(struct file_copy *c, uint64_t offset, uint64_t size);

/* Does `fd` read the bytes that were copied, and is the file as long as it was? 0; -ESTALE: no;
 * -errno. All that was read but what was dropped, or a part of it. */
int file_copy_compare(const struct file_copy *c, int fd);
int file_copy_compare_part(const struct file_copy *c, int fd, uint64_t offset, size_t n);

#endif
