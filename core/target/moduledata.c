/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finding runtime.firstmoduledata in a file that may have no symbols: by the section .go.module
 * (1.26 on), else as the one place in the data that points at the function table twice, the way its
 * first two fields do. Offsets: runtime/symtab.go, type moduledata. Pure functions.
 */
#include "core/target/moduledata.h"

#include <errno.h>
#include <string.h>

#include "core/base/util.h"

/* The same in every release since 1.16. */
enum {
	PC_HEADER = 0,
	FUNCNAMETAB = 8,
	FTAB = 128,
	FTAB_LEN = 136,
	MINPC = 160,
	MAXPC = 168,
	TEXT = 176,
	ETEXT = 184,
};

/* The newest first: the first row with a minor at or below the wanted one counts. */
static const struct {
	unsigned since;
	struct moduledata_layout layout;
} layouts[] = {
	{27,
	 {.types = 296,
	  .etypes = 312,
	  .gofunc = 344,
	  .textsectmap = 360,
	  .gcdatamask = 520,
	  .next = 560}},
	{26,
	 {.types = 296,
	  .etypes = 304,
	  .gofunc = 320,
	  .textsectmap = 336,
	  .gcdatamask = 544,
	  .next = 584}},
	{23,
	 {.types = 296,
	  .etypes = 304,
	  .gofunc = 320,
	  .textsectmap = 328,
	  .gcdatamask = 536,
	  .next = 576}},
	{21,
	 {.types = 296,
	  .etypes = 304,
	  .gofunc = 320,
	  .textsectmap = 328,
	  .gcdatamask = 536,
	  .next = 584}},
	{20,
	 {.types = 296,
	  .etypes = 304,
	  .gofunc = 320,
	  .textsectmap = 328,
	  .gcdatamask = 512,
	  .next = 560}},
	{18,
	 {.types = 280,
	  .etypes = 288,
	  .gofunc = 304,
	  .textsectmap = 312,
	  .gcdatamask = 496,
	  .next = 544}},
	{0, {.types = 280, .etypes = 288, .gcdatamask = 480, .next = 528}},
};

const struct moduledata_layout *moduledata_layout(unsigned minor)
{
	size_t i = 0;

	while (minor < layouts[i].since)
		i++;
	return &layouts[i].layout;
}

void moduledata_layout_apply_dwarf(struct moduledata_layout *layout,
				   const struct dwarf_facts *facts)
{
	const int64_t *offset = facts->offset;

	if (offset[DWARF_MD_TYPES] <= 0 || offset[DWARF_MD_ETYPES] <= 0)
		return;
	layout->types = (uint32_t)offset[DWARF_MD_TYPES];
	layout->etypes = (uint32_t)offset[DWARF_MD_ETYPES];
	layout->gofunc = (uint32_t)MAX(offset[DWARF_MD_GOFUNC], 0);
	/* Before 1.18 functions are found by address and need no sections. */
	layout->gcdatamask = (uint32_t)MAX(offset[DWARF_MD_GCDATAMASK], 0);
	layout->next = (uint32_t)MAX(offset[DWARF_MD_NEXT], 0);
	layout->textsectmap = layout->gofunc ? (uint32_t)MAX(offset[DWARF_MD_TEXTSECTMAP], 0) : 0;
}

/* moduledata.textsectmap, a slice of textsect. One entry says nothing new. */
static int read_sections(const struct image *img, uint64_t slice, struct moduledata *md)
{
	uint64_t ptr, n;

	if (image_word(img, slice, &ptr) || image_word(img, slice + 8, &n))
		return -ENOENT;
	if (n <= 1)
		return 0;
	if (n > ARRAY_SIZE(md->sections))
		return -ENOENT;
	for (uint64_t i = 0; i < n; i++) {
		struct text_section *s = &md->sections[i];
		uint64_t at = ptr + 24 * i;

		if (image_word(img, at, &s->vaddr) || image_word(img, at + 8, &s->end) ||
		    image_word(img, at + 16, &s->base))
			return -ENOENT;
	}
	md->n_sections = (size_t)n;
	return 0;
}

/* The checks of moduledataverify1(), as far as one entry goes. */
static int read_at(const struct image *img, const struct pclntab *tab,
		   const struct moduledata_layout *layout, uint64_t addr, struct moduledata *ret)
{
	struct moduledata md = {.addr = addr};
	struct pclntab probe = *tab;
	struct pclntab_func first;
	uint64_t header, names, ftab, n, minpc, maxpc;

	if (image_left(img, addr) < 376 || image_word(img, addr + PC_HEADER, &header) ||
	    image_word(img, addr + FUNCNAMETAB, &names) || header != tab->addr ||
	    names != tab->addr + tab->names)
		return -ENOENT;
	if (image_word(img, addr + FTAB, &ftab) || image_word(img, addr + FTAB_LEN, &n) ||
	    ftab != tab->addr + tab->funcs || n != (uint64_t)tab->nfunc + 1)
		return -ENOENT;
	if (image_word(img, addr + MINPC, &minpc) || image_word(img, addr + MAXPC, &maxpc) ||
	    image_word(img, addr + TEXT, &md.text) || image_word(img, addr + ETEXT, &md.etext) ||
	    image_word(img, addr + layout->types, &md.types) ||
	    image_word(img, addr + layout->etypes, &md.etypes))
		return -ENOENT;
	if (md.text >= md.etext || minpc < md.text || maxpc > md.etext || minpc >= maxpc)
		return -ENOENT;
	if (layout->gofunc && image_word(img, addr + layout->gofunc, &md.gofunc))
		return -ENOENT;
	if (layout->textsectmap && read_sections(img, addr + layout->textsectmap, &md))
		return -ENOENT;
	moduledata_apply(&md, &probe);
	if (pclntab_func(&probe, 0, &first) || first.entry != minpc)
		return -ENOENT;
	if (md.types >= md.etypes || !image_at(img, md.types, 1))
		md.types = md.etypes = 0; /* names of types will be missing; nothing else */
	*ret = md;
	return 0;
}

int moduledata_find(const struct image *img, const struct pclntab *tab,
		    const struct moduledata_layout *layout, struct moduledata *ret)
{
	struct image_section sec;
	uint64_t at[64];
	size_t n;

	if (image_section(img, ".go.module", &sec) && !read_at(img, tab, layout, sec.addr, ret))
		return 0;
	n = image_find_word(img, tab->addr, at, ARRAY_SIZE(at));
	for (size_t i = 0; i < n; i++)
		if (!read_at(img, tab, layout, at[i], ret))
			return 0;
	return -ENOENT;
}

void moduledata_apply(const struct moduledata *md, struct pclntab *tab)
{
	tab->text = md->text;
	tab->gofunc = md->gofunc;
	memcpy(tab->sections, md->sections, sizeof(tab->sections));
	tab->n_sections = md->n_sections;
}
