/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads files into memory and compares; see file_copy.h. */
#include "core/target/file_copy.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/util.h"

#define CHUNK 65536

static struct file_stamp stamp_of(const struct stat *st)
{
	return (struct file_stamp){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.modified = st->st_mtim,
		.changed = st->st_ctim,
	};
}

int file_stamp_read(int fd, struct file_stamp *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = stamp_of(&st);
	return 0;
}

int file_stamp_path(const char *path, struct file_stamp *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	*ret = stamp_of(&st);
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

/* All n bytes. -ESTALE: the file has become shorter. */
static int read_all(int fd, uint8_t *to, uint64_t offset, size_t n)
{
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ESTALE;
		to += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int file_copy_read(int fd, uint64_t max, struct file_copy *ret)
{
	struct file_copy c = {.data = NULL};
	struct file_stamp after;
	void *memory;
	int err = file_stamp_read(fd, &c.stamp);

	if (err)
		return err;
	c.size = (size_t)MIN((uint64_t)c.stamp.size, max);
	memory = mmap(NULL, c.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	c.data = memory;
	err = read_all(fd, memory, 0, c.size);
	if (!err)
		err = file_stamp_read(fd, &after);
	if (!err && !file_stamp_same(&c.stamp, &after))
		err = -ESTALE;
	if (!err && mprotect(memory, c.size, PROT_READ) < 0)
		err = -errno;
	if (err) {
		file_copy_free(&c);
		return err;
	}
	*ret = c;
	return 0;
}

void file_copy_free(struct file_copy *c)
{
	if (c->data)
		munmap((void *)c->data, c->size);
	*c = (struct file_copy){.data = NULL};
}

void file_copy_drop(struct file_copy *c, uint64_t offset, uint64_t size)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t end, first;

	if (__builtin_add_overflow(offset, size, &end) || end > c->size)
		return;
	first = (offset + page - 1) / page * page;
	end = end / page * page;
	if (first >= end || c->n_dropped == FILE_COPY_DROPS_MAX)
		return;
	if (madvise((void *)(c->data + first), end - first, MADV_DONTNEED) < 0)
		return;
	c->dropped[c->n_dropped].offset = first;
	c->dropped[c->n_dropped++].end = end;
}

/* How far from `at` the copy is whole, at most to `end`; 0 with *ret_next behind what was dropped
 * there. */
static uint64_t whole_until(const struct file_copy *c, uint64_t at, uint64_t end,
			    uint64_t *ret_next)
{
	for (size_t i = 0; i < c->n_dropped; i++) {
		if (at >= c->dropped[i].offset && at < c->dropped[i].end) {
			*ret_next = c->dropped[i].end;
			return 0;
		}
		if (at < c->dropped[i].offset)
			end = MIN(end, c->dropped[i].offset);
	}
	*ret_next = end;
	return end - at;
}

int file_copy_compare_part(const struct file_copy *c, int fd, uint64_t offset, size_t n)
{
	cleanup_free_ uint8_t *buf = malloc(CHUNK);
	uint64_t end, next;

	if (!buf)
		return -ENOMEM;
	if (__builtin_add_overflow(offset, n, &end) || end > c->size)
		return -ESTALE;
	for (uint64_t at = offset; at < end; at = next) {
		size_t part = (size_t)whole_until(c, at, MIN(end, at + CHUNK), &next);
		int err = read_all(fd, buf, at, part);

		if (err)
			return err;
		if (memcmp(buf, c->data + at, part) != 0)
			return -ESTALE;
	}
	return 0;
}

int file_copy_compare(const struct file_copy *c, int fd)
{
	struct file_stamp now;
	int err = file_stamp_read(fd, &now);

	if (err)
		return err;
	if (now.size != c->stamp.size)
		return -ESTALE;
	return file_copy_compare_part(c, fd, 0, c->size);
}
