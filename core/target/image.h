/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An ELF file, copied into memory: sections, segments, symbols and relative relocations, by static
 * virtual address. Knows nothing of Go. Immutable after image_open() and image_drop_debug(); any
 * thread may read.
 * The file is hostile until proven otherwise: every access is bounds-checked.
 */
#ifndef XGOTOPFS_TARGET_IMAGE_H
#define XGOTOPFS_TARGET_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct file_copy;
struct image;

struct image_section {
	const char *name;
	uint64_t addr, offset, size;
	uint32_t type;  /* SHT_* */
	uint64_t flags; /* SHF_* */
};

/* -ENOENT, -EACCES, -EIO, -ESTALE (it is being changed), or -ENOEXEC when it is no 64-bit
 * little-endian ELF file of a machine we know (`why`, when not NULL, gets one line). */
int image_open(const char *path, struct image **ret, char *why, size_t why_size);
void image_free(struct image *img);

uint16_t image_machine(const struct image *img);    /* EM_X86_64, EM_AARCH64 */
bool image_is_pie(const struct image *img);         /* ET_DYN */
bool image_is_interpreted(const struct image *img); /* PT_INTERP: by ld.so */
/* A shared library, not a program: nobody interprets it, and it does not say that it is a PIE. */
bool image_is_library(const struct image *img);
bool image_section(const struct image *img, const char *name, struct image_section *ret);

/* The i-th section or loaded segment, in file order; false past the last one. `data` is valid for
 * `size` bytes, which is what of the segment is in the file (no .bss). */
struct image_segment {
	uint64_t vaddr, size, offset;
	const uint8_t *data;
	bool executable, writable;
};
bool image_section_at(const struct image *img, size_t i, struct image_section *ret);
bool image_segment_at(const struct image *img, size_t i, struct image_segment *ret);

/* Everything that could be asked of the debug sections was: frees the memory of those that no
 * process loads. They read as zeros from now on. */
void image_drop_debug(struct image *img);
const struct file_copy *image_copy(const struct image *img);
/* st_dev and st_ino of the file when it was opened. */
void image_identity(const struct image *img, dev_t *ret_dev, ino_t *ret_ino);
/* Is a shared library whose name begins like this needed (DT_NEEDED)? */
bool image_needs(const struct image *img, const char *library);
/* The whole file. */
const void *image_bytes(const struct image *img, size_t *ret_size);
int image_fd(const struct image *img);         /* open for reading; stays the image's */
uint64_t image_entry(const struct image *img); /* e_entry */

/* n bytes at a file offset, also those that are not loaded. NULL when they are not all there. */
const void *image_file(const struct image *img, uint64_t offset, size_t n);
/* The n file bytes that are loaded at vaddr; NULL when they are not all in the file. */
const void *image_at(const struct image *img, uint64_t vaddr, size_t n);
/* How many file bytes follow from vaddr in its segment; 0 when it is not loaded. */
size_t image_left(const struct image *img, uint64_t vaddr);
/* File offset of a vaddr inside an executable segment, what a uprobe takes. -ENOENT. */
int image_code_offset(const struct image *img, uint64_t vaddr, uint64_t *ret);
/* The pointer-sized word the dynamic loader leaves at vaddr, less the load bias: the file's word,
 * or a RELATIVE relocation's addend when there is one. -ENOENT. */
int image_word(const struct image *img, uint64_t vaddr, uint64_t *ret);
/* Aligned addresses in data segments whose image_word() is `value`, at most max; returns how many.
 * Reads all of the data: not for often. */
size_t image_find_word(const struct image *img, uint64_t value, uint64_t *ret, size_t max);
/* Symbol by name from .symtab. -ENOENT (stripped, or not there). */
int image_symbol(const struct image *img, const char *name, uint64_t *ret_addr, uint64_t *ret_size);

#endif
