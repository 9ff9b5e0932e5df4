/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that tests/targets/build.sh builds, and copies of them to damage. After cmocka.h. */
#ifndef XGOTOPFS_TESTS_TARGET_BUILD_H
#define XGOTOPFS_TESTS_TARGET_BUILD_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/target/target.h"

/* The path of a built program, or false: this toolchain or mode is not to be had here. */
static inline bool build(const char *version, const char *mode, char *ret, size_t size)
{
	char command[512];
	bool ok;
	FILE *f;

	snprintf(command, sizeof(command), "%s/tests/targets/build.sh %s %s facts", SOURCE_ROOT,
		 version, mode);
	f = popen(command, "r");
	assert_non_null(f);
	ok = fgets(ret, (int)size, f) != NULL;
	if (pclose(f) || !ok)
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

static inline struct target *open_ok(const char *path)
{
	struct target *t = NULL;
	char why[512];
	int err = target_open_why(path, &t, why, sizeof(why));

	if (err)
		print_error("%s: %s\n", path, why);
	assert_int_equal(err, 0);
	return t;
}

static inline const void *map_file(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	assert_true(fd >= 0 && !fstat(fd, &st));
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	close(fd);
	*ret_size = (size_t)st.st_size;
	return map;
}

static inline uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

struct copy {
	int fd;
	uint8_t *data;
	size_t size;
	char path[64];
};

static inline void copy_open(struct copy *c, const char *path)
{
	const void *map = map_file(path, &c->size);

	c->fd = memfd_create("damaged", MFD_CLOEXEC);
	assert_true(c->fd >= 0 && !ftruncate(c->fd, (off_t)c->size));
	c->data = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	assert_ptr_not_equal(c->data, MAP_FAILED);
	memcpy(c->data, map, c->size);
	munmap((void *)map, c->size);
	snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d", c->fd);
}

static inline void copy_close(struct copy *c)
{
	munmap(c->data, c->size);
	close(c->fd);
}

/* Replaces a text everywhere; both have the same length. */
static inline unsigned copy_replace(struct copy *c, const char *from, const char *to)
{
	const size_t n = strlen(from);
	uint8_t *at = c->data;
	unsigned count = 0;

	assert_int_equal(n, strlen(to));
	while ((at = memmem(at, c->size - (size_t)(at - c->data), from, n))) {
		memcpy(at, to, n);
		count++;
	}
	return count;
}

#endif
