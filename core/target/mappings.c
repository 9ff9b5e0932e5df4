/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /proc/PID/maps; see mappings.h. */
#include "core/target/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/util.h"

/* 55d0-55e0 r-xp 00001000 fe:00 1234    /usr/bin/server */
static bool parse(char *line, size_t len, struct mapping *ret)
{
	unsigned long start, end, offset, ino;
	unsigned major, minor;
	char perms[5];
	int path = 0;

	if (len && line[len - 1] == '\n')
		line[len - 1] = '\0';
	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &start, &end, perms, &offset, &major,
		   &minor, &ino, &path) < 7)
		return false;
	*ret = (struct mapping){
		.start = start,
		.end = end,
		.offset = offset,
		.dev = makedev(major, minor),
		.ino = ino,
		.readable = perms[0] == 'r',
		.writable = perms[1] == 'w',
		.executable = perms[2] == 'x',
		.path = path ? line + path : "",
	};
	return true;
}

int mappings_each(pid_t pid, mapping_fn *fn, void *ctx)
{
	char path[64], *line = NULL;
	size_t cap = 0;
	ssize_t len;
	bool any = false;
	int err = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (len = getline(&line, &cap, f)) > 0) {
		struct mapping m;

		any = true;
		if (!parse(line, (size_t)len, &m))
			continue;
		m.pid = pid;
		err = fn(ctx, &m);
	}
	free(line);
	(void)fclose(f);
	return any ? err : -ESRCH; /* a process that has exited has no mappings */
}

struct own {
	uint64_t addr;
	dev_t dev;
	ino_t ino;
};

static int find_own(void *ctx, const struct mapping *m)
{
	struct own *own = ctx;

	if (own->addr < m->start || own->addr >= m->end)
		return 0;
	own->dev = m->dev;
	own->ino = m->ino;
	return 1;
}

int mappings_identity(int fd, struct mapped_file *ret)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	struct own own = {.addr = (uintptr_t)page};
	struct statfs fs;
	struct stat st;
	int err;

	*ret = (struct mapped_file){0};
	if (page == MAP_FAILED)
		return -errno;
	err = mappings_each(getpid(), find_own, &own);
	(void)munmap(page, size);
	if (err != 1 || !own.ino)
		return err < 0 ? err : -ENOENT;
	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return -errno;
	*ret = (struct mapped_file){
		.dev = own.dev,
		.ino = own.ino,
		.has_twins = fs.f_type == BTRFS_SUPER_MAGIC,
		.stat_dev = st.st_dev,
	};
	return 0;
}

/* Newlines are octal in maps, nothing else is. */
static void unescape(char *path)
{
	for (char *at = path; (at = strstr(at, "\\012")); at++) {
		*at = '\n';
		memmove(at + 1, at + 4, strlen(at + 4) + 1);
	}
}

/* Its file as the kernel holds it: also a deleted one, or in another mount namespace. */
static void link_path(const struct mapping *m, char *ret, size_t size)
{
	(void)snprintf(ret, size, "/proc/%d/map_files/%llx-%llx", (int)m->pid,
		       (unsigned long long)m->start, (unsigned long long)m->end);
}

/* Its file by name, as the process would find it. */
static int named_path(const struct mapping *m, char *ret, size_t size)
{
	int n = snprintf(ret, size, "/proc/%d/root", (int)m->pid);

	if (m->path[0] != '/' || strlen(m->path) >= size - (size_t)n)
		return -ENOENT;
	(void)snprintf(ret + n, size - (size_t)n, "%s", m->path);
	unescape(ret + n);
	return 0;
}

bool mapping_is_of(const struct mapping *m, const struct mapped_file *file)
{
	char path[PATH_MAX + 64];
	struct stat st;

	if (!file->ino || m->ino != file->ino || m->dev != file->dev)
		return false;
	if (!file->has_twins)
		return true;
	link_path(m, path, sizeof(path));
	if (stat(path, &st) && (named_path(m, path, sizeof(path)) || stat(path, &st)))
		return true;
	/* The name may meanwhile be another file's, which then says nothing. */
	return st.st_ino != m->ino || st.st_dev == file->stat_dev;
}

int mapping_open(const struct mapping *m)
{
	char path[PATH_MAX + 64];
	struct mapped_file found;
	int fd, err;

	link_path(m, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	err = named_path(m, path, sizeof(path));
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (mappings_identity(fd, &found) || !mapping_is_of(m, &found)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}
