/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of offsets (docs/go_runtime.md), read from the DWARF of a program of each release
 * (amd64 and arm64 agree). Sources: runtime/runtime2.go, types g, m, p, sudog, _defer; chan.go
 * hchan; netpoll.go pollDesc; sema.go notifyList. Constant data; any thread.
 */
#include "core/target/layout.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"

#define G_COMMON     .g_m = 48, .g_sched = 56, .g_sched_sp = 56, .g_sched_pc = 64
#define G_STATUS_144 .g_atomicstatus = 144, .g_goid = 152, .g_waitsince = 168, .g_waitreason = 176
#define G_STATUS_152 .g_atomicstatus = 152, .g_goid = 160, .g_waitsince = 176, .g_waitreason = 184
/* gobuf had a field ret up to 1.24; syscallbp came with 1.23. */
#define G_SCHED_OLD .g_sched_lr = 96, .g_sched_bp = 104, .g_syscallsp = 112, .g_syscallpc = 120
#define G_SCHED_1_25                                                                               \
	.g_sched_lr = 88, .g_sched_bp = 96, .g_syscallsp = 104, .g_syscallpc = 112,                \
	.g_syscallbp = 120
#define G_OLD G_COMMON, G_STATUS_144, G_SCHED_OLD
#define G_1_23                                                                                     \
	G_COMMON, G_STATUS_152, G_SCHED_OLD, .g_syscallbp = 128, .g_lockedm = 216,                 \
					     .g_tracking_seq = 199
#define G_1_25 G_COMMON, G_STATUS_144, G_SCHED_1_25, .g_lockedm = 208, .g_tracking_seq = 191
#define M_OLD  .m_g0 = 0, .m_procid = 72, .m_curg = 192, .m_p = 208, .m_id = 232
#define M_1_25 .m_g0 = 0, .m_procid = 64, .m_curg = 184, .m_p = 200, .m_id = 224
#define M_1_26 .m_g0 = 0, .m_procid = 64, .m_curg = 184, .m_p = 208, .m_id = 232

/* What goroutines wait on. A sudog's elem and c are pairs {vp, vu} from 1.26 on
 * (maybeTraceablePtr): the second word is meant, the first may be nil while it is hidden from the
 * collector. */
#define SUDOG_OLD  .sudog_elem = 24, .sudog_waitlink = 64, .sudog_c = 80, .sudog_size = 88
#define SUDOG_1_26 .sudog_elem = 32, .sudog_waitlink = 72, .sudog_c = 96, .sudog_size = 104
#define HCHAN_OLD  .hchan_elemtype = 32, .hchan_recvq = 56, .hchan_sendq = 72, .hchan_size = 96
#define HCHAN_1_23 .hchan_timer = 32, .hchan_elemtype = 40, .hchan_recvq = 64, .hchan_sendq = 80
#define POLL_OLD   .poll_fd = 8, .poll_rg = 24, .poll_wg = 32, .poll_self = 232, .poll_size = 240
#define POLL_FDSEQ .poll_fd = 8, .poll_rg = 32, .poll_wg = 40
#define POLL_1_21  POLL_FDSEQ, .poll_self = 240, .poll_size = 248
#define POLL_1_23  POLL_FDSEQ, .poll_self = 272, .poll_size = 280
#define POLL_1_25  POLL_FDSEQ, .poll_self = 288, .poll_size = 296
#define DEFER_OLD  .defer_fn = 24, .defer_link = 40, .defer_size = 72
#define DEFER_1_22 .defer_fn = 24, .defer_link = 32, .defer_size = 48
#define WAITS                                                                                      \
	.g_defer = 40, .sudog_next = 8, .sudog_prev = 16, .hchan_qcount = 0, .hchan_dataqsiz = 8,  \
	.hchan_elemsize = 24, .hchan_closed = 28, .notify_head = 16, .notify_tail = 24,            \
	.notify_size = 32
#define TIMER_OLD  .timer_arg = 32, .timer_size = 72
#define TIMER_1_23 .timer_arg = 40, .timer_size = 88
#define TIMER_1_25 .timer_arg = 48, .timer_size = 96
#define WAITS_OLD  WAITS, SUDOG_OLD, HCHAN_OLD, TIMER_OLD
#define WAITS_1_23                                                                                 \
	WAITS, SUDOG_OLD, HCHAN_1_23, .hchan_size = 104, POLL_1_23, DEFER_1_22, TIMER_1_23
#define WAITS_1_26                                                                                 \
	WAITS, SUDOG_1_26, HCHAN_1_23, .hchan_size = 112, POLL_1_25, DEFER_1_22, TIMER_1_25,       \
				       .g_waiting = 320

#define M_OFFSET_MAX     (64u << 10) /* an m has some kilobytes, a p less than 64 */
#define MHEAP_OFFSET_MAX (1u << 20)

static const struct {
	unsigned first, last;
	struct go_layout layout;
} table[] = {
	{17,
	 20,
	 {G_OLD, M_OLD, .g_lockedm = 232, .g_tracking_seq = 189, .g_gopc = 296, .g_startpc = 312,
	  .g_labels = 360, .g_size = 392, WAITS_OLD, POLL_OLD, DEFER_OLD, .g_waiting = 328}},
	{21,
	 21,
	 {G_OLD, M_OLD, .g_lockedm = 208, .g_parent_goid = 272, .g_gopc = 280, .g_startpc = 296,
	  .g_labels = 344, .g_tracking_seq = 188, .g_size = 408, WAITS_OLD, POLL_1_21, DEFER_OLD,
	  .g_waiting = 312}},
	{22,
	 22,
	 {G_OLD, M_OLD, .g_lockedm = 208, .g_parent_goid = 272, .g_gopc = 280, .g_startpc = 296,
	  .g_labels = 344, .g_tracking_seq = 191, .g_size = 424, WAITS_OLD, POLL_1_21, DEFER_1_22,
	  .g_waiting = 312}},
	{23,
	 23,
	 {G_1_23, M_OLD, .g_parent_goid = 280, .g_gopc = 288, .g_startpc = 304, .g_labels = 352,
	  .g_size = 432, WAITS_1_23, .g_waiting = 320}},
	{24,
	 24,
	 {G_1_23, M_OLD, .g_parent_goid = 280, .g_gopc = 288, .g_startpc = 304, .g_labels = 352,
	  .g_bubble = 392, .g_size = 440, WAITS_1_23, .g_waiting = 320}},
	{25,
	 25,
	 {G_1_25, M_1_25, .g_parent_goid = 272, .g_gopc = 280, .g_startpc = 296, .g_labels = 344,
	  .g_bubble = 384, .g_running_cleanups = 218, .g_size = 440, WAITS, SUDOG_OLD, HCHAN_1_23,
	  .hchan_size = 112, POLL_1_25, DEFER_1_22, TIMER_1_25, .g_waiting = 312}},
	{26,
	 27,
	 {G_1_25, M_1_26, .g_parent_goid = 280, .g_gopc = 288, .g_startpc = 304, .g_labels = 352,
	  .g_bubble = 392, .g_running_cleanups = 220, .g_size = 456, WAITS_1_26}},
};

/* The same for the heap; fields of mspan lie so since 1.17 but for these. */
#define SPAN_OLD                                                                                   \
	.span_base = 24, .span_pages = 32, .span_limit = 112, .span_elem_size = 104,               \
	.span_class = 98, .span_state = 99, .span_specials = 128
static const struct {
	unsigned first, last;
	struct go_heap_layout layout;
} heaps[] = {
	{17, 17, {.allspans = 65848, .p_timers = 9952, SPAN_OLD}},
	{18, 18, {.allspans = 65848, .p_timers = 8832, SPAN_OLD}},
	{19, 19, {.allspans = 65856, .p_timers = 8840, SPAN_OLD}},
	{20, 20, {.allspans = 65824, .p_timers = 8832, SPAN_OLD}},
	{21,
	 21,
	 {.allspans = 65864,
	  .p_timers = 8840,
	  .span_base = 24,
	  .span_pages = 32,
	  .span_limit = 120,
	  .span_elem_size = 112,
	  .span_class = 106,
	  .span_state = 107,
	  .span_specials = 136}},
	{22, 22, {.allspans = 65864, .p_timers = 8872, SPAN_OLD}},
	{23, 24, {.allspans = 65864, .p_timers = 8840, SPAN_OLD}},
	{25, 25, {.allspans = 65864, .p_timers = 9392, SPAN_OLD}},
	{26, 27, {.allspans = 65864, .p_timers = 13672, SPAN_OLD}},
};

/* In p, behind its pools of deferred calls, which were one a size class at first. */
static uint32_t p_goidcache(unsigned minor)
{
	if (minor < 18)
		return 1504;
	return minor >= 23 && minor <= 25 ? 376 : 384;
}

/* What allocation samples read. */
static void fill_counts(unsigned minor, struct go_heap_layout *heap)
{
	if (!heap->span_class)
		return;
	heap->mcache_alloc = minor >= 24 ? 48 : 40;
	heap->span_alloc_count = heap->span_class - 2;
	heap->span_alloc_before = minor >= 19 ? heap->span_class + 4 : 0;
}

int layout_of_release(unsigned minor, uint16_t machine, struct go_layout *ret)
{
	struct go_layout layout = {0};
	int err = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (minor >= table[i].first && minor <= table[i].last) {
			layout = table[i].layout;
			err = 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(heaps); i++)
		if (minor >= heaps[i].first && minor <= heaps[i].last)
			layout.heap = heaps[i].layout;
	fill_counts(minor, &layout.heap);
	if (!err)
		layout.p_goidcache = p_goidcache(minor);
	/* What a release does, rather than where it keeps things, is taken to last. */
	layout.goid_before_status = minor >= 24;
	layout.register_abi = minor >= 18 || machine == EM_X86_64;
	layout.syscall_sites = minor >= 26;
	/* runtime/synctest.go: synctestGroup.root, synctestBubble.id */
	layout.bubble_root = minor == 24 ? 88 : 0;
	layout.bubble_id = minor >= 25 ? 72 : 0;
	/* internal/cpu CacheLinePadSize: an entry of semtable fills a line, 128 bytes on arm64
	 * from 1.20 on. */
	layout.sema_stride = machine != EM_X86_64 && minor >= 20 ? 128 : 64;
	layout.semaphores_in_g_waiting = minor >= 26;
	layout.timers_in_struct = minor >= 23;
	*ret = layout;
	return err;
}

/* Returns whether that changes it. */
static bool set_offset(uint32_t *field, int64_t offset, uint32_t base)
{
	uint32_t value = offset < 0 ? 0 : base + (uint32_t)offset, before = *field;

	*field = value;
	return value != before;
}

static unsigned set_size(uint32_t *field, uint32_t size)
{
	uint32_t before = *field;

	if (size)
		*field = size;
	return *field != before;
}

/* A struct that is not in the DWARF is not in the program either (netpoll is left out of some):
 * what the table says of it stays. */
static unsigned apply_waits(struct go_layout *layout, const struct dwarf_facts *facts)
{
	uint32_t vu = 0;
	const struct {
		uint32_t *field;
		enum dwarf_field from;
		uint32_t base;
	} map[] = {
		{&layout->g_waiting, DWARF_G_WAITING, 0},
		{&layout->g_defer, DWARF_G_DEFER, 0},
		{&layout->sudog_next, DWARF_SUDOG_NEXT, 0},
		{&layout->sudog_prev, DWARF_SUDOG_PREV, 0},
		{&layout->sudog_elem, DWARF_SUDOG_ELEM, 1},
		{&layout->sudog_waitlink, DWARF_SUDOG_WAITLINK, 0},
		{&layout->sudog_c, DWARF_SUDOG_C, 1},
		{&layout->hchan_qcount, DWARF_HCHAN_QCOUNT, 0},
		{&layout->hchan_dataqsiz, DWARF_HCHAN_DATAQSIZ, 0},
		{&layout->hchan_elemsize, DWARF_HCHAN_ELEMSIZE, 0},
		{&layout->hchan_closed, DWARF_HCHAN_CLOSED, 0},
		{&layout->hchan_elemtype, DWARF_HCHAN_ELEMTYPE, 0},
		{&layout->hchan_recvq, DWARF_HCHAN_RECVQ, 0},
		{&layout->hchan_sendq, DWARF_HCHAN_SENDQ, 0},
		{&layout->hchan_timer, DWARF_HCHAN_TIMER, 0},
		{&layout->poll_fd, DWARF_POLL_FD, 0},
		{&layout->poll_rg, DWARF_POLL_RG, 0},
		{&layout->poll_wg, DWARF_POLL_WG, 0},
		{&layout->poll_self, DWARF_POLL_SELF, 0},
		{&layout->notify_head, DWARF_NOTIFY_HEAD, 0},
		{&layout->notify_tail, DWARF_NOTIFY_TAIL, 0},
		{&layout->defer_fn, DWARF_DEFER_FN, 0},
		{&layout->defer_link, DWARF_DEFER_LINK, 0},
		{&layout->timer_arg, DWARF_TIMER_ARG, 0},
	};
	unsigned changed = 0;

	if (facts->offset[DWARF_TRACEABLE_VU] > 0)
		vu = (uint32_t)facts->offset[DWARF_TRACEABLE_VU];
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (facts->offset[map[i].from] >= 0)
			changed += set_offset(map[i].field, facts->offset[map[i].from],
					      map[i].base ? vu : 0);
	}
	changed += set_size(&layout->sudog_size, facts->sudog_size);
	changed += set_size(&layout->hchan_size, facts->hchan_size);
	changed += set_size(&layout->poll_size, facts->poll_size);
	changed += set_size(&layout->notify_size, facts->notify_size);
	changed += set_size(&layout->defer_size, facts->defer_size);
	changed += set_size(&layout->timer_size, facts->timer_size);
	return changed;
}

unsigned layout_apply_dwarf(struct go_layout *layout, const struct dwarf_facts *facts)
{
	const struct {
		uint32_t *field;
		enum dwarf_field from;
	} map[] = {
		{&layout->g_m, DWARF_G_M},
		{&layout->g_sched, DWARF_G_SCHED},
		{&layout->g_atomicstatus, DWARF_G_STATUS},
		{&layout->g_goid, DWARF_G_GOID},
		{&layout->g_waitsince, DWARF_G_WAITSINCE},
		{&layout->g_waitreason, DWARF_G_WAITREASON},
		{&layout->g_parent_goid, DWARF_G_PARENT},
		{&layout->g_gopc, DWARF_G_GOPC},
		{&layout->g_startpc, DWARF_G_STARTPC},
		{&layout->g_syscallsp, DWARF_G_SYSCALLSP},
		{&layout->g_syscallpc, DWARF_G_SYSCALLPC},
		{&layout->g_syscallbp, DWARF_G_SYSCALLBP},
		{&layout->g_lockedm, DWARF_G_LOCKEDM},
		{&layout->g_labels, DWARF_G_LABELS},
		{&layout->g_running_cleanups, DWARF_G_CLEANUPS},
		{&layout->g_tracking_seq, DWARF_G_TRACKING_SEQ},
		{&layout->m_g0, DWARF_M_G0},
		{&layout->m_procid, DWARF_M_PROCID},
		{&layout->m_curg, DWARF_M_CURG},
		{&layout->m_p, DWARF_M_P},
		{&layout->m_id, DWARF_M_ID},
		{&layout->heap.allspans, DWARF_MHEAP_ALLSPANS},
		{&layout->heap.span_base, DWARF_SPAN_BASE},
		{&layout->heap.span_pages, DWARF_SPAN_PAGES},
		{&layout->heap.span_limit, DWARF_SPAN_LIMIT},
		{&layout->heap.span_elem_size, DWARF_SPAN_ELEM_SIZE},
		{&layout->heap.span_class, DWARF_SPAN_CLASS},
		{&layout->heap.span_state, DWARF_SPAN_STATE},
		{&layout->heap.span_specials, DWARF_SPAN_SPECIALS},
		{&layout->heap.span_alloc_count, DWARF_SPAN_ALLOC_COUNT},
		{&layout->heap.span_alloc_before, DWARF_SPAN_ALLOC_BEFORE},
		{&layout->heap.mcache_alloc, DWARF_MCACHE_ALLOC},
		{&layout->heap.p_timers, DWARF_P_TIMERS},
		{&layout->heap.p_id, DWARF_P_ID},
		{&layout->p_goidcache, DWARF_P_GOIDCACHE},
	};
	/* Parts of g.sched, a struct of its own. */
	const struct {
		uint32_t *field;
		enum dwarf_field from;
	} sched[] = {
		{&layout->g_sched_sp, DWARF_GOBUF_SP},
		{&layout->g_sched_pc, DWARF_GOBUF_PC},
		{&layout->g_sched_lr, DWARF_GOBUF_LR},
		{&layout->g_sched_bp, DWARF_GOBUF_BP},
	};
	unsigned changed = 0;

	changed += apply_waits(layout, facts);
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		changed += set_offset(map[i].field, facts->offset[map[i].from], 0);
	for (size_t i = 0; i < ARRAY_SIZE(sched); i++)
		changed +=
			set_offset(sched[i].field, facts->offset[sched[i].from], layout->g_sched);
	/* 1.24 has it under another name. */
	if (facts->offset[DWARF_G_BUBBLE] > 0)
		changed += set_offset(&layout->g_bubble, facts->offset[DWARF_G_BUBBLE], 0);
	changed += layout->g_size != facts->g_size;
	layout->g_size = facts->g_size;
	return changed;
}

/* Each field lies in its struct, and a struct is small: readers have buffers of that size. */
static bool waits_are_plausible(const struct go_layout *l)
{
	const struct {
		uint32_t offset, size;
	} in[] = {
		{l->sudog_next, l->sudog_size},      {l->sudog_prev, l->sudog_size},
		{l->sudog_elem, l->sudog_size},      {l->sudog_waitlink, l->sudog_size},
		{l->sudog_c, l->sudog_size},         {l->hchan_qcount, l->hchan_size},
		{l->hchan_dataqsiz, l->hchan_size},  {l->hchan_elemsize, l->hchan_size},
		{l->hchan_closed, l->hchan_size},    {l->hchan_elemtype, l->hchan_size},
		{l->hchan_timer, l->hchan_size},     {l->hchan_recvq + 8, l->hchan_size},
		{l->hchan_sendq + 8, l->hchan_size}, {l->poll_fd, l->poll_size},
		{l->poll_rg, l->poll_size},          {l->poll_wg, l->poll_size},
		{l->poll_self, l->poll_size},        {l->notify_head, l->notify_size},
		{l->notify_tail, l->notify_size},    {l->defer_fn, l->defer_size},
		{l->defer_link, l->defer_size},      {l->timer_arg + 8, l->timer_size},
	};

	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		if (in[i].size > GO_WAIT_SIZE_MAX ||
		    (in[i].size && (uint64_t)in[i].offset + 8 > in[i].size))
			return false;
	}
	return true;
}

bool layout_is_plausible(const struct go_layout *l)
{
	const uint32_t in_g[] = {
		l->g_m,         l->g_sched,      l->g_atomicstatus, l->g_goid,
		l->g_waitsince, l->g_waitreason, l->g_parent_goid,  l->g_gopc,
		l->g_startpc,   l->g_sched_sp,   l->g_sched_pc,     l->g_sched_lr,
		l->g_sched_bp,  l->g_syscallsp,  l->g_syscallpc,    l->g_syscallbp,
		l->g_lockedm,   l->g_labels,     l->g_bubble,       l->g_running_cleanups,
		l->g_waiting,   l->g_defer,      l->g_tracking_seq,
	};
	const uint32_t in_m[] = {l->m_g0, l->m_procid,      l->m_curg,    l->m_p,
				 l->m_id, l->heap.p_timers, l->heap.p_id, l->p_goidcache};
	const uint32_t in_span[] = {
		l->heap.span_base,      l->heap.span_pages,       l->heap.span_limit,
		l->heap.span_elem_size, l->heap.span_class,       l->heap.span_state,
		l->heap.span_specials,  l->heap.span_alloc_count, l->heap.span_alloc_before,
		l->heap.mcache_alloc,
	};
	bool ok = l->g_size >= 8 && l->g_size <= GO_G_SIZE_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(in_g); i++)
		ok = ok && in_g[i] <= l->g_size - 8;
	for (size_t i = 0; i < ARRAY_SIZE(in_m); i++)
		ok = ok && in_m[i] <= M_OFFSET_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(in_span); i++)
		ok = ok && in_span[i] <= GO_SPAN_SIZE_MAX - 8;
	return ok && waits_are_plausible(l) && l->heap.allspans <= MHEAP_OFFSET_MAX;
}

/* lea disp32(%r64), %r64; add $imm32, %r64: what makes the address that a function is called with
 * where nothing is inlined (-gcflags=-l), from 1.20 on. */
static bool makes_address_amd64(uint32_t offset, const uint8_t *code, size_t size)
{
	uint32_t disp;

	for (size_t i = 0; i + 7 <= size; i++) {
		const uint8_t *at = code + i;
		size_t op = 2;

		if ((at[0] & 0xf8) != 0x48) /* REX.W */
			continue;
		if ((at[1] == 0x8d && at[2] >> 6 == 2 && (at[2] & 7) != 4) ||
		    (at[1] == 0x81 && at[2] >> 3 == 0x18))
			op = 3;
		else if (at[1] != 0x05)
			continue;
		memcpy(&disp, at + op, sizeof(disp));
		if (disp == offset)
			return true;
	}
	return false;
}

/* lock cmpxchg %r32, disp32(%r64): the only one in the function since 1.17. */
static bool agrees_amd64(uint32_t offset, const uint8_t *code, size_t size)
{
	bool compares = false;
	uint32_t disp;

	for (size_t i = 0; i + 9 <= size; i++) {
		size_t op = i + 1;

		if (code[i] != 0xf0)
			continue;
		if ((code[op] & 0xf0) == 0x40) /* REX */
			op++;
		if (code[op] != 0x0f || code[op + 1] != 0xb1 || code[op + 2] >> 6 != 2 ||
		    op + 7 > size)
			continue;
		memcpy(&disp, code + op + 3, sizeof(disp));
		if (disp == offset)
			return true;
		compares = true;
	}
	return !compares && makes_address_amd64(offset, code, size);
}

/* add xd, xn, #offset makes the address for the compare-and-swap. */
static bool agrees_arm64(uint32_t offset, const uint8_t *code, size_t size)
{
	uint32_t word;

	for (size_t i = 0; i + 4 <= size; i += 4) {
		memcpy(&word, code + i, sizeof(word));
		if ((word & 0xffc00000) == 0x91000000 && (word >> 10 & 0xfff) == offset)
			return true;
	}
	return false;
}

bool layout_agrees_with_code(const struct go_layout *layout, uint16_t machine, const uint8_t *code,
			     size_t size)
{
	if (machine == EM_X86_64)
		return agrees_amd64(layout->g_atomicstatus, code, size);
	return agrees_arm64(layout->g_atomicstatus, code, size);
}

void layout_not_covered(unsigned minor, char *buf, size_t size)
{
	static const struct {
		unsigned since;
		const char *text;
	} rows[] = {
		/* casGToPreemptScan, casGFromPreempted */
		{0,
		 "a goroutine that the garbage collector pauses shows as running until it is made "
		 "runnable again"},
		/* makemap_small() has no arguments */
		{0, "maps made without a size have no type"},
		/* coroswitch_m() */
		{22, "switches between iter.Pull coroutines"},
		/* cmd/compile, ssagen: flushPendingHeapAllocations() */
		{25, "small variables that the compiler allocates together have no type"},
		/* mgcmark.go, _Gleaked to _Gwaiting */
		{26, "a goroutine that was found leaked and comes alive again"},
	};
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(rows) && len < size; i++)
		if (minor >= rows[i].since)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? "; " : "",
						rows[i].text);
}
