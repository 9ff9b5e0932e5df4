/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Struct layouts from DWARF, for releases newer than the table and to check the table. Used while
 * opening only. Any thread.
 */
#ifndef XGOTOPFS_TARGET_DWARF_FACTS_H
#define XGOTOPFS_TARGET_DWARF_FACTS_H

#include "core/target/image.h"

/* In the order of dwarf_facts.c's table. */
enum dwarf_field {
	DWARF_G_M,
	DWARF_G_SCHED,
	DWARF_G_STATUS,
	DWARF_G_GOID,
	DWARF_G_WAITSINCE,
	DWARF_G_WAITREASON,
	DWARF_G_PARENT,
	DWARF_G_GOPC,
	DWARF_G_STARTPC,
	DWARF_G_SYSCALLSP,
	DWARF_G_SYSCALLPC,
	DWARF_G_SYSCALLBP,
	DWARF_G_LOCKEDM,
	DWARF_G_LABELS,
	DWARF_G_BUBBLE,
	DWARF_G_CLEANUPS,
	DWARF_G_TRACKING_SEQ,
	DWARF_GOBUF_SP, /* of g.sched */
	DWARF_GOBUF_PC,
	DWARF_GOBUF_LR,
	DWARF_GOBUF_BP,
	DWARF_M_G0,
	DWARF_M_PROCID,
	DWARF_M_CURG,
	DWARF_M_P,
	DWARF_M_ID,
	DWARF_P_GOIDCACHE,
	DWARF_MD_TYPES,
	DWARF_MD_ETYPES,
	DWARF_MD_GOFUNC,
	DWARF_MD_TEXTSECTMAP,
	DWARF_MD_GCDATAMASK,
	DWARF_MD_NEXT,
	DWARF_MHEAP_ALLSPANS,
	DWARF_SPAN_BASE,
	DWARF_SPAN_PAGES,
	DWARF_SPAN_LIMIT,
	DWARF_SPAN_ELEM_SIZE,
	DWARF_SPAN_CLASS,
	DWARF_SPAN_STATE,
	DWARF_SPAN_SPECIALS,
	DWARF_SPAN_ALLOC_COUNT,
	DWARF_SPAN_ALLOC_BEFORE,
	DWARF_MCACHE_ALLOC,
	DWARF_P_TIMERS,
	DWARF_P_ID,
	DWARF_G_WAITING,
	DWARF_G_DEFER,
	DWARF_SUDOG_NEXT,
	DWARF_SUDOG_PREV,
	DWARF_SUDOG_ELEM,
	DWARF_SUDOG_WAITLINK,
	DWARF_SUDOG_C,
	DWARF_TRACEABLE_VU, /* of sudog.elem and sudog.c: 1.26 on */
	DWARF_HCHAN_QCOUNT,
	DWARF_HCHAN_DATAQSIZ,
	DWARF_HCHAN_ELEMSIZE,
	DWARF_HCHAN_CLOSED,
	DWARF_HCHAN_ELEMTYPE,
	DWARF_HCHAN_RECVQ,
	DWARF_HCHAN_SENDQ,
	DWARF_HCHAN_TIMER,
	DWARF_POLL_FD,
	DWARF_POLL_RG,
	DWARF_POLL_WG,
	DWARF_POLL_SELF,
	DWARF_NOTIFY_HEAD,
	DWARF_NOTIFY_TAIL,
	DWARF_DEFER_FN,
	DWARF_DEFER_LINK,
	DWARF_TIMER_ARG,
	DWARF_FIELDS,
};

struct dwarf_facts {
	int64_t offset[DWARF_FIELDS]; /* -1: the struct has no such field */
	uint32_t g_size;
	uint32_t sudog_size, hchan_size, poll_size, notify_size, defer_size,
		timer_size; /* 0: not there */
};

/* Bytes that reading the DWARF would have to unpack and look through; 0 when there is none. */
uint64_t dwarf_cost(const struct image *img);
/* 0, -ENOENT (no DWARF, or not the runtime's structs in it), -ENOEXEC (damaged), -EIO (so damaged,
 * or memory so scarce, that reading it crashed: in a child), -ETIMEDOUT, or -errno without a child.
 */
int dwarf_read(const struct image *img, struct dwarf_facts *ret);

#endif
