/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The instructions of one function, decoded from its entry to its end, and where its jumps go.
 * What probe placement and the search for runtime variables look at. Owned by whoever read it;
 * immutable; any thread.
 */
#ifndef XGOTOPFS_TARGET_PLACE_CODE_H
#define XGOTOPFS_TARGET_PLACE_CODE_H

#include "core/target/insn.h"
#include "core/target/target.h"

struct code {
	uint16_t machine; /* EM_* */
	struct go_func func;
	const uint8_t *bytes; /* of the image; not owned */
	struct insn *insns;   /* n of them, back to back from func.entry */
	size_t n;
	bool has_jump_table;   /* a jump whose targets cannot be read from the code */
	bool has_stack_check;  /* somewhere it calls morestack */
	bool restarts_cleanly; /* only the path back from morestack jumps to the entry */
};

#define cleanup_code_ cleanup_(code_free)

/*
 * -ENOENT when its bytes are not in the file, -EILSEQ when it does not decode or a jump leads to
 * the middle of an instruction, -E2BIG when it is longer than any function of interest, -ENOMEM.
 */
int code_read(const struct target *t, const struct go_func *func, struct code *ret);
/* The same from bytes in memory, which must outlive it: func.end - func.entry of them. */
int code_decode(const struct target *t, uint16_t machine, const void *bytes,
		const struct go_func *func, struct code *ret);
void code_free(struct code *code);

/* Does a jump inside the function lead to addr? */
bool code_is_jump_target(const struct code *code, uint64_t addr);
/* The instruction that begins at addr; NULL when none does. */
const struct insn *code_at(const struct code *code, uint64_t addr);
/* Is this branch's destination the block that calls runtime.morestack? */
bool code_goes_to_morestack(const struct target *t, const struct code *code,
			    const struct insn *branch);
/* Does it call the function that begins at entry, directly? */
bool code_calls(const struct code *code, uint64_t entry);

#endif
