/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a process has the program loaded. Of its executable the kernel tells the run-time entry
 * point (auxv); of a library, or a program that ld.so was told to start, /proc/PID/maps does. Files
 * are compared by device and inode, since a path means nothing in another mount namespace or after
 * the file was replaced. No state.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/target/go_file.h"
#include "core/target/mappings.h"
#include "core/target/process.h"
#include "core/target/target_internal.h"

static bool is_exe_of(const struct image *img, pid_t pid)
{
	char path[64];
	struct stat st;
	dev_t dev;
	ino_t ino;

	image_identity(img, &dev, &ino);
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return !stat(path, &st) && st.st_dev == dev && st.st_ino == ino;
}

/* Where its executable begins to run. */
static int entry_of(pid_t pid, uint64_t *ret)
{
	cleanup_close_ int fd = -1;
	Elf64_auxv_t entry;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (read(fd, &entry, sizeof(entry)) == sizeof(entry)) {
		if (entry.a_type != AT_ENTRY)
			continue;
		*ret = entry.a_un.a_val;
		return 0;
	}
	return -ENOENT;
}

/* Run-time less static address of the entry point. */
static int entry_bias(const struct image *img, pid_t pid, uint64_t *ret)
{
	uint64_t entry;
	int err = entry_of(pid, &entry);

	if (!err)
		*ret = entry - image_entry(img);
	return err;
}

static bool is_file(const struct target *t, const struct mapping *m)
{
	return mapping_is_of(m, &t->mapped);
}

/* --- where it is ---------------------------------------------------------------------------- */

struct search {
	const struct target *t;
	uint64_t text;  /* file offset of the first Go instruction */
	uint64_t first; /* file offset, and static address, of the first page that is loaded */
	uint64_t first_vaddr;
	bool know; /* `bias` is what the kernel says */
	bool found;
	uint64_t bias;
};

/*
 * With the kernel's word for the bias, something executable must lie where that says: code may have
 * been moved to memory of another kind. Without it the file itself is looked for: its code, or its
 * first page, which stays where the code was moved.
 */
static int look_at(void *ctx, const struct mapping *m)
{
	struct search *s = ctx;
	uint64_t text = s->t->ranges.text, bias;

	if (s->know) {
		s->found = m->executable && text + s->bias >= m->start && text + s->bias < m->end;
		return s->found;
	}
	if (!is_file(s->t, m))
		return 0;
	if (m->executable && s->text >= m->offset && s->text - m->offset < m->end - m->start)
		bias = m->start + (s->text - m->offset) - text;
	else if (m->offset == s->first && !s->found)
		bias = m->start - s->first_vaddr;
	else
		return 0;
	if (!image_is_pie(s->t->img) && bias)
		return 0;
	s->bias = bias;
	s->found = true;
	return m->executable;
}

/* The file's first loaded page. */
static void first_page(const struct image *img, struct search *s)
{
	const uint64_t in_page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
	struct image_segment seg;

	if (!image_segment_at(img, 0, &seg))
		return;
	s->first = seg.offset & ~in_page;
	s->first_vaddr = seg.vaddr & ~in_page;
}

int target_load_bias(const struct target *t, pid_t pid, uint64_t *ret)
{
	struct search s = {.t = t};
	int err;

	if (image_code_offset(t->img, t->ranges.text, &s.text))
		return -ENOENT;
	first_page(t->img, &s);
	s.know = is_exe_of(t->img, pid) && !entry_bias(t->img, pid, &s.bias);
	err = mappings_each(pid, look_at, &s);
	if (err < 0)
		return err;
	if (!s.found)
		return -ENOENT;
	*ret = s.bias;
	return 0;
}

/* --- is its code the file's? ---------------------------------------------------------------- */

struct coverage {
	const struct target *t;
	uint64_t bias, lo, hi; /* runtime addresses of the code */
	uint64_t of_file;      /* bytes */
};

static int cover(void *ctx, const struct mapping *m)
{
	struct coverage *c = ctx;
	uint64_t lo = MAX(m->start, c->lo), hi = MIN(m->end, c->hi), offset;

	if (lo >= hi)
		return m->start >= c->hi;
	/* Of the same file, and the place in it that belongs there. */
	if (is_file(c->t, m) && !image_code_offset(c->t->img, lo - c->bias, &offset) &&
	    offset == m->offset + (lo - m->start))
		c->of_file += hi - lo;
	return 0;
}

int target_code_moved(const struct target *t, pid_t pid, uint64_t bias, uint64_t *ret_bytes)
{
	struct coverage c = {
		.t = t, .bias = bias, .lo = t->ranges.text + bias, .hi = t->ranges.etext + bias};
	int err;

	*ret_bytes = 0;
	if (!t->mapped.ino)
		return 0; /* its name in maps is not known */
	err = mappings_each(pid, cover, &c);
	if (err < 0)
		return err;
	*ret_bytes = c.hi - c.lo - c.of_file;
	return 0;
}

static int is_writable(void *ctx, const struct mapping *m)
{
	const struct coverage *c = ctx;

	return m->writable && m->executable && m->start < c->hi && m->end > c->lo;
}

bool target_code_is_writable(const struct target *t, pid_t pid, uint64_t bias)
{
	struct coverage c = {.lo = t->ranges.text + bias, .hi = t->ranges.etext + bias};

	return mappings_each(pid, is_writable, &c) == 1;
}

const void *target_code_at(const struct target *t, uint64_t addr, size_t n)
{
	uint64_t offset;

	return image_code_offset(t->img, addr, &offset) ? NULL : image_at(t->img, addr, n);
}

bool target_is_mapped_by(const struct target *t, const struct mapping *m)
{
	return is_file(t, m);
}

/* --- who runs it ---------------------------------------------------------------------------- */

static int is_mapped(void *ctx, const struct mapping *m)
{
	return m->executable && is_file(ctx, m);
}

bool target_executed_by(const struct target *t, pid_t pid)
{
	return is_exe_of(t->img, pid);
}

static bool has_mapped(const struct target *t, pid_t pid)
{
	return t->mapped.ino && mappings_each(pid, is_mapped, (void *)t) == 1;
}

struct begin {
	const struct target *t;
	uint64_t entry;
};

static int has_entry(void *ctx, const struct mapping *m)
{
	const struct begin *b = ctx;

	return b->entry >= m->start && b->entry < m->end && is_file(b->t, m);
}

/* Then it executes that, and nothing made of it: on overlayfs its executable may be this file as
 * another container has it, and some kernels show in maps the file that both are made of. */
static bool begins_in(const struct target *t, pid_t pid)
{
	struct begin b = {.t = t};

	return entry_of(pid, &b.entry) == 0 && mappings_each(pid, has_entry, &b) == 1;
}

bool target_runs_in(const struct target *t, pid_t pid)
{
	return is_exe_of(t->img, pid) ||
	       (has_mapped(t, pid) && (!go_program_is_translated(pid) || begins_in(t, pid)));
}

struct translated {
	const struct target *t;
	pid_t by;
};

static bool is_translated(void *ctx, pid_t pid)
{
	struct translated *of = ctx;

	/* What is not linked statically need not have its maps read. */
	if (is_exe_of(of->t->img, pid) || !go_program_is_translated(pid) ||
	    !has_mapped(of->t, pid) || begins_in(of->t, pid))
		return false;
	of->by = pid;
	return true;
}

pid_t target_translated_by(const struct target *t)
{
	struct translated of = {.t = t};

	(void)process_each(is_translated, &of);
	return of.by;
}
