/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a few struct layouts from DWARF with libdw. Go writes each type's description once, with
 * its package path in the name; section compression (and DWARF 5 from Go 1.25) is libdw's business.
 * A handle of its own, so that what libelf unpacks is freed again; and a process of its own,
 * because libdw exits, aborts or crashes when it gets no memory, and the file is anybody's.
 */
#include "core/target/dwarf_facts.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "core/base/isolated.h"
#include "core/base/util.h"

#define DWARF_SECONDS 120 /* what can be read at all is read in a few */

enum {
	STRUCT_G,
	STRUCT_M,
	STRUCT_GOBUF,
	STRUCT_MODULEDATA,
	STRUCT_SUDOG,
	STRUCT_TRACEABLE,
	STRUCT_HCHAN,
	STRUCT_POLLDESC,
	STRUCT_NOTIFYLIST,
	STRUCT_DEFER,
	STRUCT_TIMER,
	STRUCT_MHEAP,
	STRUCT_MSPAN,
	STRUCT_MCACHE,
	STRUCT_P,
	STRUCTS,
};

/* Without these two nothing can be done: they are looked for in every unit. */
#define STRUCTS_NEEDED (1u << STRUCT_G | 1u << STRUCT_M)
#define STRUCTS_ALL    ((1u << STRUCTS) - 1)

static const char *const struct_names[STRUCTS] = {
	[STRUCT_G] = "runtime.g",
	[STRUCT_M] = "runtime.m",
	[STRUCT_GOBUF] = "runtime.gobuf",
	[STRUCT_MODULEDATA] = "runtime.moduledata",
	[STRUCT_SUDOG] = "runtime.sudog",
	[STRUCT_TRACEABLE] = "runtime.maybeTraceablePtr",
	[STRUCT_HCHAN] = "runtime.hchan",
	[STRUCT_POLLDESC] = "runtime.pollDesc",
	[STRUCT_NOTIFYLIST] = "runtime.notifyList",
	[STRUCT_DEFER] = "runtime._defer",
	[STRUCT_TIMER] = "runtime.timer",
	[STRUCT_MHEAP] = "runtime.mheap",
	[STRUCT_MSPAN] = "runtime.mspan",
	[STRUCT_MCACHE] = "runtime.mcache",
	[STRUCT_P] = "runtime.p",
};

static const struct {
	int in;
	const char *name;
	bool optional;
} fields[DWARF_FIELDS] = {
	[DWARF_G_M] = {STRUCT_G, "m", false},
	[DWARF_G_SCHED] = {STRUCT_G, "sched", false},
	[DWARF_G_STATUS] = {STRUCT_G, "atomicstatus", false},
	[DWARF_G_GOID] = {STRUCT_G, "goid", false},
	[DWARF_G_WAITSINCE] = {STRUCT_G, "waitsince", false},
	[DWARF_G_WAITREASON] = {STRUCT_G, "waitreason", false},
	[DWARF_G_PARENT] = {STRUCT_G, "parentGoid", true},
	[DWARF_G_GOPC] = {STRUCT_G, "gopc", false},
	[DWARF_G_STARTPC] = {STRUCT_G, "startpc", false},
	[DWARF_G_SYSCALLSP] = {STRUCT_G, "syscallsp", true},
	[DWARF_G_SYSCALLPC] = {STRUCT_G, "syscallpc", true},
	[DWARF_G_SYSCALLBP] = {STRUCT_G, "syscallbp", true},
	[DWARF_G_LOCKEDM] = {STRUCT_G, "lockedm", true},
	[DWARF_G_LABELS] = {STRUCT_G, "labels", true},
	[DWARF_G_BUBBLE] = {STRUCT_G, "bubble", true},
	[DWARF_G_CLEANUPS] = {STRUCT_G, "runningCleanups", true},
	[DWARF_G_TRACKING_SEQ] = {STRUCT_G, "trackingSeq", true},
	[DWARF_GOBUF_SP] = {STRUCT_GOBUF, "sp", true},
	[DWARF_GOBUF_PC] = {STRUCT_GOBUF, "pc", true},
	[DWARF_GOBUF_LR] = {STRUCT_GOBUF, "lr", true},
	[DWARF_GOBUF_BP] = {STRUCT_GOBUF, "bp", true},
	[DWARF_M_G0] = {STRUCT_M, "g0", false},
	[DWARF_M_PROCID] = {STRUCT_M, "procid", false},
	[DWARF_M_CURG] = {STRUCT_M, "curg", false},
	[DWARF_M_P] = {STRUCT_M, "p", false},
	[DWARF_M_ID] = {STRUCT_M, "id", false},
	[DWARF_P_GOIDCACHE] = {STRUCT_P, "goidcache", true},
	[DWARF_MD_TYPES] = {STRUCT_MODULEDATA, "types", false},
	[DWARF_MD_ETYPES] = {STRUCT_MODULEDATA, "etypes", false},
	[DWARF_MD_GOFUNC] = {STRUCT_MODULEDATA, "gofunc", true},
	[DWARF_MD_TEXTSECTMAP] = {STRUCT_MODULEDATA, "textsectmap", true},
	[DWARF_MD_GCDATAMASK] = {STRUCT_MODULEDATA, "gcdatamask", true},
	[DWARF_MD_NEXT] = {STRUCT_MODULEDATA, "next", true},
	[DWARF_MHEAP_ALLSPANS] = {STRUCT_MHEAP, "allspans", true},
	[DWARF_SPAN_BASE] = {STRUCT_MSPAN, "startAddr", true},
	[DWARF_SPAN_PAGES] = {STRUCT_MSPAN, "npages", true},
	[DWARF_SPAN_LIMIT] = {STRUCT_MSPAN, "limit", true},
	[DWARF_SPAN_ELEM_SIZE] = {STRUCT_MSPAN, "elemsize", true},
	[DWARF_SPAN_CLASS] = {STRUCT_MSPAN, "spanclass", true},
	[DWARF_SPAN_STATE] = {STRUCT_MSPAN, "state", true},
	[DWARF_SPAN_SPECIALS] = {STRUCT_MSPAN, "specials", true},
	[DWARF_SPAN_ALLOC_COUNT] = {STRUCT_MSPAN, "allocCount", true},
	[DWARF_SPAN_ALLOC_BEFORE] = {STRUCT_MSPAN, "allocCountBeforeCache", true},
	[DWARF_MCACHE_ALLOC] = {STRUCT_MCACHE, "alloc", true},
	[DWARF_P_TIMERS] = {STRUCT_P, "timers", true},
	[DWARF_P_ID] = {STRUCT_P, "id", true},
	[DWARF_G_WAITING] = {STRUCT_G, "waiting", true},
	[DWARF_G_DEFER] = {STRUCT_G, "_defer", true},
	[DWARF_SUDOG_NEXT] = {STRUCT_SUDOG, "next", true},
	[DWARF_SUDOG_PREV] = {STRUCT_SUDOG, "prev", true},
	[DWARF_SUDOG_ELEM] = {STRUCT_SUDOG, "elem", true},
	[DWARF_SUDOG_WAITLINK] = {STRUCT_SUDOG, "waitlink", true},
	[DWARF_SUDOG_C] = {STRUCT_SUDOG, "c", true},
	[DWARF_TRACEABLE_VU] = {STRUCT_TRACEABLE, "vu", true},
	[DWARF_HCHAN_QCOUNT] = {STRUCT_HCHAN, "qcount", true},
	[DWARF_HCHAN_DATAQSIZ] = {STRUCT_HCHAN, "dataqsiz", true},
	[DWARF_HCHAN_ELEMSIZE] = {STRUCT_HCHAN, "elemsize", true},
	[DWARF_HCHAN_CLOSED] = {STRUCT_HCHAN, "closed", true},
	[DWARF_HCHAN_ELEMTYPE] = {STRUCT_HCHAN, "elemtype", true},
	[DWARF_HCHAN_RECVQ] = {STRUCT_HCHAN, "recvq", true},
	[DWARF_HCHAN_SENDQ] = {STRUCT_HCHAN, "sendq", true},
	[DWARF_HCHAN_TIMER] = {STRUCT_HCHAN, "timer", true},
	[DWARF_POLL_FD] = {STRUCT_POLLDESC, "fd", true},
	[DWARF_POLL_RG] = {STRUCT_POLLDESC, "rg", true},
	[DWARF_POLL_WG] = {STRUCT_POLLDESC, "wg", true},
	[DWARF_POLL_SELF] = {STRUCT_POLLDESC, "self", true},
	[DWARF_NOTIFY_HEAD] = {STRUCT_NOTIFYLIST, "head", true},
	[DWARF_NOTIFY_TAIL] = {STRUCT_NOTIFYLIST, "tail", true},
	[DWARF_DEFER_FN] = {STRUCT_DEFER, "fn", true},
	[DWARF_DEFER_LINK] = {STRUCT_DEFER, "link", true},
	[DWARF_TIMER_ARG] = {STRUCT_TIMER, "arg", true},
};

/* --- how much there is ---------------------------------------------------------------------- */

static uint64_t unpacked_size(const struct image *img, const struct image_section *sec)
{
	const uint8_t *at = image_file(img, sec->offset, 12);
	uint64_t size = 0;

	if (!strncmp(sec->name, ".zdebug_", 8) && at && !memcmp(at, "ZLIB", 4)) {
		for (int i = 4; i < 12; i++)
			size = size << 8 | at[i];
		return size;
	}
	if (sec->flags & SHF_COMPRESSED) {
		Elf64_Chdr chdr;
		const void *head = image_file(img, sec->offset, sizeof(chdr));

		if (!head)
			return 0;
		memcpy(&chdr, head, sizeof(chdr));
		return chdr.ch_size;
	}
	return sec->size;
}

uint64_t dwarf_cost(const struct image *img)
{
	struct image_section sec;
	uint64_t cost = 0;
	bool info = false;

	for (size_t i = 0; image_section_at(img, i, &sec); i++) {
		if (strncmp(sec.name, ".debug_", 7) != 0 && strncmp(sec.name, ".zdebug_", 8) != 0)
			continue;
		info |= !!strstr(sec.name, "debug_info");
		if (__builtin_add_overflow(cost, unpacked_size(img, &sec), &cost))
			return UINT64_MAX;
	}
	return info ? cost : 0;
}

/* --- reading -------------------------------------------------------------------------------- */

static int64_t member_offset(Dwarf_Die *member)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr(member, DW_AT_data_member_location, &attr))
		return -1;
	if (!dwarf_formudata(&attr, &value))
		return value <= INT32_MAX ? (int64_t)value : -1;
	if (!dwarf_getlocation(&attr, &ops, &n) && n == 1 && ops[0].atom == DW_OP_plus_uconst)
		return ops[0].number <= INT32_MAX ? (int64_t)ops[0].number : -1;
	return -1;
}

/* Where the size of a struct goes; NULL: it is not wanted. */
static uint32_t *size_of(struct dwarf_facts *facts, int which)
{
	switch (which) {
	case STRUCT_G:
		return &facts->g_size;
	case STRUCT_SUDOG:
		return &facts->sudog_size;
	case STRUCT_HCHAN:
		return &facts->hchan_size;
	case STRUCT_POLLDESC:
		return &facts->poll_size;
	case STRUCT_NOTIFYLIST:
		return &facts->notify_size;
	case STRUCT_DEFER:
		return &facts->defer_size;
	case STRUCT_TIMER:
		return &facts->timer_size;
	default:
		return NULL;
	}
}

static void read_struct(Dwarf_Die *die, int which, struct dwarf_facts *facts)
{
	uint32_t *ret_size = size_of(facts, which);
	Dwarf_Word size;
	Dwarf_Attribute attr;
	Dwarf_Die member;

	if (ret_size && dwarf_attr(die, DW_AT_byte_size, &attr) && !dwarf_formudata(&attr, &size))
		*ret_size = (uint32_t)size;
	if (dwarf_child(die, &member))
		return;
	do {
		const char *name = dwarf_diename(&member);

		if (dwarf_tag(&member) != DW_TAG_member || !name)
			continue;
		for (size_t i = 0; i < DWARF_FIELDS; i++)
			if (fields[i].in == which && !strcmp(fields[i].name, name))
				facts->offset[i] = member_offset(&member);
	} while (!dwarf_siblingof(&member, &member));
}

/* Returns a bit for each struct found in this unit. */
static unsigned read_unit(Dwarf_Die *unit, unsigned found, struct dwarf_facts *facts)
{
	Dwarf_Die die;

	if (dwarf_child(unit, &die))
		return found;
	do {
		const char *name;

		if (dwarf_tag(&die) != DW_TAG_structure_type)
			continue;
		name = dwarf_diename(&die);
		for (int i = 0; name && i < STRUCTS; i++) {
			if (found & 1u << i || strcmp(name, struct_names[i]))
				continue;
			read_struct(&die, i, facts);
			found |= 1u << i;
		}
	} while (found != STRUCTS_ALL && !dwarf_siblingof(&die, &die));
	return found;
}

/* The unit of the runtime, or all others, until `enough` is found. */
static unsigned read_units(Dwarf *dw, bool only_runtime, unsigned enough, unsigned found,
			   struct dwarf_facts *facts)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;

	while ((found & enough) != enough &&
	       !dwarf_get_units(dw, cu, &cu, NULL, NULL, &unit, NULL)) {
		const char *name = dwarf_diename(&unit);

		if ((name && !strcmp(name, "runtime")) == only_runtime)
			found = read_unit(&unit, found, facts);
	}
	return found;
}

/* In a process of its own. */
static int read_facts(const void *arg, void *ret)
{
	struct dwarf_facts facts = {0};
	const struct image *img = arg;
	unsigned found = 0;
	Dwarf *dw;
	Elf *elf;
	int err = 0;

	for (size_t i = 0; i < DWARF_FIELDS; i++)
		facts.offset[i] = -1;
	elf_version(EV_CURRENT);
	/* Never mapped: the file may be shortened. And not our copy: unpacking a section also
	 * changes its header, in the handle's memory. */
	elf = elf_begin(image_fd(img), ELF_C_READ, NULL);
	if (!elf)
		return -ENOEXEC;
	dw = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (dw) {
		found = read_units(dw, true, STRUCTS_ALL, 0, &facts);
		found = read_units(dw, false, STRUCTS_NEEDED, found, &facts);
		dwarf_end(dw);
	}
	elf_end(elf);
	if (!(found & 1u << STRUCT_G) || !(found & 1u << STRUCT_M))
		return -ENOENT;
	for (size_t i = 0; i < DWARF_FIELDS; i++)
		if (facts.offset[i] < 0 && !fields[i].optional && fields[i].in != STRUCT_MODULEDATA)
			err = -ENOENT;
	if (err || !facts.g_size)
		return -ENOENT;
	*(struct dwarf_facts *)ret = facts;
	return 0;
}

int dwarf_read(const struct image *img, struct dwarf_facts *ret)
{
	static const struct isolated how = {
		.fn = read_facts, .size = sizeof(struct dwarf_facts), .seconds = DWARF_SECONDS};
	struct dwarf_facts facts;
	int err;

	if (!dwarf_cost(img))
		return -ENOENT;
	err = isolated_call(&how, img, &facts);
	if (!err)
		*ret = facts;
	return err;
}
