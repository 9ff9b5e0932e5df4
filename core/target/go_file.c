/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The marks of Go's linker (cmd/link/internal/ld/elf.go): the note with the build id, sections
 * named .go.* and .gopclntab. A plugin exports runtime.firstmoduledata, which then is the
 * program's; a c-shared library keeps it to itself. Read with libelf from the file, not mapped:
 * others may shorten it. See go_file.h.
 */
#include "core/target/go_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/util.h"
#include "core/target/process.h"

/* --- one file ------------------------------------------------------------------------------- */

static bool go_section(const char *name)
{
	return !strncmp(name, ".go.", 4) || !strncmp(name, ".note.go.", 9) ||
	       strstr(name, ".gopclntab");
}

/* Does it export the list of modules? */
static bool exports_modules(Elf_Scn *scn, const GElf_Shdr *sh, Elf *elf)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	GElf_Sym sym;

	for (size_t i = 0; data && i < n; i++) {
		const char *name = gelf_getsym(data, (int)i, &sym)
					   ? elf_strptr(elf, sh->sh_link, sym.st_name)
					   : NULL;

		if (name && !strcmp(name, "runtime.firstmoduledata"))
			return true;
	}
	return false;
}

static bool has_segment(Elf *elf, uint32_t type)
{
	size_t n = 0;
	GElf_Phdr ph;

	(void)elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == type)
			return true;
	return false;
}

static bool is_program(Elf *elf)
{
	return has_segment(elf, PT_INTERP);
}

static bool has_go_note(Elf *elf, int fd)
{
	static const char owner[] = "Go\0"; /* four bytes with the end */
	size_t n = 0;
	GElf_Phdr ph;
	char head[16];

	(void)elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_NOTE &&
		    pread(fd, head, sizeof(head), (off_t)ph.p_offset) == sizeof(head) &&
		    !memcmp(head + 12, owner, 4))
			return true;
	return false;
}

enum go_file go_file_kind(int fd)
{
	bool go, part = false;
	Elf_Scn *scn = NULL;
	size_t names = 0;
	GElf_Shdr sh;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return GO_FILE_NONE;
	}
	go = has_go_note(elf, fd);
	(void)elf_getshdrstrndx(elf, &names);
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name =
			gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

		go |= name && go_section(name);
		if (name && sh.sh_type == SHT_DYNSYM && !is_program(elf))
			part |= exports_modules(scn, &sh, elf);
	}
	elf_end(elf);
	return !go ? GO_FILE_NONE : part ? GO_FILE_PART : GO_FILE_PROGRAM;
}

/* --- a process's ---------------------------------------------------------------------------- */

#define TRANSLATED                                                                                 \
	"process %d does not execute its code but other code that is made of it, as valgrind "     \
	"does: breakpoints would be taken for the program's instructions and end it"

bool go_program_is_translated(pid_t pid)
{
	cleanup_close_ int fd = -1;
	bool is_static = false;
	char path[64];
	Elf *elf;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		is_static = !has_segment(elf, PT_INTERP) && !has_segment(elf, PT_DYNAMIC);
	elf_end(elf);
	return is_static;
}

struct choice {
	struct target *t;
	struct go_program *p;
	dev_t dev; /* of the file looked at last */
	ino_t ino;
	char path[4096], why[512]; /* of the first that cannot be traced */
	int err;
};

static void set_path(struct go_program *p, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(path), cut = strlen(deleted);

	if (n > cut && !strcmp(path + n - cut, deleted))
		n -= cut;
	(void)snprintf(p->path, sizeof(p->path), "%.*s", (int)MIN(n, sizeof(p->path) - 1), path);
}

static int try_mapping(void *ctx, const struct mapping *m)
{
	struct choice *c = ctx;
	cleanup_close_ int fd = -1;
	struct target *t;
	char why[512], path[64];
	int err;

	if (!m->executable || !m->ino || (m->dev == c->dev && m->ino == c->ino))
		return 0;
	c->dev = m->dev;
	c->ino = m->ino;
	fd = mapping_open(m);
	if (fd < 0 || go_file_kind(fd) != GO_FILE_PROGRAM)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = target_open_why(path, &t, why, sizeof(why));
	if (!err) {
		/* What is loaded first lies highest; but a program goes before libraries. */
		if (c->t && !target_is_library(c->t)) {
			target_free(t);
			return 0;
		}
		target_free(c->t);
		c->t = t;
		set_path(c->p, m->path);
		(void)snprintf(c->p->open_path, sizeof(c->p->open_path), "%s", path);
		go_program_close(c->p);
		c->p->fd = move_fd(&fd);
	} else if (!c->err) {
		c->err = err;
		(void)snprintf(c->path, sizeof(c->path), "%s", m->path);
		(void)snprintf(c->why, sizeof(c->why), "%s", *why ? why : strerror(-err));
	}
	return 0;
}

int go_program_open_why(pid_t pid, struct target **ret, struct go_program *p, char *why,
			size_t why_size)
{
	cleanup_free_ struct choice *c = calloc(1, sizeof(*c));
	int err;

	*why = '\0';
	*p = (struct go_program){.fd = -1};
	if (!c)
		return -ENOMEM;
	(void)snprintf(p->open_path, sizeof(p->open_path), "/proc/%d/exe", (int)pid);
	process_binary(pid, p->path, sizeof(p->path));
	err = target_open_why(p->open_path, ret, why, why_size);
	if (err != -ENOEXEC)
		return err;
	c->p = p;
	(void)mappings_each(pid, try_mapping, c);
	if (c->t && go_program_is_translated(pid)) {
		target_free(c->t);
		(void)snprintf(why, why_size, TRANSLATED, (int)pid);
		return -ENOEXEC;
	}
	if (c->t) {
		*ret = c->t;
		return 0;
	}
	if (!c->err)
		return err;
	(void)snprintf(p->path, sizeof(p->path), "%s", c->path);
	(void)snprintf(why, why_size, "%s", c->why);
	return c->err;
}

int go_program_open(pid_t pid, struct target **ret, struct go_program *p)
{
	char why[512];
	int err = go_program_open_why(pid, ret, p, why, sizeof(why));

	if (!err)
		return 0;
	return log_error(err, "%s: %s", p->path[0] ? p->path : p->open_path,
			 *why ? why : strerror(-err));
}

int go_program_open_path(const char *path, struct target **ret)
{
	struct target *t;
	int err = target_open(path, &t);
	pid_t by;

	if (err)
		return err;
	by = target_translated_by(t);
	if (by) {
		target_free(t);
		return log_error(-ENOEXEC, "%s: " TRANSLATED, path, (int)by);
	}
	if (target_is_part(t)) {
		target_free(t);
		return log_error(-ENOEXEC,
				 "%s: it is a plugin or another part of a Go program, and runs in "
				 "the program that loads it: trace that",
				 path);
	}
	*ret = t;
	return 0;
}

void go_program_close(struct go_program *p)
{
	close_fd(&p->fd);
	p->fd = -1;
}
