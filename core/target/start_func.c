/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looks through the compiler's wrapper around what a `go` statement calls. Stateless. */
#include <errno.h>
#include <string.h>

#include "core/target/place_code.h"

#define FRAMES_MAX 16

static bool is_go_wrapper(const struct go_func *f)
{
	return f->wrapper || strstr(f->name, ".gowrap") || strstr(f->name, "dwrap");
}

/* The function whose body the compiler put into the wrapper itself. */
static const char *inlined_into(const struct target *t, const struct code *code)
{
	for (size_t i = 0; i < code->n; i++) {
		struct target_frame frames[FRAMES_MAX];
		int n = target_frames_by_pc(t, code->insns[i].addr, frames, FRAMES_MAX);

		if (n >= 2)
			return frames[n - 2].function;
	}
	return NULL;
}

/* Calls that the compiler adds to any function. */
static bool is_added(const struct go_func *callee)
{
	return strncmp(callee->name, "runtime.morestack", strlen("runtime.morestack")) == 0 ||
	       strncmp(callee->name, "runtime.race", strlen("runtime.race")) == 0;
}

static bool is_runtime(const struct go_func *callee)
{
	return strncmp(callee->name, "runtime.", strlen("runtime.")) == 0;
}

/*
 * The one function that the wrapper calls. An argument that is made from constants only is made in
 * the wrapper, by functions of the runtime: they count when nothing else is called.
 */
static bool only_call(const struct target *t, const struct code *code, struct go_func *ret)
{
	struct go_func found[2]; /* of the program, of the runtime */
	unsigned n[2] = {0};

	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];
		struct go_func callee;
		int k;

		if (insn->class == INSN_CALL_INDIRECT)
			return false;
		if (insn->class != INSN_CALL || target_func_by_pc(t, insn->target, &callee) ||
		    is_added(&callee))
			continue;
		k = is_runtime(&callee);
		if (!n[k] || callee.entry != found[k].entry)
			n[k]++;
		found[k] = callee;
	}
	if (n[0] ? n[0] != 1 : n[1] != 1)
		return false;
	*ret = found[n[0] ? 0 : 1];
	return true;
}

int target_start_func(const struct target *t, uint64_t start_pc, struct go_func *ret)
{
	cleanup_code_ struct code code = {0};
	struct go_func func, callee;
	const char *name;
	int err = target_func_by_pc(t, start_pc, &func);

	if (err)
		return err;
	*ret = func;
	if (!is_go_wrapper(&func) || code_read(t, &func, &code))
		return 0;
	name = inlined_into(t, &code);
	if (name)
		ret->name = name;
	else if (only_call(t, &code, &callee))
		*ret = callee;
	return 0;
}
