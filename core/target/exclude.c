/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Return addresses that mean "an inner call": an allocation that passes several probed functions
 * is one event, told at the outermost (target_exclude() of target.h).
 *
 * EXCLUDE_MALLOC: the specialised mallocs are called by compiled code (one object each) and by
 * mallocgc, through tables, for everything else: newobject, slices, strings, boxing. A few call
 * one another: mallocgcTinySC2 hands over to mallocgcSmallNoScanSC2 in some builds. A map function
 * that called one would be here as well, so that this list alone decides for them.
 *
 * EXCLUDE_MAPS: what the map implementation allocates for itself, when a map is made and when it
 * grows: the header by newobject, directories and tables by makeslice and newobject, overflow
 * buckets up to 1.23. makemap and makemap_small tell that a map was made; its insides are no
 * `new` or `make` of the program.
 *
 * Only functions that really call an allocation function count, and ranges are joined over
 * functions that call none: a handful of ranges on every version, without knowing how a linker
 * orders functions.
 */
#include "core/target/exclude.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/target/place_code.h"
#include "core/target/target_internal.h"

#define ENTRIES_MAX 128
#define RANGES_CAP  64
/* Functions that may lie between two ranges that are joined. */
#define GAP_FUNCS_MAX 4096

bool is_special_malloc(const char *name)
{
	static const char *const forms[] = {
		"runtime.mallocgcSmallNoScanSC",
		"runtime.mallocgcSmallScanNoHeaderSC",
		"runtime.mallocgcTinySC",
		"runtime.mallocgcTinySize",
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		size_t n = strlen(forms[i]);

		if (!strncmp(name, forms[i], n) && name[n] &&
		    strspn(name + n, "0123456789") == strlen(name + n))
			return true;
	}
	return false;
}

static bool is_malloc(const char *name)
{
	return !strncmp(name, "runtime.mallocgc", 16);
}

static bool is_map(const char *name)
{
	static const char *const prefixes[] = {
		"internal/runtime/maps.", "runtime.makemap",     "runtime.(*hmap).",
		"runtime.mapassign",      "runtime.mapiterinit", "runtime.mapclear",
		"runtime.mapdelete",      "runtime.mapaccess",   "runtime.makeBucketArray",
		"runtime.hashGrow",       "runtime.growWork",    "runtime.evacuate",
		"runtime.mapclone",       "runtime.moveToBmap",
	};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}

/* Entries of the functions that have allocation probes. */
struct entries {
	uint64_t at[ENTRIES_MAX];
	size_t n;
};

static void add_entry(struct entries *entries, uint64_t at)
{
	if (entries->n < ENTRIES_MAX)
		entries->at[entries->n++] = at;
}

static void find_entries(const struct target *t, enum exclude_kind kind, struct entries *ret)
{
	static const char *const outer[] = {"runtime.newobject", "runtime.makeslice",
					    "runtime.makeslicecopy"};
	struct go_func func;

	ret->n = 0;
	for (size_t i = 0; !target_runtime_func(t, i, &func); i++) {
		if (!func.wrapper && is_special_malloc(func.name))
			add_entry(ret, func.entry);
	}
	for (size_t i = 0; kind == EXCLUDE_MAPS && i < ARRAY_SIZE(outer); i++) {
		if (!target_func_by_name(t, outer[i], &func))
			add_entry(ret, func.entry);
	}
}

static bool calls_any(const struct target *t, const struct go_func *func,
		      const struct entries *entries)
{
	cleanup_code_ struct code code = {0};

	if (code_read(t, func, &code))
		return true; /* cannot be told: take the cautious answer of both callers */
	for (size_t i = 0; i < code.n; i++) {
		if (code.insns[i].class != INSN_CALL && code.insns[i].class != INSN_JMP)
			continue;
		for (size_t j = 0; j < entries->n; j++) {
			/* A jump to its own entry is the way back from morestack. */
			if (code.insns[i].target == entries->at[j] && entries->at[j] != func->entry)
				return true;
		}
	}
	return false;
}

static bool counts(const struct target *t, enum exclude_kind kind, const struct go_func *func,
		   const struct entries *entries)
{
	if (kind == EXCLUDE_MALLOC && !strcmp(func->name, "runtime.mallocgc"))
		return true;
	if (kind == EXCLUDE_MALLOC && is_malloc(func->name))
		return calls_any(t, func, entries);
	return is_map(func->name) && calls_any(t, func, entries);
}

/* Does nothing between lo and hi call an allocation function? */
static bool gap_is_harmless(const struct target *t, uint64_t lo, uint64_t hi,
			    const struct entries *entries)
{
	struct go_func func;

	for (int i = 0; lo < hi; i++) {
		if (i >= GAP_FUNCS_MAX || target_func_by_pc(t, lo, &func) || func.end <= lo ||
		    calls_any(t, &func, entries))
			return false;
		lo = func.end;
	}
	return true;
}

/* Joins the two neighbours with the smallest harmless gap. False when there are none. */
static bool join_nearest(const struct target *t, struct pc_range *ranges, size_t *n,
			 bool tried[RANGES_CAP], const struct entries *entries)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i + 1 < *n; i++) {
		if (!tried[i] &&
		    (best == SIZE_MAX ||
		     ranges[i + 1].lo - ranges[i].hi < ranges[best + 1].lo - ranges[best].hi))
			best = i;
	}
	if (best == SIZE_MAX)
		return false;
	if (!gap_is_harmless(t, ranges[best].hi, ranges[best + 1].lo, entries)) {
		tried[best] = true;
		return true;
	}
	ranges[best].hi = ranges[best + 1].hi;
	memmove(&ranges[best + 1], &ranges[best + 2], (*n - best - 2) * sizeof(*ranges));
	memmove(&tried[best], &tried[best + 1], (*n - best - 1) * sizeof(*tried));
	(*n)--;
	return true;
}

size_t target_exclude(const struct target *t, enum exclude_kind kind,
		      struct pc_range ret[EXCLUDE_RANGES_MAX])
{
	struct pc_range ranges[RANGES_CAP];
	bool tried[RANGES_CAP] = {false};
	struct entries entries;
	struct go_func func;
	size_t n = 0;

	find_entries(t, kind, &entries);
	if (entries.n == 0)
		return 0;
	for (size_t i = 0; !target_runtime_func(t, i, &func); i++) {
		if (!counts(t, kind, &func, &entries))
			continue;
		if (n > 0 && ranges[n - 1].hi == func.entry)
			ranges[n - 1].hi = func.end;
		else if (n < RANGES_CAP)
			ranges[n++] = (struct pc_range){func.entry, func.end};
	}
	while (n > EXCLUDE_RANGES_MAX && join_nearest(t, ranges, &n, tried, &entries))
		;
	if (n > EXCLUDE_RANGES_MAX) {
		log_warn("%s: %zu functions of the map implementation are not told apart; their "
			 "own allocations count as objects of the program",
			 target_path(t), n - EXCLUDE_RANGES_MAX);
		n = EXCLUDE_RANGES_MAX;
	}
	memcpy(ret, ranges, n * sizeof(*ranges));
	return n;
}
