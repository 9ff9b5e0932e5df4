/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of the things that a closure holds does its code call? Followed through the instructions
 * from its entry, where the closure is in a register of its own (cmd/compile/abi-internal.md: rdx,
 * x26). Stateless; any thread.
 */
#ifndef XGOTOPFS_TARGET_CLOSURE_CALL_H
#define XGOTOPFS_TARGET_CLOSURE_CALL_H

#include "core/target/place_code.h"

/* runtime.retpolineAX, …: the register is the end of the name (cmd/internal/obj/x86/obj6.go). */
#define CLOSURE_CALL_RETPOLINE "runtime.retpoline"

/*
 * false: it cannot be told. *ret_at: where in the closure; *ret_method 0: a function value is
 * there, a pointer to its code pointer; else an itab, with the code pointer so many bytes into it.
 */
bool closure_call(const struct target *t, const struct code *code, const struct insn *call,
		  uint32_t *ret_at, uint32_t *ret_method);

/* The register (insn.h) that has the address which an indirect call calls, by a retpoline too;
 * INSN_NO_REG: none has, or it is no such call. */
unsigned closure_call_register(const struct target *t, const struct code *code,
			       const struct insn *call);

#endif
