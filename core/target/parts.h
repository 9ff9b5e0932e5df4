/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plugins: Go code that a program loads beside its own. Such a file brings copies of all that it
 * calls, the runtime's functions too, and calls those; variables, and so the list of goroutines,
 * are the program's (measured with Go 1.19, 1.23 and 1.27: calls are direct, data goes through the
 * global offset table). It is a target of its own, part k = 1, 2, … of the program's.
 *
 * A static address of part k is tagged: k << TARGET_PART_SHIFT is added. Where a process has a
 * part, seen from the program's own load bias, is a window. The questions about code and types of
 * target.h take both: tagged addresses, and whatever lies in a window.
 *
 * Parts and windows are added by one thread at a time, and stay; any thread may ask meanwhile.
 */
#ifndef XGOTOPFS_TARGET_PARTS_H
#define XGOTOPFS_TARGET_PARTS_H

#include "core/target/target.h"

#define TARGET_PART_SHIFT 52
#define TARGET_PARTS_MAX  15
#define TARGET_WINDOWS    256

/* As target_open_why(), for a file that process of `of` have loaded. Also -ENOEXEC when its runtime
 * is not the program's. */
int target_open_part(const char *path, const struct target *of, struct target **ret, char *why,
		     size_t why_size);
/* Takes `part` over. Its number, or -ENOSPC (then it does not). */
int target_add_part(struct target *t, struct target *part);
/* A process whose bias is `bias` has part k at `part_bias`. 0, also when that is known; -ENOSPC;
 * -EEXIST: another process has another part there, so that names cannot be told apart. */
int target_add_window(struct target *t, unsigned k, uint64_t bias, uint64_t part_bias);
/* Changes with each of those: what was looked up before may have another answer. */
unsigned target_parts_generation(const struct target *t);

/* Whose address that is, and what is to be taken from it for a static address of that. The program
 * itself, and 0, when it is in no part. */
const struct target *target_at(const struct target *t, uint64_t addr, uint64_t *ret_base);
/* The number of the part whose tag it has; 0: none. */
static inline unsigned target_part_of(uint64_t addr)
{
	return (unsigned)((addr + (1ull << (TARGET_PART_SHIFT - 1))) >> TARGET_PART_SHIFT);
}
/* Has it that tag, and is it in what that part's file has loaded? */
bool target_part_has(const struct target *t, uint64_t addr);
/* Is it a return address in a part that means "an inner call", of either kind of target_exclude()?
 * Such a call of an allocation function is no event; makemap is. */
bool target_excludes(const struct target *t, uint64_t return_pc);

#endif
