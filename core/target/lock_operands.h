/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which values a function's registers and the words of its frame have, as far as its code shows
 * that two are the same one: numbers of values, and constants that were added. So the lock of a
 * call can be compared with what a word of the frame says. For lock_flow.c; any thread.
 */
#ifndef XGOTOPFS_TARGET_LOCK_OPERANDS_H
#define XGOTOPFS_TARGET_LOCK_OPERANDS_H

#include "core/target/place_code.h"

/* A value, plus so many bytes. */
struct operand {
	uint32_t value; /* 0: not known */
	int32_t off;
};

/* Code may be anything: offsets go round. */
static inline struct operand operand_plus(struct operand op, int64_t bytes)
{
	return (struct operand){op.value, (int32_t)((uint32_t)op.off + (uint32_t)bytes)};
}

struct operands;

/* false: it takes too long, or there is no memory. *ret is to be freed all the same. */
bool operands_read(const struct target *t, const struct code *code, struct operands **ret);
void operands_free(struct operands *o); /* NULL is fine */

/* The lock that instruction `i` is about, being a call of a method, or a part of one that was put
 * in: an atomic change of memory. */
struct operand operands_lock(const struct operands *o, size_t i);
/* What a register has in front of that instruction. */
struct operand operands_register(const struct operands *o, size_t i, unsigned reg);
/* Is what it loads or stores told by sp alone? */
bool operands_is_of_frame(const struct operands *o, size_t i);
/* Is it such a word, whose address is not taken? */
bool operands_spills(const struct operands *o, size_t i);
/* Has a register that value there, or one some bytes from it? */
bool operands_has(const struct operands *o, size_t i, struct operand value);
/* The word of the frame so many bytes above sp, in front of that instruction. `closure`: it is a
 * part of one, which nobody changes, so that its address may be known to others. */
struct operand operands_slot(const struct operands *o, size_t i, int64_t disp, bool closure);
/* Such a word that has this value there. */
bool operands_find_slot(const struct operands *o, size_t i, struct operand value, bool closure,
			int64_t *ret_disp);

/* A call through an interface: of the method that the table (an itab) has so many bytes into it, on
 * what the interface's other word is. */
struct operands_method {
	struct operand table, receiver;
	uint32_t method;
};

/* Instruction `i`, which calls what a register has. false: it is not known to be such a call. */
bool operands_method(const struct operands *o, size_t i, unsigned reg, struct operands_method *ret);
/* The instruction that gives a value its number, each time that it is run; code->n: it has it from
 * the start. */
size_t operands_made_by(const struct operands *o, uint32_t value);

#endif
