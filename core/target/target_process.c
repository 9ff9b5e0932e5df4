/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a process has the program loaded. The kernel tells a process the run-time entry point of
 * its program (auxv); /proc/PID/maps proves that this file is what is mapped there. Files are
 * compared by device and inode, since a path means nothing in another mount namespace or after the
 * file was replaced. No state.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/target/target_internal.h"

static bool is_exe_of(const struct image *img, pid_t pid)
{
	char path[64];
	struct stat st;
	dev_t dev;
	ino_t ino;

	image_identity(img, &dev, &ino);
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return !stat(path, &st) && st.st_dev == dev && st.st_ino == ino;
}

/* Run-time less static address of the entry point. */
static int entry_bias(const struct image *img, pid_t pid, uint64_t *ret)
{
	cleanup_close_ int fd = -1;
	Elf64_auxv_t entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (read(fd, &entry, sizeof(entry)) == sizeof(entry)) {
		if (entry.a_type != AT_ENTRY)
			continue;
		*ret = entry.a_un.a_val - image_entry(img);
		return 0;
	}
	return -ENOENT;
}

struct mapping {
	unsigned long start, end, offset, ino;
	unsigned major, minor;
	char perms[5];
};

static bool parse(const char *line, struct mapping *ret)
{
	return sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &ret->start, &ret->end, ret->perms,
		      &ret->offset, &ret->major, &ret->minor, &ret->ino) == 7;
}

/* What the process has of this file: */
struct search {
	uint64_t text;  /* file offset of the first Go instruction */
	uint64_t vaddr; /* its static address */
	bool pie, know; /* know: `bias` is what the kernel says */
	uint64_t bias;
	dev_t dev;
	ino_t ino;
};

/*
 * Does this mapping hold the first Go instruction? With the kernel's word for the bias it need only
 * lie where that says: overlayfs and btrfs show other device numbers, even inodes, in maps than
 * stat() does.
 */
static bool matches(const struct search *s, const struct mapping *m, uint64_t *ret_bias)
{
	uint64_t bias;

	if (m->perms[2] != 'x' || !m->ino || s->text < m->offset ||
	    s->text - m->offset >= m->end - m->start)
		return false;
	bias = m->start + (s->text - m->offset) - s->vaddr;
	if (!s->pie && bias)
		return false;
	if (s->know ? bias != s->bias : m->ino != s->ino || makedev(m->major, m->minor) != s->dev)
		return false;
	*ret_bias = bias;
	return true;
}

int target_load_bias(const struct target *t, pid_t pid, uint64_t *ret)
{
	struct search s = {.vaddr = t->ranges.text, .pie = image_is_pie(t->img)};
	bool any = false, found = false;
	char path[64], *line = NULL;
	size_t cap = 0;
	FILE *f;

	if (image_code_offset(t->img, s.vaddr, &s.text))
		return -ENOENT;
	image_identity(t->img, &s.dev, &s.ino);
	s.know = is_exe_of(t->img, pid) && !entry_bias(t->img, pid, &s.bias);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!found && getline(&line, &cap, f) > 0) {
		struct mapping m;

		any = true;
		found = parse(line, &m) && matches(&s, &m, ret);
	}
	free(line);
	fclose(f);
	if (found)
		return 0;
	return any ? -ENOENT : -ESRCH; /* a process that has exited has no mappings */
}
