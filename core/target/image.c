/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An ELF file, copied. libelf reads the headers, the section and the symbol table; bytes are handed
 * out straight from the copy, after a check that they are all in the file.
 * One owner frees it. Immutable after image_open(), except for the relocation array, which is built
 * under a lock the first time a position-independent file needs it.
 */
#include "core/target/image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "core/target/file_copy.h"

struct segment {
	uint64_t vaddr, offset, filesz;
	uint32_t flags; /* PF_* */
};

struct relative {
	uint64_t where, addend;
};

struct image {
	struct file_copy copy;
	const uint8_t *map; /* copy.data */
	size_t size;        /* copy.size */
	int fd;
	Elf *elf;
	uint16_t machine, type;
	bool interpreted, says_pie; /* PT_INTERP; DF_1_PIE */
	struct segment *segments;   /* PT_LOAD only, clipped to the file */
	size_t n_segments;
	struct image_section *sections;
	size_t n_sections;
	const Elf_Data *symbols, *symbol_names; /* .symtab and its strings; NULL when stripped */
	uint64_t rela_addr, rela_size;          /* DT_RELA, DT_RELASZ */
	uint64_t dynamic_offset, dynamic_size;  /* in the file */

	pthread_mutex_t lock;
	bool relatives_ready;       /* protected by lock */
	struct relative *relatives; /* by address; constant once ready */
	size_t n_relatives;
};

static int explain(int err, char *why, size_t size, const char *fmt, ...) PRINTF_LIKE(4, 5);

static int explain(int err, char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	if (!why || !size)
		return err;
	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return err;
}

/* --- opening -------------------------------------------------------------------------------- */

#define HEAD_SIZE 4096         /* of what is no ELF program: enough to say what it is */
#define NAMED_MAX (4ull << 30) /* code, data and DWARF of no program are as much */

static void include(uint64_t *end, uint64_t offset, uint64_t size)
{
	uint64_t to;

	*end = MAX(*end, __builtin_add_overflow(offset, size, &to) ? UINT64_MAX : to);
}

static bool read_at(int fd, void *ret, size_t size, uint64_t table, size_t i)
{
	uint64_t at;

	return !__builtin_add_overflow(table, i * size, &at) && at <= INT64_MAX &&
	       pread(fd, ret, size, (off_t)at) == (ssize_t)size;
}

/* How much of the file its headers name. What follows is not the program's code or data but what
 * was appended (an archive that it unpacks), and may be larger than our memory. */
static uint64_t named_size(int fd)
{
	uint64_t end = HEAD_SIZE;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	Elf64_Shdr sh;

	if (!read_at(fd, &eh, sizeof(eh), 0, 0) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return end;
	/* Counts that do not fit into the header: no program that can be traced has them. */
	if (eh.e_phnum == PN_XNUM || (eh.e_shoff && !eh.e_shnum))
		return UINT64_MAX;
	include(&end, eh.e_phoff, eh.e_phnum * sizeof(ph));
	for (size_t i = 0; i < eh.e_phnum && read_at(fd, &ph, sizeof(ph), eh.e_phoff, i); i++)
		include(&end, ph.p_offset, ph.p_filesz);
	if (eh.e_shoff)
		include(&end, eh.e_shoff, eh.e_shnum * sizeof(sh));
	for (size_t i = 0; i < eh.e_shnum && read_at(fd, &sh, sizeof(sh), eh.e_shoff, i); i++)
		if (sh.sh_type != SHT_NULL && sh.sh_type != SHT_NOBITS)
			include(&end, sh.sh_offset, sh.sh_size);
	return end;
}

static int copy_file(struct image *img, const char *path, char *why, size_t why_size)
{
	cleanup_close_ int fd = -1;
	struct file_stamp before;
	struct stat st;
	uint64_t size;
	int err;

	/* A FIFO must not block us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		return explain(err, why, why_size, "%s", strerror(-err));
	}
	if (fstat(fd, &st) < 0) {
		err = -errno;
		return explain(err, why, why_size, "%s", strerror(-err));
	}
	if (S_ISDIR(st.st_mode))
		return explain(-ENOEXEC, why, why_size, "it is a directory, not a program");
	if (!S_ISREG(st.st_mode))
		return explain(-ENOEXEC, why, why_size, "it is not a regular file");
	if (!st.st_size)
		return explain(-ENOEXEC, why, why_size, "the file is empty");
	err = file_stamp_read(fd, &before);
	size = named_size(fd);
	if (!err && MIN(size, (uint64_t)before.size) > NAMED_MAX)
		return explain(-ENOEXEC, why, why_size,
			       "its headers say that more than %llu GiB of it are code and data, "
			       "which is not supported",
			       NAMED_MAX >> 30);
	if (!err)
		err = file_copy_read(fd, size, &img->copy);
	if (!err && !file_stamp_same(&before, &img->copy.stamp))
		err = -ESTALE; /* between the looks at it */
	if (err)
		return explain(err, why, why_size, "%s",
			       err == -ESTALE ? "it is being changed: try again when that is done"
					      : strerror(-err));
	img->map = img->copy.data;
	img->size = img->copy.size;
	img->fd = move_fd(&fd);
	return 0;
}

static int refuse_script(const struct image *img, char *why, size_t why_size)
{
	const char *text = (const char *)img->map + 2;
	size_t n = 0, max = MIN(img->size - 2, (size_t)128);

	while (max && *text == ' ') {
		text++;
		max--;
	}
	while (n < max && text[n] >= ' ' && text[n] < 127)
		n++;
	return explain(-ENOEXEC, why, why_size,
		       "it is a script run by %.*s, not a Go program: name the program that the "
		       "script starts",
		       (int)n, text);
}

static int check_header(struct image *img, char *why, size_t why_size)
{
	Elf64_Ehdr eh;

	if (img->size > 2 && !memcmp(img->map, "#!", 2))
		return refuse_script(img, why, why_size);
	if (img->size < SELFMAG || memcmp(img->map, ELFMAG, SELFMAG))
		return explain(-ENOEXEC, why, why_size, "it is not an ELF program");
	if (img->size < sizeof(eh))
		return explain(-ENOEXEC, why, why_size, "its ELF header is cut off");
	memcpy(&eh, img->map, sizeof(eh));
	if (eh.e_ident[EI_CLASS] == ELFCLASS32)
		return explain(-ENOEXEC, why, why_size,
			       "it is a 32-bit program: only amd64 and arm64 are supported");
	if (eh.e_ident[EI_CLASS] != ELFCLASS64)
		return explain(-ENOEXEC, why, why_size, "its ELF header is damaged");
	if (eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return explain(-ENOEXEC, why, why_size,
			       "it is a big-endian program: only amd64 and arm64 are supported");
	if (eh.e_machine != EM_X86_64 && eh.e_machine != EM_AARCH64)
		return explain(-ENOEXEC, why, why_size,
			       "it is built for another machine (ELF machine %u): only amd64 and "
			       "arm64 are supported",
			       eh.e_machine);
	if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN)
		return explain(-ENOEXEC, why, why_size, "it is an ELF file but not a program (%s)",
			       eh.e_type == ET_REL    ? "an object file"
			       : eh.e_type == ET_CORE ? "a core dump"
						      : "of an unknown type");
	img->machine = eh.e_machine;
	img->type = eh.e_type;
	return 0;
}

/* Cuts [offset, offset + size) to what is in the file. */
static uint64_t clip(const struct image *img, uint64_t offset, uint64_t size)
{
	if (offset >= img->size)
		return 0;
	return MIN(size, img->size - offset);
}

/* The i-th entry of the dynamic section; false past its end. */
static bool dynamic_entry(const struct image *img, size_t i, Elf64_Dyn *ret)
{
	if (i >= img->dynamic_size / sizeof(*ret))
		return false;
	memcpy(ret, img->map + img->dynamic_offset + i * sizeof(*ret), sizeof(*ret));
	return ret->d_tag != DT_NULL;
}

static void read_dynamic(struct image *img, uint64_t offset, uint64_t size)
{
	Elf64_Dyn dyn;

	img->dynamic_offset = offset;
	img->dynamic_size = clip(img, offset, size);
	for (size_t i = 0; dynamic_entry(img, i, &dyn); i++) {
		if (dyn.d_tag == DT_RELA)
			img->rela_addr = dyn.d_un.d_ptr;
		else if (dyn.d_tag == DT_RELASZ)
			img->rela_size = dyn.d_un.d_val;
		else if (dyn.d_tag == DT_FLAGS_1)
			img->says_pie = dyn.d_un.d_val & DF_1_PIE;
	}
}

static int read_segments(struct image *img, char *why, size_t why_size)
{
	size_t n = 0;
	GElf_Phdr ph;

	if (elf_getphdrnum(img->elf, &n) < 0 || !n)
		return explain(-ENOEXEC, why, why_size, "it has no program headers");
	n = MIN(n, img->size / sizeof(Elf64_Phdr));
	img->segments = calloc(n ? n : 1, sizeof(*img->segments));
	if (!img->segments)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct segment *s = &img->segments[img->n_segments];

		if (!gelf_getphdr(img->elf, (int)i, &ph))
			continue;
		img->interpreted |= ph.p_type == PT_INTERP;
		if (ph.p_type == PT_DYNAMIC)
			read_dynamic(img, ph.p_offset, ph.p_filesz);
		if (ph.p_type != PT_LOAD)
			continue;
		s->vaddr = ph.p_vaddr;
		s->offset = ph.p_offset;
		s->filesz = clip(img, ph.p_offset, MIN(ph.p_filesz, UINT64_MAX - ph.p_vaddr));
		s->flags = ph.p_flags;
		if (s->filesz)
			img->n_segments++;
	}
	if (!img->n_segments)
		return explain(-ENOEXEC, why, why_size, "nothing of it is loaded into memory");
	return 0;
}

/* Sections are a help, not a need: a file without them (sstrip, some packers) still opens. */
static int read_sections(struct image *img)
{
	size_t n = 0, names = 0;

	if (elf_getshdrnum(img->elf, &n) < 0 || elf_getshdrstrndx(img->elf, &names) < 0)
		return 0;
	n = MIN(n, img->size / sizeof(Elf64_Shdr));
	img->sections = calloc(n ? n : 1, sizeof(*img->sections));
	if (!img->sections)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct image_section *s = &img->sections[img->n_sections];
		Elf_Scn *scn = elf_getscn(img->elf, i);
		GElf_Shdr sh;

		if (!scn || !gelf_getshdr(scn, &sh))
			continue;
		if (sh.sh_type == SHT_SYMTAB && !img->symbols) {
			img->symbols = elf_getdata(scn, NULL);
			img->symbol_names = elf_getdata(elf_getscn(img->elf, sh.sh_link), NULL);
		}
		s->name = elf_strptr(img->elf, names, sh.sh_name);
		if (!s->name)
			continue;
		s->addr = sh.sh_addr;
		s->offset = sh.sh_offset;
		s->size =
			sh.sh_type == SHT_NOBITS ? sh.sh_size : clip(img, sh.sh_offset, sh.sh_size);
		s->type = sh.sh_type;
		s->flags = sh.sh_flags;
		img->n_sections++;
	}
	return 0;
}

int image_open(const char *path, struct image **ret, char *why, size_t why_size)
{
	struct image *img = calloc(1, sizeof(*img));
	int err;

	if (why && why_size)
		*why = '\0';
	if (!img)
		return -ENOMEM;
	img->fd = -1;
	pthread_mutex_init(&img->lock, NULL);
	err = copy_file(img, path, why, why_size);
	if (err)
		goto fail;
	err = check_header(img, why, why_size);
	if (err)
		goto fail;
	elf_version(EV_CURRENT);
	/* A read-only image: libelf takes a char * but does not write to a file of our own byte
	 * order. */
	img->elf = elf_memory((char *)img->map, img->size);
	if (!img->elf) {
		err = explain(-ENOEXEC, why, why_size, "its ELF header is damaged: %s",
			      elf_errmsg(-1));
		goto fail;
	}
	err = read_segments(img, why, why_size);
	if (!err)
		err = read_sections(img);
	if (err)
		goto fail;
	*ret = img;
	return 0;
fail:
	image_free(img);
	return err;
}

void image_free(struct image *img)
{
	if (!img)
		return;
	if (img->elf)
		elf_end(img->elf);
	file_copy_free(&img->copy);
	close_fd(&img->fd);
	pthread_mutex_destroy(&img->lock);
	free(img->segments);
	free(img->sections);
	free(img->relatives);
	free(img);
}

/* --- reading -------------------------------------------------------------------------------- */

uint16_t image_machine(const struct image *img)
{
	return img->machine;
}

bool image_is_pie(const struct image *img)
{
	return img->type == ET_DYN;
}

bool image_is_interpreted(const struct image *img)
{
	return img->interpreted;
}

bool image_is_library(const struct image *img)
{
	return image_is_pie(img) && !img->interpreted && !img->says_pie && img->dynamic_size;
}

void image_identity(const struct image *img, dev_t *ret_dev, ino_t *ret_ino)
{
	*ret_dev = img->copy.stamp.dev;
	*ret_ino = img->copy.stamp.ino;
}

const struct file_copy *image_copy(const struct image *img)
{
	return &img->copy;
}

static bool is_loaded(const struct image *img, const struct image_section *sec)
{
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *s = &img->segments[i];

		if (sec->offset < s->offset + s->filesz && s->offset < sec->offset + sec->size)
			return true;
	}
	return false;
}

void image_drop_debug(struct image *img)
{
	for (size_t i = 0; i < img->n_sections; i++) {
		const struct image_section *sec = &img->sections[i];

		if ((!strncmp(sec->name, ".debug_", 7) || !strncmp(sec->name, ".zdebug_", 8)) &&
		    sec->type != SHT_NOBITS && !is_loaded(img, sec))
			file_copy_drop(&img->copy, sec->offset, sec->size);
	}
}

bool image_needs(const struct image *img, const char *library)
{
	uint64_t strings = 0, at;
	Elf64_Dyn dyn;
	const char *name;

	for (size_t i = 0; dynamic_entry(img, i, &dyn); i++)
		if (dyn.d_tag == DT_STRTAB)
			strings = dyn.d_un.d_ptr;
	for (size_t i = 0; dynamic_entry(img, i, &dyn); i++) {
		if (dyn.d_tag != DT_NEEDED || __builtin_add_overflow(strings, dyn.d_un.d_val, &at))
			continue;
		name = image_at(img, at, strlen(library));
		if (name && !memcmp(name, library, strlen(library)))
			return true;
	}
	return false;
}

const void *image_bytes(const struct image *img, size_t *ret_size)
{
	*ret_size = img->size;
	return img->map;
}

int image_fd(const struct image *img)
{
	return img->fd;
}

uint64_t image_entry(const struct image *img)
{
	return ((const Elf64_Ehdr *)img->map)->e_entry;
}

bool image_section(const struct image *img, const char *name, struct image_section *ret)
{
	for (size_t i = 0; i < img->n_sections; i++) {
		if (strcmp(img->sections[i].name, name))
			continue;
		*ret = img->sections[i];
		return true;
	}
	return false;
}

bool image_section_at(const struct image *img, size_t i, struct image_section *ret)
{
	if (i >= img->n_sections)
		return false;
	*ret = img->sections[i];
	return true;
}

bool image_segment_at(const struct image *img, size_t i, struct image_segment *ret)
{
	const struct segment *s;

	if (i >= img->n_segments)
		return false;
	s = &img->segments[i];
	*ret = (struct image_segment){
		.vaddr = s->vaddr,
		.size = s->filesz,
		.offset = s->offset,
		.data = img->map + s->offset,
		.executable = s->flags & PF_X,
		.writable = s->flags & PF_W,
	};
	return true;
}

static const struct segment *segment_of(const struct image *img, uint64_t vaddr)
{
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *s = &img->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
			return s;
	}
	return NULL;
}

size_t image_left(const struct image *img, uint64_t vaddr)
{
	const struct segment *s = segment_of(img, vaddr);

	return s ? (size_t)(s->filesz - (vaddr - s->vaddr)) : 0;
}

const void *image_at(const struct image *img, uint64_t vaddr, size_t n)
{
	const struct segment *s = segment_of(img, vaddr);

	if (!s || n > s->filesz - (vaddr - s->vaddr))
		return NULL;
	return img->map + s->offset + (vaddr - s->vaddr);
}

int image_code_offset(const struct image *img, uint64_t vaddr, uint64_t *ret)
{
	const struct segment *s = segment_of(img, vaddr);

	if (!s || !(s->flags & PF_X))
		return -ENOENT;
	*ret = s->offset + (vaddr - s->vaddr);
	return 0;
}

const void *image_file(const struct image *img, uint64_t offset, size_t n)
{
	if (offset > img->size || n > img->size - offset)
		return NULL;
	return img->map + offset;
}

/* --- relocations ---------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct relative *x = a, *y = b;

	return x->where < y->where ? -1 : x->where > y->where;
}

/* R_X86_64_RELATIVE is 8, R_AARCH64_RELATIVE 1027. RELR entries need no care: their addend is the
 * word in the file. */
static void build_relatives(struct image *img)
{
	const uint32_t type = img->machine == EM_X86_64 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE;
	size_t n = (size_t)MIN(img->rela_size, (uint64_t)image_left(img, img->rela_addr)) /
		   sizeof(Elf64_Rela);
	const uint8_t *at = n ? image_at(img, img->rela_addr, n * sizeof(Elf64_Rela)) : NULL;
	bool sorted = true;
	size_t k = 0;

	img->relatives = at ? malloc(n * sizeof(*img->relatives)) : NULL;
	if (!img->relatives)
		return;
	for (size_t i = 0; i < n; i++) {
		Elf64_Rela rela;

		memcpy(&rela, at + i * sizeof(rela), sizeof(rela));
		if (ELF64_R_TYPE(rela.r_info) != type)
			continue;
		img->relatives[k] = (struct relative){rela.r_offset, (uint64_t)rela.r_addend};
		if (k && img->relatives[k - 1].where > rela.r_offset)
			sorted = false;
		k++;
	}
	if (!sorted)
		qsort(img->relatives, k, sizeof(*img->relatives), by_address);
	img->n_relatives = k;
}

static const struct relative *relatives(const struct image *img, size_t *ret_n)
{
	/* The lazily built part is the only one that changes, and only here. */
	struct image *mut = (struct image *)img;

	if (!image_is_pie(img)) {
		*ret_n = 0;
		return NULL;
	}
	pthread_mutex_lock(&mut->lock);
	if (!mut->relatives_ready)
		build_relatives(mut);
	mut->relatives_ready = true;
	pthread_mutex_unlock(&mut->lock);
	*ret_n = mut->n_relatives;
	return mut->relatives;
}

int image_word(const struct image *img, uint64_t vaddr, uint64_t *ret)
{
	const void *at = image_at(img, vaddr, sizeof(*ret));
	const struct relative *list, *hit = NULL;
	struct relative key = {.where = vaddr};
	size_t n;

	if (!at)
		return -ENOENT;
	list = relatives(img, &n);
	if (n)
		hit = bsearch(&key, list, n, sizeof(*list), by_address);
	if (hit)
		*ret = hit->addend;
	else
		memcpy(ret, at, sizeof(*ret));
	return 0;
}

size_t image_find_word(const struct image *img, uint64_t value, uint64_t *ret, size_t max)
{
	const struct relative *list;
	size_t n, found = 0;

	list = relatives(img, &n);
	for (size_t i = 0; i < n && found < max; i++)
		if (list[i].addend == value && !(list[i].where & 7))
			ret[found++] = list[i].where;
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *s = &img->segments[i];
		uint64_t skip = -s->vaddr & 7, word;

		if (s->flags & PF_X)
			continue;
		for (uint64_t at = skip; at + 8 <= s->filesz && found < max; at += 8) {
			memcpy(&word, img->map + s->offset + at, sizeof(word));
			if (word == value)
				ret[found++] = s->vaddr + at;
		}
	}
	return found;
}

/* --- symbols -------------------------------------------------------------------------------- */

int image_symbol(const struct image *img, const char *name, uint64_t *ret_addr, uint64_t *ret_size)
{
	const Elf_Data *symbols = img->symbols, *names = img->symbol_names;
	const size_t len = strlen(name) + 1;
	Elf64_Sym sym;

	if (!symbols || !names || !symbols->d_buf || !names->d_buf)
		return -ENOENT;
	for (size_t at = 0; at + sizeof(sym) <= symbols->d_size; at += sizeof(sym)) {
		memcpy(&sym, (const uint8_t *)symbols->d_buf + at, sizeof(sym));
		if (sym.st_shndx == SHN_UNDEF || sym.st_name >= names->d_size ||
		    len > names->d_size - sym.st_name ||
		    memcmp((const char *)names->d_buf + sym.st_name, name, len) != 0)
			continue;
		*ret_addr = sym.st_value;
		*ret_size = sym.st_size;
		return 0;
	}
	return -ENOENT;
}
