/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime.mallocinit() calls mheap_.init() in every release: the last static address that is taken
 * before that call is mheap_'s.
 */
#include "core/target/variables.h"

#include <errno.h>
#include <stdlib.h>

#include "core/target/place_code.h"
#include "core/target/refs.h"
#include "core/target/target_internal.h"

/* Where `caller` first calls `callee`; 0 when it does not. */
static uint64_t first_call(const struct target *t, const char *caller, const char *callee)
{
	cleanup_code_ struct code code = {0};
	struct go_func from, to;

	if (target_func_by_name(t, caller, &from) || target_func_by_name(t, callee, &to) ||
	    code_read(t, &from, &code))
		return 0;
	for (size_t i = 0; i < code.n; i++)
		if (code.insns[i].class == INSN_CALL && code.insns[i].target == to.entry)
			return code.insns[i].addr;
	return 0;
}

int variable_mheap_in_code(const struct target *t, uint64_t *ret)
{
	uint64_t call = first_call(t, "runtime.mallocinit", "runtime.(*mheap).init"), addr = 0;
	struct refs refs;
	int err = refs_read(t, "runtime.mallocinit", &refs);

	if (err)
		return err;
	for (size_t i = 0; i < refs.n && refs.list[i].at < call; i++)
		addr = refs.list[i].load ? addr : refs.list[i].addr;
	if (!addr || addr % 8)
		return -ENOSYS;
	*ret = addr;
	return 0;
}

/* Those that `function` uses, or (`loads`) whose value it takes; first of all that of the symbol,
 * when there is one. */
static int candidates_of(const struct target *t, const char *function, const char *symbol,
			 bool loads, uint64_t **ret, size_t *ret_n)
{
	uint64_t *list, size;
	struct refs refs;
	size_t n = 0;
	int err = refs_read(t, function, &refs);

	if (err)
		return err;
	list = calloc(refs.n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (!image_symbol(target_image(t), symbol, &list[0], &size))
		n++;
	for (size_t i = 0; i < refs.n; i++)
		if (refs.list[i].addr % 8 == 0 && (refs.list[i].load || !loads))
			list[n++] = refs.list[i].addr;
	*ret = list;
	*ret_n = n;
	return 0;
}

static int candidates(const struct target *t, const char *function, const char *symbol,
		      uint64_t **ret, size_t *ret_n)
{
	return candidates_of(t, function, symbol, false, ret, ret_n);
}

int variable_allp_candidates(const struct target *t, uint64_t **ret, size_t *ret_n)
{
	return candidates(t, "runtime.procresize", "runtime.allp", ret, ret_n);
}

int variable_finalizer_candidates(const struct target *t, uint64_t **ret, size_t *ret_n)
{
	return candidates(t, "runtime.queuefinalizer", "runtime.allfin", ret, ret_n);
}

int variable_cleanup_candidates(const struct target *t, uint64_t **ret, size_t *ret_n)
{
	return candidates(t, "runtime.runCleanups", "runtime.gcCleanups", ret, ret_n);
}

int variable_buckets_candidates(const struct target *t, uint64_t **ret, size_t *ret_n)
{
	return candidates(t, "runtime.mProf_FlushLocked", "runtime.mbuckets", ret, ret_n);
}

int variable_profile_rate_candidates(const struct target *t, uint64_t **ret, size_t *ret_n)
{
	return candidates_of(t, "runtime.profilealloc", "runtime.MemProfileRate", true, ret, ret_n);
}

int variable_mheap(const struct target *t, uint64_t *ret)
{
	uint64_t size;

	if (!image_symbol(target_image(t), "runtime.mheap_", ret, &size))
		return 0;
	return variable_mheap_in_code(t, ret);
}
