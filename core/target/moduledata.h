/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime.firstmoduledata: where the program's text, types and function data are. The only
 * trustworthy source of the text start (with external linking .text begins before runtime.text).
 */
#ifndef XGOTOPFS_TARGET_MODULEDATA_H
#define XGOTOPFS_TARGET_MODULEDATA_H

#include "core/target/dwarf_facts.h"
#include "core/target/pclntab.h"

/* Offsets of the variables, the same since 1.16. */
enum { MODULE_DATA = 208, MODULE_EDATA = 216, MODULE_BSS = 224, MODULE_EBSS = 232 };
#define MODULE_BITVECTOR_SIZE 16 /* runtime/stack.go bitvector {n int32; bytedata *uint8} */

/* Offsets of the fields that move between releases; the rest has not moved since 1.16. */
struct moduledata_layout {
	uint32_t types, etypes, gofunc, textsectmap; /* 0: the release has none */
	uint32_t gcdatamask; /* a bitvector; gcbssmask, another, comes next */
	uint32_t next;       /* the next module's, in memory */
};
/* For go1.`minor`, as far as the table goes; newer releases get the newest known. */
const struct moduledata_layout *moduledata_layout(unsigned minor);
/* Takes over what DWARF knows. */
void moduledata_layout_apply_dwarf(struct moduledata_layout *layout,
				   const struct dwarf_facts *facts);

struct moduledata {
	uint64_t addr, text, etext, types, etypes, gofunc;
	struct text_section sections[16];
	size_t n_sections;
};

/* Finds and checks the moduledata that points at `tab`. -ENOENT when there is none. */
int moduledata_find(const struct image *img, const struct pclntab *tab,
		    const struct moduledata_layout *layout, struct moduledata *ret);
/* Makes tab usable: text start, text sections and function data. */
void moduledata_apply(const struct moduledata *md, struct pclntab *tab);

#endif
