/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading .gopclntab. Sources: runtime/symtab.go (pcHeader, functab, _func, pcvalue, step,
 * funcfile, funcdata), cmd/link/internal/ld/pcln.go. Pure functions over the image.
 */
#include "core/target/pclntab.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core/base/util.h"

#define MAGIC_12  0xfffffffbu
#define MAGIC_116 0xfffffffau
#define MAGIC_118 0xfffffff0u
#define MAGIC_120 0xfffffff1u

#define TABLE_MAX (1 << 20) /* bytes of one table of values by pc that are looked through */

/* --- checked reads -------------------------------------------------------------------------- */

static bool get(const struct pclntab *tab, uint64_t off, void *ret, size_t n)
{
	if (off > tab->size || n > tab->size - off)
		return false;
	memcpy(ret, tab->data + off, n);
	return true;
}

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* --- finding it ----------------------------------------------------------------------------- */

static int format_of(uint32_t magic, enum pclntab_format *ret)
{
	switch (magic) {
	case MAGIC_12:
		*ret = PCLNTAB_OLD;
		return 0;
	case MAGIC_116:
		*ret = PCLNTAB_116;
		return 0;
	case MAGIC_118:
		*ret = PCLNTAB_118;
		return 0;
	case MAGIC_120:
		*ret = PCLNTAB_120;
		return 0;
	}
	return -ENOENT;
}

static size_t functab_entry_size(const struct pclntab *tab)
{
	return tab->format == PCLNTAB_116 ? 16 : 8;
}

/* Looks at `addr` for a header of any known format that fits into the rest of its segment. */
static int pclntab_probe(const struct image *img, uint64_t addr, struct pclntab *ret)
{
	struct pclntab tab = {.img = img, .addr = addr, .size = image_left(img, addr)};
	const uint8_t quantum = image_machine(img) == EM_X86_64 ? 1 : 4;
	const uint8_t *p;
	uint64_t nfunc;

	if (tab.size < 72)
		return -ENOENT;
	p = tab.data = image_at(img, addr, tab.size);
	if (format_of(u32_at(p), &tab.format) || p[4] || p[5] || p[6] != quantum || p[7] != 8)
		return -ENOENT;
	tab.quantum = quantum;
	nfunc = u64_at(p + 8);
	if (!nfunc || nfunc > tab.size / 8 || nfunc > INT32_MAX)
		return -ENOENT;
	tab.nfunc = (uint32_t)nfunc;
	if (tab.format == PCLNTAB_OLD) { /* only to say so: the rest is not read */
		*ret = tab;
		return 0;
	}
	tab.nfiles = u32_at(p + 16);
	p += tab.format == PCLNTAB_116 ? 24 : 32; /* past nfiles, and textStart since 1.18 */
	tab.names = u64_at(p);
	tab.cus = u64_at(p + 8);
	tab.files = u64_at(p + 16);
	tab.pcs = u64_at(p + 24);
	tab.funcs = u64_at(p + 32);
	if (tab.names < 64 || tab.names >= tab.cus || tab.cus > tab.files || tab.files > tab.pcs ||
	    tab.pcs > tab.funcs || tab.funcs >= tab.size)
		return -ENOENT;
	if ((nfunc + 1) * functab_entry_size(&tab) > tab.size - tab.funcs)
		return -ENOENT;
	*ret = tab;
	return 0;
}

/* The magic on an 8-byte boundary of a data segment; the header must make sense. */
static int scan(const struct image *img, size_t nth, struct pclntab *ret)
{
	struct image_segment seg;

	for (size_t i = 0; image_segment_at(img, i, &seg); i++) {
		if (seg.executable && seg.size > (1 << 16))
			continue; /* never among the instructions */
		for (uint64_t at = -seg.vaddr & 7; at + 72 <= seg.size; at += 8) {
			/* All four magics begin with 0xff bytes at the high end. */
			if (seg.data[at + 3] != 0xff || seg.data[at + 2] != 0xff ||
			    pclntab_probe(img, seg.vaddr + at, ret) || nth--)
				continue;
			ret->found_by = "a scan for its header";
			return 0;
		}
	}
	return -ENOENT;
}

int pclntab_find(const struct image *img, size_t nth, struct pclntab *ret)
{
	struct image_section sec;

	for (size_t i = 0; image_section_at(img, i, &sec); i++) {
		const char *hit = strstr(sec.name, "gopclntab");

		if (!hit || pclntab_probe(img, sec.addr, ret) || nth--)
			continue;
		ret->found_by = sec.name;
		return 0;
	}
	return scan(img, nth, ret);
}

/* --- functions ------------------------------------------------------------------------------ */

/* moduledata.textAddr() */
static uint64_t text_address(const struct pclntab *tab, uint32_t off)
{
	for (size_t i = 0; i < tab->n_sections; i++) {
		const struct text_section *s = &tab->sections[i];

		if (off >= s->vaddr &&
		    (off < s->end || (i + 1 == tab->n_sections && off == s->end)))
			return s->base + (off - s->vaddr);
	}
	return tab->text + off;
}

/* Entry i of the table and the place of its _func; i == nfunc is the end mark. */
static int functab(const struct pclntab *tab, uint32_t i, uint64_t *ret_entry, uint64_t *ret_at)
{
	uint64_t off = tab->funcs + (uint64_t)i * functab_entry_size(tab);
	uint32_t pair[2];

	if (i > tab->nfunc)
		return -ENOENT;
	if (tab->format == PCLNTAB_116) {
		/* Addresses, which a position-independent file relocates. */
		if (image_word(tab->img, tab->addr + off, ret_entry) || !get(tab, off + 8, pair, 8))
			return -ENOENT;
		*ret_at = tab->funcs + ((uint64_t)pair[0] | (uint64_t)pair[1] << 32);
		return *ret_at < tab->funcs ? -ENOENT : 0;
	}
	if (!get(tab, off, pair, sizeof(pair)))
		return -ENOENT;
	*ret_entry = text_address(tab, pair[0]);
	*ret_at = tab->funcs + pair[1];
	return 0;
}

static uint64_t entry_of(const struct pclntab *tab, uint32_t i)
{
	uint64_t entry, at;

	return functab(tab, i, &entry, &at) ? UINT64_MAX : entry;
}

/* Size of the entry field that a _func begins with. */
static uint64_t entry_field(const struct pclntab *tab)
{
	return tab->format == PCLNTAB_116 ? 8 : 4;
}

int pclntab_func(const struct pclntab *tab, uint32_t index, struct pclntab_func *ret)
{
	const uint64_t field = entry_field(tab);
	struct pclntab_func f = {.index = index};
	uint32_t w[8]; /* nameoff args deferreturn pcsp pcfile pcln npcdata cuOffset */
	uint64_t tail;
	uint8_t b[4]; /* funcID flag pad nfuncdata */

	if (index >= tab->nfunc || functab(tab, index, &f.entry, &f.at))
		return -ENOENT;
	f.end = entry_of(tab, index + 1);
	if (f.end <= f.entry || f.end == UINT64_MAX)
		return -ENOENT;
	tail = f.at + field + (tab->format == PCLNTAB_120 ? 36 : 32);
	if (!get(tab, f.at + field, w, 32) || !get(tab, tail, b, sizeof(b)))
		return -ENOENT;
	if (tab->format == PCLNTAB_120)
		get(tab, tail - 4, &f.start_line, 4);
	f.name_off = w[0];
	f.args = (int32_t)w[1];
	f.pcsp = w[3];
	f.pcfile = w[4];
	f.pcln = w[5];
	f.npcdata = w[6];
	f.cu = w[7];
	f.id = b[0];
	f.flag = b[1];
	f.nfuncdata = b[3];
	*ret = f;
	return 0;
}

int pclntab_index(const struct pclntab *tab, uint64_t pc, uint32_t *ret)
{
	uint32_t lo = 0, hi = tab->nfunc;

	if (pc < entry_of(tab, 0) || pc >= entry_of(tab, tab->nfunc))
		return -ENOENT;
	while (hi - lo > 1) { /* entry(lo) <= pc < entry(hi) */
		uint32_t mid = lo + (hi - lo) / 2;

		if (entry_of(tab, mid) <= pc)
			lo = mid;
		else
			hi = mid;
	}
	*ret = lo;
	return 0;
}

const char *pclntab_name(const struct pclntab *tab, uint32_t name_off)
{
	uint64_t off = tab->names + name_off;
	const char *name;

	if (off >= tab->cus)
		return NULL;
	name = (const char *)tab->data + off;
	return memchr(name, '\0', tab->cus - off) ? name : NULL;
}

const char *pclntab_func_name(const struct pclntab *tab, uint32_t index)
{
	uint64_t entry, at;
	uint32_t name_off;

	if (functab(tab, index, &entry, &at) ||
	    !get(tab, at + entry_field(tab), &name_off, sizeof(name_off)))
		return NULL;
	return pclntab_name(tab, name_off);
}

/* --- values by pc --------------------------------------------------------------------------- */

/* A varint of at most five bytes, as the linker writes them. */
static bool varint(const uint8_t **p, const uint8_t *end, uint32_t *ret)
{
	uint32_t value = 0;

	for (unsigned shift = 0; *p < end && shift < 35; shift += 7) {
		uint8_t byte = *(*p)++;

		value |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

void pclntab_values(const struct pclntab *tab, const struct pclntab_func *f, uint32_t table,
		    struct pclntab_values *ret)
{
	const uint8_t *end = tab->data + tab->funcs;

	*ret = (struct pclntab_values){.entry = f->entry, .hi = f->entry, .quantum = tab->quantum};
	/* The table's bytes end where the next part begins, so a damaged one ends there too; no
	 * function's is as long as TABLE_MAX. */
	if (!table || table >= tab->funcs - tab->pcs)
		return;
	ret->at = tab->data + tab->pcs + table;
	ret->end = end - ret->at > TABLE_MAX ? ret->at + TABLE_MAX : end;
	ret->sum = UINT32_MAX; /* -1 */
}

bool pclntab_next_value(struct pclntab_values *v)
{
	uint32_t delta, step;

	if (!varint(&v->at, v->end, &delta) || (!delta && v->hi != v->entry))
		return false;
	v->sum += delta & 1 ? ~(delta >> 1) : delta >> 1;
	if (!varint(&v->at, v->end, &step) || !step)
		return false;
	v->value = (int32_t)v->sum;
	v->lo = v->hi;
	v->hi += (uint64_t)step * v->quantum;
	return true;
}

int32_t pclntab_value(const struct pclntab *tab, const struct pclntab_func *f, uint32_t table,
		      uint64_t pc)
{
	struct pclntab_values v;

	if (pc < f->entry)
		return -1;
	for (pclntab_values(tab, f, table, &v); pclntab_next_value(&v);)
		if (pc < v.hi)
			return v.value;
	return -1;
}

uint32_t pclntab_pcdata(const struct pclntab *tab, const struct pclntab_func *f, uint32_t which)
{
	uint64_t arrays = f->at + entry_field(tab) + (tab->format == PCLNTAB_120 ? 40 : 36);
	uint32_t table;

	if (which >= f->npcdata || !get(tab, arrays + 4 * (uint64_t)which, &table, sizeof(table)))
		return 0;
	return table;
}

int pclntab_funcdata(const struct pclntab *tab, const struct pclntab_func *f, uint32_t which,
		     uint64_t *ret)
{
	uint64_t arrays = f->at + entry_field(tab) + (tab->format == PCLNTAB_120 ? 40 : 36);
	uint64_t at = arrays + 4 * (uint64_t)f->npcdata;
	uint32_t off;

	if (which >= f->nfuncdata)
		return -ENOENT;
	if (tab->format == PCLNTAB_116) {
		/* Pointers, on an 8-byte boundary of memory. */
		at += -(tab->addr + at) & 7;
		at += 8 * (uint64_t)which;
		if (at >= tab->size || image_word(tab->img, tab->addr + at, ret) || !*ret)
			return -ENOENT;
		return 0;
	}
	if (!get(tab, at + 4 * (uint64_t)which, &off, sizeof(off)) || off == UINT32_MAX ||
	    !tab->gofunc)
		return -ENOENT;
	*ret = tab->gofunc + off;
	return 0;
}

const char *pclntab_file(const struct pclntab *tab, const struct pclntab_func *f, int32_t number)
{
	uint64_t cu = tab->cus + 4 * ((uint64_t)f->cu + (uint32_t)number), off;
	const char *name;
	uint32_t file;

	if (number < 0 || cu + 4 > tab->files || !get(tab, cu, &file, sizeof(file)) ||
	    file == UINT32_MAX)
		return NULL;
	off = tab->files + file;
	if (off >= tab->pcs)
		return NULL;
	name = (const char *)tab->data + off;
	return memchr(name, '\0', tab->pcs - off) ? name : NULL;
}
