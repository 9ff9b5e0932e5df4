/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stack maps of Go's garbage collector: cmd/compile/internal/liveness writes them,
 * runtime/stkframe.go getStackMap() (up to 1.19 in stack.go) reads them. Pure functions.
 */
#include <errno.h>
#include <string.h>

#include "core/target/target_internal.h"

/* runtime/funcdata.h, internal/abi/symtab.go: the same 1.17 … 1.27. */
#define FUNCDATA_ARGS_MAPS   0
#define FUNCDATA_LOCALS_MAPS 1
#define FUNCDATA_OBJECTS     2
#define FUNCDATA_OPEN_DEFERS 4
#define PCDATA_MAP_INDEX     1

#define OBJECT_BYTES        16 /* stackObjectRecord: off, size, ptrBytes, gcdataoff */
#define OBJECTS_MAX         (1u << 16)
#define BITS_MAX            (1 << 24)
#define DEFER_ARGUMENTS_MAX 1024 /* of one call */

/* runtime.stackmap: int32 n, int32 nbit, then n bitmaps, each of whole bytes. */
static int bitmap_at(const struct target *t, uint64_t at, int32_t index, const uint8_t **ret,
		     uint32_t *ret_n)
{
	const uint8_t *head = image_at(t->img, at, 8), *bits;
	int32_t n, nbit;
	size_t bytes;

	if (!head)
		return -ENOENT;
	memcpy(&n, head, sizeof(n));
	memcpy(&nbit, head + 4, sizeof(nbit));
	if (n <= 0 || nbit < 0 || nbit > BITS_MAX)
		return -ENOENT;
	if (nbit == 0) { /* of all its places */
		*ret = head;
		*ret_n = 0;
		return 0;
	}
	if (index < 0 || index >= n)
		return -ENOENT;
	bytes = ((size_t)nbit + 7) / 8;
	bits = image_at(t->img, at + 8 + (uint64_t)index * bytes, bytes);
	if (!bits)
		return -ENOENT;
	*ret = bits;
	*ret_n = (uint32_t)nbit;
	return 0;
}

static int objects_at(const struct target *t, uint64_t at, struct target_stack_map *ret)
{
	const uint8_t *head = image_at(t->img, at, 8);
	uint64_t n;

	if (!head)
		return -ENOENT;
	memcpy(&n, head, sizeof(n));
	if (n > OBJECTS_MAX)
		return -ENOENT;
	ret->n_objects = (uint32_t)n;
	ret->objects = image_at(t->img, at + 8, (size_t)n * OBJECT_BYTES);
	return ret->objects ? 0 : -ENOENT;
}

/* At the entry, and where the table says -1, the first one holds. */
static int32_t map_index(const struct target *t, const struct pclntab_func *f, uint64_t pc)
{
	int32_t index = -1;

	if (pc != f->entry)
		index = pclntab_value(&t->tab, f, pclntab_pcdata(&t->tab, f, PCDATA_MAP_INDEX),
				      pc - 1);
	return index == -1 ? 0 : index;
}

int target_stack_map(const struct target *t, uint64_t pc, struct target_stack_map *ret)
{
	struct target_stack_map m = {.locals = NULL};
	struct pclntab_func f;
	uint32_t number;
	uint64_t at, base;
	int32_t index;

	t = target_at(t, pc, &base);
	pc -= base;
	if (pclntab_index(&t->tab, pc, &number) || pclntab_func(&t->tab, number, &f) ||
	    f.args == PCLNTAB_ARGS_UNKNOWN || f.args < 0)
		return -ENOENT;
	index = map_index(t, &f, pc);
	if (!pclntab_funcdata(&t->tab, &f, FUNCDATA_LOCALS_MAPS, &at) &&
	    bitmap_at(t, at, index, &m.locals, &m.n_locals))
		return -ENOENT;
	if (f.args > 0 && (pclntab_funcdata(&t->tab, &f, FUNCDATA_ARGS_MAPS, &at) ||
			   bitmap_at(t, at, index, &m.args, &m.n_args)))
		return -ENOENT;
	if (!pclntab_funcdata(&t->tab, &f, FUNCDATA_OBJECTS, &at) && objects_at(t, at, &m))
		return -ENOENT;
	*ret = m;
	return 0;
}

struct target_stack_object target_stack_object(const struct target_stack_map *m, uint32_t i)
{
	struct target_stack_object object;

	memcpy(&object.offset, m->objects + (size_t)i * OBJECT_BYTES, 4);
	memcpy(&object.size, m->objects + (size_t)i * OBJECT_BYTES + 4, 4);
	return object;
}

/* runtime/panic.go readvarintUnsafe(). */
static bool varint(const struct target *t, uint64_t *at, uint32_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; shift < 32; shift += 7) {
		const uint8_t *byte = image_at(t->img, *at, 1);

		if (!byte)
			return false;
		++*at;
		*ret |= (uint32_t)(*byte & 0x7f) << shift;
		if (!(*byte & 0x80))
			return true;
	}
	return false;
}

/* Up to 1.17 a deferred call may have arguments in the frame: {width, closure, how many of them},
 * then three numbers each. */
static bool defer_with_arguments(const struct target *t, uint64_t *at, uint32_t *ret)
{
	uint32_t width, n, skipped;

	if (!varint(t, at, &width) || !varint(t, at, ret) || !varint(t, at, &n) ||
	    n > DEFER_ARGUMENTS_MAX)
		return false;
	for (uint32_t i = 0; i < 3 * n; i++)
		if (!varint(t, at, &skipped))
			return false;
	return true;
}

int target_open_defers(const struct target *t, uint64_t pc, struct target_open_defers *ret)
{
	struct target_open_defers d = {.n = TARGET_OPEN_DEFERS_MAX};
	struct pclntab_func f;
	uint32_t number, most;
	uint64_t at, base;

	t = target_at(t, pc, &base);
	if (pclntab_index(&t->tab, pc - base, &number) || pclntab_func(&t->tab, number, &f) ||
	    pclntab_funcdata(&t->tab, &f, FUNCDATA_OPEN_DEFERS, &at) ||
	    (t->build.minor < 18 && !varint(t, &at, &most)) || !varint(t, &at, &d.bits))
		return -ENOENT;
	if (t->build.minor < 22) { /* each closure, the last one first */
		if (!varint(t, &at, &d.n) || d.n > TARGET_OPEN_DEFERS_MAX)
			return -ENOENT;
		for (uint32_t i = d.n; i > 0; i--)
			if (!(t->build.minor < 18 ? defer_with_arguments
						  : varint)(t, &at, &d.closures[i - 1]))
				return -ENOENT;
	} else { /* where the first one is; they lie in order */
		if (!varint(t, &at, &d.closures[0]))
			return -ENOENT;
		for (uint32_t i = 1; i < d.n; i++)
			d.closures[i] = d.closures[0] - 8 * i;
	}
	*ret = d;
	return 0;
}
