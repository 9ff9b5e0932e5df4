/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Go's function table, .gopclntab: functions by index, name, pc; values by pc (file, line, inlined
 * call). Formats of Go 1.16 (used by 1.17), 1.18 and 1.20 on (runtime/symtab.go).
 * Borrows the image. Immutable after pclntab_set_module(); any thread may read. Everything in the
 * table is checked before use: a damaged one gives -ENOENT or a shorter answer.
 */
#ifndef XGOTOPFS_TARGET_PCLNTAB_H
#define XGOTOPFS_TARGET_PCLNTAB_H

#include "core/target/image.h"

enum pclntab_format { PCLNTAB_OLD, PCLNTAB_116, PCLNTAB_118, PCLNTAB_120 };

struct text_section { /* runtime.textsect: only huge arm64 programs have more than one */
	uint64_t vaddr, end, base;
};

struct pclntab {
	const struct image *img;
	enum pclntab_format format;
	uint64_t addr;       /* static address of the header */
	const uint8_t *data; /* the header and all that follows, `size` bytes */
	size_t size;
	const char *found_by; /* "the section .gopclntab", … for people */
	uint32_t nfunc, nfiles, quantum;
	uint64_t names, cus, files, pcs, funcs; /* offsets into data */
	/* From moduledata: */
	uint64_t text, gofunc;
	struct text_section sections[16];
	size_t n_sections;
};

#define PCLNTAB_ARGS_UNKNOWN INT32_MIN /* abi.ArgsSizeUnknown */

/* One entry of the function table, decoded. */
struct pclntab_func {
	uint32_t index;
	uint64_t entry, end;
	uint64_t at; /* offset of the _func in data */
	uint32_t name_off, pcsp, pcfile, pcln, npcdata, nfuncdata, cu;
	uint32_t start_line; /* 0 before 1.20 */
	int32_t args;        /* bytes of arguments and results; PCLNTAB_ARGS_UNKNOWN */
	uint8_t id, flag;
};

/* Candidates, best first: -ENOENT past the last one. Scans the file when no section names it. */
int pclntab_find(const struct image *img, size_t nth, struct pclntab *ret);

int pclntab_func(const struct pclntab *tab, uint32_t index, struct pclntab_func *ret);
/* Index of the function that covers pc. -ENOENT. */
int pclntab_index(const struct pclntab *tab, uint64_t pc, uint32_t *ret);
/* The name at an offset of the name table; NULL when it does not end inside the table. */
const char *pclntab_name(const struct pclntab *tab, uint32_t name_off);
/* Name of function `index` without decoding the rest; NULL as above. */
const char *pclntab_func_name(const struct pclntab *tab, uint32_t index);

/* The values of a pc table (pctab offset), one after the other, each over [lo, hi). */
struct pclntab_values {
	uint64_t lo, hi;
	int32_t value;
	/* private */
	const uint8_t *at, *end;
	uint64_t entry;
	uint32_t sum, quantum;
};
void pclntab_values(const struct pclntab *tab, const struct pclntab_func *f, uint32_t table,
		    struct pclntab_values *ret);
bool pclntab_next_value(struct pclntab_values *v);

/* Value of a pc table at pc; -1 when there is none. */
int32_t pclntab_value(const struct pclntab *tab, const struct pclntab_func *f, uint32_t table,
		      uint64_t pc);
uint32_t pclntab_pcdata(const struct pclntab *tab, const struct pclntab_func *f, uint32_t which);
/* Static address of a function's i-th funcdata. -ENOENT. */
int pclntab_funcdata(const struct pclntab *tab, const struct pclntab_func *f, uint32_t which,
		     uint64_t *ret);
/* Name of a file by its number in the function's compilation unit (1.17 on); NULL. */
const char *pclntab_file(const struct pclntab *tab, const struct pclntab_func *f, int32_t number);

#endif
