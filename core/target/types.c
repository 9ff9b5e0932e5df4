/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Go's type descriptors: internal/abi/type.go (runtime/type.go up to 1.20). Sizes, kinds and names
 * are plain data and are read from the file; pointers to key and element types may be relocated.
 * Types that reflect made at run time are core/memory's. Read-only; any thread.
 */
#include "core/target/types.h"

#include <errno.h>
#include <string.h>

#include "core/base/text.h"
#include "core/target/target_internal.h"

enum { /* struct Type */
       SIZE = 0,
       TFLAG = 20,
       KIND = 23,
       STR = 40,
};

#define TFLAG_EXTRA_STAR 2
#define KIND_MASK        31

/* --- names ---------------------------------------------------------------------------------- */

/* abi.Name: a byte of flags, a varint length, the bytes. */
static int read_name(const struct target *t, const uint8_t *head, struct target_type *ret)
{
	uint64_t at, n = 0;
	const uint8_t *p;
	size_t left, i = 1;
	int32_t off;

	memcpy(&off, head + STR, sizeof(off));
	if (off <= 0 || (uint64_t)off >= t->ranges.etypes - t->ranges.types)
		return -ENOENT;
	at = t->ranges.types + (uint64_t)off;
	left = image_left(t->img, at);
	p = image_at(t->img, at, left);
	for (unsigned shift = 0;; shift += 7) {
		if (!p || i >= left || shift > 28)
			return -ENOENT;
		n |= (uint64_t)(p[i] & 0x7f) << shift;
		if (!(p[i++] & 0x80))
			break;
	}
	if (n > left - i || !n)
		return -ENOENT;
	p += i;
	if (head[TFLAG] & TFLAG_EXTRA_STAR && *p == '*') {
		p++;
		n--;
	}
	text_name(ret->name, sizeof(ret->name), (const char *)p, (size_t)n);
	return 0;
}

/* --- in the file ---------------------------------------------------------------------------- */

static bool in_types(const struct target *t, uint64_t addr)
{
	return addr >= t->ranges.types && addr < t->ranges.etypes && !(addr & 7);
}

static const uint8_t *type_head(const struct target *t, uint64_t addr)
{
	return in_types(t, addr) ? image_at(t->img, addr, TYPE_HEADER) : NULL;
}

int type_head_read(const void *head, uint64_t *ret_size, uint8_t *ret_kind)
{
	const uint8_t *bytes = head;

	memcpy(ret_size, bytes + SIZE, sizeof(*ret_size));
	*ret_kind = bytes[KIND] & KIND_MASK;
	return *ret_kind && *ret_kind <= KIND_LAST ? 0 : -ENOENT;
}

void type_parts(uint8_t kind, uint32_t *ret_key, uint32_t *ret_elem)
{
	*ret_key = kind == KIND_MAP ? TYPE_FIRST : 0;
	*ret_elem = kind == KIND_MAP ? TYPE_SECOND
		    : kind == KIND_ARRAY || kind == KIND_CHAN || kind == KIND_POINTER ||
				    kind == KIND_SLICE
			    ? TYPE_FIRST
			    : 0;
}

static void read_part(const struct target *t, uint64_t addr, uint32_t off, uint64_t *ret_size,
		      uint8_t *ret_kind)
{
	const uint8_t *head;
	uint64_t part;

	if (!off || image_word(t->img, addr + off, &part))
		return;
	head = type_head(t, part);
	if (head)
		(void)type_head_read(head, ret_size, ret_kind);
}

int target_type(const struct target *t, uint64_t addr, struct target_type *ret)
{
	struct target_type type = {0};
	const uint8_t *head;
	uint32_t key, elem;
	uint64_t base;

	t = target_at(t, addr, &base);
	addr -= base;
	head = type_head(t, addr);
	if (!head)
		return -ENOENT;
	if (type_head_read(head, &type.size, &type.kind) || read_name(t, head, &type))
		return -ENOENT;
	type_parts(type.kind, &key, &elem);
	read_part(t, addr, key, &type.key_size, &type.key_kind);
	read_part(t, addr, elem, &type.elem_size, &type.elem_kind);
	*ret = type;
	return 0;
}
