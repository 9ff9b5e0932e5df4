/*
 * An ELF file, mapped read-only: sections, segments, symbols and relative relocations, by static
 * virtual address. Knows nothing of Go. Immutable after image_open(); any thread may read.
 * The file is hostile until proven otherwise: every access is bounds-checked.
 */
#ifndef XGOTOPFS_TARGET_IMAGE_H
#define XGOTOPFS_TARGET_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image;

struct image_section {
	const char *name;
	uint64_t addr, offset, size;
	uint32_t type; /* SHT_* */
};

/* -ENOENT, -EACCES, -EIO, or -ENOEXEC when it is no 64-bit little-endian ELF file of a machine we
 * know (`why`, when not NULL, gets one line). */
int image_open(const char *path, struct image **ret, char *why, size_t why_size);
void image_free(struct image *img);

uint16_t image_machine(const struct image *img); /* EM_X86_64, EM_AARCH64 */
bool image_is_pie(const struct image *img);	 /* ET_DYN */
bool image_section(const struct image *img, const char *name, struct image_section *ret);

/* The n file bytes that are loaded at vaddr; NULL when they are not all in the file. */
const void *image_at(const struct image *img, uint64_t vaddr, size_t n);
/* How many file bytes follow from vaddr in its segment; 0 when it is not loaded. */
size_t image_left(const struct image *img, uint64_t vaddr);
/* File offset of a vaddr inside an executable segment, what a uprobe takes. -ENOENT. */
int image_code_offset(const struct image *img, uint64_t vaddr, uint64_t *ret);
/* The pointer-sized word the dynamic loader leaves at vaddr, less the load bias: the file's word,
 * or a RELATIVE relocation's addend when there is one. -ENOENT. */
int image_word(const struct image *img, uint64_t vaddr, uint64_t *ret);
/* Symbol by name from .symtab. -ENOENT (stripped, or not there). */
int image_symbol(const struct image *img, const char *name, uint64_t *ret_addr, uint64_t *ret_size);

#endif
