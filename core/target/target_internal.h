/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this room share about an open target. Not for other rooms. */
#ifndef XGOTOPFS_TARGET_INTERNAL_H
#define XGOTOPFS_TARGET_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/target/buildinfo.h"
#include "core/target/image.h"
#include "core/target/mappings.h"
#include "core/target/moduledata.h"
#include "core/target/parts.h"
#include "core/target/pclntab.h"
#include "core/target/place_copies.h"
#include "core/target/target.h"

struct wait_reasons; /* waitreason.c */
struct name_index;   /* target_code.c */

const struct image *target_image(const struct target *t);

/* Static addresses from moduledata: text, etext, types, etypes. */
struct go_ranges {
	uint64_t text, etext, types, etypes;
};
const struct go_ranges *target_ranges(const struct target *t);

/*
 * The functions of the runtime and its internal packages (names beginning with "runtime.",
 * "internal/runtime/", "runtime/internal/"), in address order; -ENOENT past the last. Wrappers
 * included. Cheap: the list is made while opening.
 */
int target_runtime_func(const struct target *t, size_t i, struct go_func *ret);

/* parts.h. What is below n and n_windows is constant. */
struct part_window {
	uint64_t lo, size; /* where it is, less the program's bias */
	uint64_t base;     /* what its static addresses differ by from that */
	unsigned k;
};
struct parts {
	_Atomic unsigned n, n_windows, generation;
	uint64_t lo, hi; /* of the program itself; set before n */
	struct target *part[TARGET_PARTS_MAX];
	struct part_window windows[TARGET_WINDOWS];
	/* Of a part itself: target_excludes(). */
	struct pc_range excluded[2 * EXCLUDE_RANGES_MAX];
	size_t n_excluded;
};

struct target {
	char *path;
	struct image *img;
	struct buildinfo build;
	struct pclntab tab;
	struct moduledata module;
	struct moduledata_layout module_layout;
	struct go_ranges ranges;
	struct go_layout layout;
	char symbols_from[96], offsets_from[96], not_covered[512], unseen[512];
	bool offsets_unproven; /* no DWARF to check them with */
	uint8_t wrapper_id;    /* abi.FuncIDWrapper of this release */
	struct name_index *names;
	struct copied copied;
	struct mapped_file mapped;
	bool part; /* target_is_part() */

	struct parts parts;

	atomic_bool reading_ends;
	_Atomic unsigned others; /* who share it beside its owner */
	pthread_mutex_t lock;
	bool reasons_ready;           /* protected by lock */
	struct wait_reasons *reasons; /* constant once ready */
};

/* Why this file is no Go program that we can trace, in one line with advice; what is known of it so
 * far is in `t`. Always -ENOEXEC. */
int refuse_not_go(const struct target *t, char *why, size_t why_size);
#define REFUSE_GCCGO                                                                               \
	"it was compiled by gccgo, whose runtime is another one: build it with the go command"
int refuse(char *why, size_t why_size, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* One entry of a function's tree of inlined calls; its parent is what is at parent_pc, an offset
 * from the function's entry. */
struct inlined_call {
	uint8_t func_id;
	uint32_t name_off, parent_pc, start_line;
};
#define FUNCDATA_INLTREE    3 /* runtime/funcdata.h, internal/abi/symtab.go: the same 1.17 … 1.27 */
#define PCDATA_INLTREEINDEX 2
int inlined_call(const struct target *t, uint64_t tree, int32_t i, struct inlined_call *ret);
/* Where the function itself makes the call that pc lies in, inlined calls left out; pc where none
 * is inlined. */
uint64_t inlined_outermost_pc(const struct target *t, const struct pclntab_func *f, uint64_t pc);
#define INLINED_DEPTH_MAX 1024 /* a tree that loops ends there */

/* target_code.c: the list behind target_func_by_name(). -ENOMEM, -ENOENT (table not in order). */
int target_index_names(struct target *t);
void name_index_free(struct name_index *names);
void wait_reasons_free(struct wait_reasons *reasons);

#endif
