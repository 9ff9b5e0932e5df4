/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The offsets are read from the DWARF of a program of each release. A variable is where all fields
 * that a function is known to use would lie at addresses that its code uses: several at once, so
 * that one place alone fits. What the compiler inlines is looked for in all who might hold it.
 */
#include "core/target/runtime_at.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "core/target/refs.h"
#include "core/target/target_internal.h"
#include "core/target/variables.h"

#define MEMSTATS_OLD                                                                               \
	.numgc = 4280, .pause_total = 176, .last_gc = 168, .last_gc_nanotime = 5944,               \
	.gc_cpu_fraction = 4288, .stacks_sys = 88, .mspan_sys = 104, .mcache_sys = 120,            \
	.buckhash_sys = 128, .misc_sys = 152, .other_sys = 160, .heap_sys = 48, .heap_inuse = 56,  \
	.heap_released = 64, .heap_stats = 5960, .delta_size = 1176, .delta_bits = true,           \
	.memstats_size = 9504
#define MEMSTATS_1_19                                                                              \
	.numgc = 7704, .pause_total = 3600, .last_gc = 3592, .last_gc_nanotime = 7720,             \
	.gc_cpu_fraction = 7712, .stacks_sys = 3544, .mspan_sys = 3552, .mcache_sys = 3560,        \
	.buckhash_sys = 3568, .misc_sys = 3576, .other_sys = 3584, .delta_size = 1176,             \
	.delta_bits = true, .memstats_size = 7728
#define MEMSTATS_1_25                                                                              \
	.numgc = 7680, .pause_total = 3576, .last_gc = 3568, .last_gc_nanotime = 7696,             \
	.gc_cpu_fraction = 7688, .stacks_sys = 3520, .mspan_sys = 3528, .mcache_sys = 3536,        \
	.buckhash_sys = 3544, .misc_sys = 3552, .other_sys = 3560, .delta_size = 1168,             \
	.memstats_size = 7704
#define CONTROLLER_1_21                                                                            \
	.heap_live = 104, .heap_marked = 152, .percent_goal = 72, .memory_limit = 8,               \
	.in_use = 272, .headroom_percent = true, .assist = 192, .controller_size = 320
#define SCHED_OLD .nmidle = 40, .nmfreed = 64, .npidle = 88, .runqsize = 112
#define SCHED_1_20                                                                                 \
	.nmidle = 40, .nmfreed = 64, .npidle = 88, .runqsize = 120, .gcwaiting = 232,              \
	.sysmonwait = 248, .needspinning = true, .byte_flags = true
#define SCHED_1_25                                                                                 \
	.nmidle = 48, .nmfreed = 72, .npidle = 96, .runqsize = 128, .gcwaiting = 248,              \
	.sysmonwait = 264, .needspinning = true, .byte_flags = true
#define SCHED_1_26                                                                                 \
	.nmidle = 64, .nmfreed = 88, .npidle = 112, .runqsize = 144, .gcwaiting = 264,             \
	.sysmonwait = 280, .needspinning = true, .byte_flags = true
#define P_FIRST .p_status = 4, .p_schedtick = 16, .p_syscalltick = 20
#define P_1_18  P_FIRST, .p_m = 56, .p_runqhead = 400, .p_runnext = 2456
#define P_1_23  P_FIRST, .p_m = 48, .p_runqhead = 392, .p_runnext = 2448
#define P_1_26  P_FIRST, .p_m = 48, .p_runqhead = 400, .p_runnext = 2456
#define M_FLAGS .m_locks = 264, .m_spinning = 276

static const struct {
	unsigned first, last;
	struct runtime_layout layout;
} table[] = {
	{17,
	 17,
	 {MEMSTATS_OLD, .heap_live = 48, .heap_marked = 64, .heap_goal = 32, .assist = 88,
	  .controller_size = 120, .spanalloc = 92232, SCHED_OLD, .gcwaiting = 256,
	  .sysmonwait = 272, P_FIRST, .p_m = 56, .p_runqhead = 1520, .p_runnext = 3576, M_FLAGS,
	  .m_lockedg = 360, .m_alllink = 344}},
	{18,
	 18,
	 {MEMSTATS_OLD, .heap_live = 120, .heap_marked = 168, .heap_goal = 104, .assist = 208,
	  .controller_size = 240, .spanalloc = 92224, SCHED_OLD, .gcwaiting = 224,
	  .sysmonwait = 240, P_1_18, M_FLAGS, .m_lockedg = 352, .m_alllink = 336}},
	{19,
	 19,
	 {MEMSTATS_1_19, .heap_live = 136, .heap_marked = 184, .percent_goal = 104,
	  .memory_limit = 8, .in_use = 304, .assist = 224, .controller_size = 352,
	  .spanalloc = 92224, SCHED_OLD, .gcwaiting = 224, .sysmonwait = 240, P_1_18, M_FLAGS,
	  .m_lockedg = 352, .m_alllink = 336}},
	{20,
	 20,
	 {MEMSTATS_1_19, .heap_live = 80, .heap_marked = 128, .percent_goal = 48, .memory_limit = 8,
	  .in_use = 248, .assist = 168, .controller_size = 296, .spanalloc = 92184, SCHED_1_20,
	  P_1_18, M_FLAGS, .m_lockedg = 352, .m_alllink = 336}},
	{21,
	 21,
	 {MEMSTATS_1_19, CONTROLLER_1_21, .spanalloc = 92232, SCHED_1_20, P_1_18, M_FLAGS,
	  .m_lockedg = 352, .m_alllink = 336}},
	{22,
	 22,
	 {MEMSTATS_1_19, CONTROLLER_1_21, .spanalloc = 92296, SCHED_1_20, P_1_18, M_FLAGS,
	  .m_lockedg = 344, .m_alllink = 328}},
	{23,
	 24,
	 {MEMSTATS_1_19, CONTROLLER_1_21, .spanalloc = 92296, SCHED_1_20, P_1_23, M_FLAGS,
	  .m_lockedg = 368, .m_alllink = 352}},
	{25,
	 25,
	 {MEMSTATS_1_25, CONTROLLER_1_21, .spanalloc = 92320, SCHED_1_25, P_1_23, .m_locks = 256,
	  .m_spinning = 268, .m_lockedg = 360, .m_alllink = 344}},
	{26,
	 27,
	 {MEMSTATS_1_25, CONTROLLER_1_21, .spanalloc = 92320, SCHED_1_26, P_1_26, M_FLAGS,
	  .m_lockedg = 384, .m_alllink = 352}},
};

#define DELTA_IN_STACKS 24
#define TRIGGER_OLD     24 /* gcControllerState.trigger, up to 1.18 */
#define SPANALLOC_INUSE 48 /* mfixalloc.go fixalloc */
/* mheap.central has an entry a span class and one after them, each padded to a cache line, which
 * is twice as long on arm64 from 1.20 on (internal/cpu). */
#define ARM64_CENTRAL_PADDING 8768

int runtime_layout(const struct target *t, struct runtime_layout *ret)
{
	unsigned minor = target_go_minor(t);

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (minor < table[i].first || minor > table[i].last)
			continue;
		*ret = table[i].layout;
		ret->delta_stacks = DELTA_IN_STACKS;
		if (target_has_link_register(t) && minor >= 20)
			ret->spanalloc += ARM64_CENTRAL_PADDING;
		ret->spanalloc_inuse = ret->spanalloc + SPANALLOC_INUSE;
		ret->sched_size = ret->sysmonwait + 8;
		ret->p_size = ret->p_runnext + 8;
		ret->m_size = MAX(ret->m_lockedg, ret->m_alllink) + 8;
		return 0;
	}
	return -ENOSYS;
}

/* --- fitting --------------------------------------------------------------------------------- */

#define FUNCTIONS_MAX 6

/* What some functions use, together. */
struct used {
	struct ref *list;
	size_t n;
};

static int read_used(const struct target *t, const char *const *functions, struct used *ret)
{
	struct refs *refs = malloc(sizeof(*refs));
	int err = refs ? 0 : -ENOMEM;

	*ret = (struct used){0};
	for (size_t i = 0; i < FUNCTIONS_MAX && functions[i] && !err; i++) {
		struct ref *list;

		err = refs_read(t, functions[i], refs);
		if (err == -ENOSYS) { /* inlined away, or not of this release */
			err = 0;
			continue;
		}
		list = err ? NULL
			   : reallocarray(ret->list, ret->n + refs->n + 1, sizeof(*ret->list));
		if (!err && !list)
			err = -ENOMEM;
		if (err)
			break;
		ret->list = list;
		for (size_t k = 0; k < refs->n; k++)
			ret->list[ret->n++] = refs->list[k];
	}
	free(refs);
	return err;
}

static bool uses(const struct used *used, uint64_t addr)
{
	for (size_t i = 0; i < used->n; i++)
		if (used->list[i].addr == addr)
			return true;
	return false;
}

/* Where a struct lies whose fields at `offsets`, ended by UINT32_MAX, are used, the first one by
 * `first`, all others by `used`; 0 when that is nowhere, or in several places. */
static uint64_t fit(const struct used *first, const struct used *used, const uint32_t *offsets)
{
	uint64_t found = 0;

	for (size_t i = 0; i < first->n; i++) {
		uint64_t base = first->list[i].addr - offsets[0];
		size_t k = 1;

		if (first->list[i].addr < offsets[0] || base % 8 || base == found)
			continue;
		while (offsets[k] != UINT32_MAX && uses(used, base + offsets[k]))
			k++;
		if (offsets[k] != UINT32_MAX)
			continue;
		if (found)
			return 0;
		found = base;
	}
	return found;
}

/* What the symbol says is the same, where there is one. */
static uint64_t agreed(const struct target *t, const char *symbol, uint64_t found)
{
	uint64_t addr, size;

	if (!found || image_symbol(target_image(t), symbol, &addr, &size))
		return found;
	return addr == found ? found : 0;
}

static int find_memstats(const struct target *t, const struct runtime_layout *l, uint64_t *ret)
{
	static const char *const functions[FUNCTIONS_MAX] = {"runtime.gcMarkTermination"};
	/* What only follows each other would fit one word further on as well. */
	const uint32_t offsets[] = {l->pause_total,
				    l->pause_total + 8,
				    l->pause_total + 8 + RUNTIME_PAUSES * 8,
				    l->numgc,
				    l->numgc + 4,
				    l->last_gc,
				    l->last_gc_nanotime,
				    UINT32_MAX};
	struct used used;
	int err = read_used(t, functions, &used);

	if (!err)
		*ret = agreed(t, "runtime.memstats", fit(&used, &used, offsets));
	free(used.list);
	return err;
}

/* From 1.19 on it counts the heap's bytes itself, as it gives out spans. */
static int find_controller(const struct target *t, const struct runtime_layout *l, uint64_t *ret)
{
	static const char *const first[FUNCTIONS_MAX] = {"runtime.gcResetMarkState"};
	static const char *const all[FUNCTIONS_MAX] = {
		"runtime.gcStart", "runtime.gcMarkTermination", "runtime.(*mheap).allocSpan"};
	const uint32_t now[] = {l->heap_live,    0,
				l->in_use,       l->in_use + 8,
				l->in_use + 16,  l->in_use + 40,
				l->memory_limit, UINT32_MAX};
	const uint32_t before[] = {l->heap_live,     0,           l->heap_goal,
				   l->heap_goal + 8, TRIGGER_OLD, UINT32_MAX};
	struct used used = {0}, resets;
	int err = read_used(t, first, &resets);

	if (!err)
		err = read_used(t, all, &used);
	if (!err)
		*ret = agreed(t, "runtime.gcController",
			      fit(&resets, &used, l->in_use ? now : before));
	free(resets.list);
	free(used.list);
	return err;
}

/* --- the scheduler ---------------------------------------------------------------------------- */

/* Is it loaded, and never stored to? */
static bool is_only_loaded(const struct used *used, uint64_t addr)
{
	bool loaded = false;

	for (size_t i = 0; i < used->n; i++) {
		if (used->list[i].addr != addr)
			continue;
		if (used->list[i].store)
			return false;
		loaded = loaded || used->list[i].load;
	}
	return loaded;
}

/* schedtrace() loops over the slice allp and the list allm, and loads nothing else of eight bytes
 * that is not sched's and that it does not store to. */
static void find_lists(const struct used *used, const struct runtime_layout *l,
		       struct runtime_at *at)
{
	uint64_t allp = 0, allm = 0;

	for (size_t i = 0; i < used->n; i++) {
		uint64_t addr = used->list[i].addr;

		if (addr % 8 || (addr >= at->sched && addr < at->sched + l->sched_size) ||
		    !is_only_loaded(used, addr) || addr == allp || addr == allm)
			continue;
		if (is_only_loaded(used, addr + 8)) {
			if (allp)
				return;
			allp = addr;
		} else if (!is_only_loaded(used, addr - 8)) {
			if (allm)
				return;
			allm = addr;
		}
	}
	at->allp = allp;
	at->allm = allm;
}

static int find_sched(const struct target *t, const struct runtime_layout *l, struct runtime_at *at)
{
	static const char *const functions[FUNCTIONS_MAX] = {"runtime.schedtrace"};
	const uint32_t offsets[] = {l->nmidle,        l->nmidle + 4, l->npidle,
				    l->npidle + 4,    l->runqsize,   l->gcwaiting,
				    l->gcwaiting + 4, l->sysmonwait, UINT32_MAX};
	struct used used;
	int err = read_used(t, functions, &used);

	if (!err)
		at->sched = agreed(t, "runtime.sched", fit(&used, &used, offsets));
	if (!err && at->sched)
		find_lists(&used, l, at);
	at->allp = agreed(t, "runtime.allp", at->allp);
	at->allm = agreed(t, "runtime.allm", at->allm);
	free(used.list);
	return err;
}

int runtime_find(const struct target *t, struct runtime_at *ret)
{
	struct runtime_at at = {0};
	struct runtime_layout l;
	int err = runtime_layout(t, &l);

	if (!err)
		err = find_memstats(t, &l, &at.memstats);
	if (!err)
		err = find_controller(t, &l, &at.controller);
	if (!err)
		err = find_sched(t, &l, &at);
	if (err)
		return err;
	if (variable_mheap(t, &at.mheap))
		at.mheap = 0;
	if (!at.memstats && !at.controller && !at.sched)
		return -ENOSYS;
	*ret = at;
	return 0;
}
