/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Go's type descriptors: internal/abi/type.go (runtime/type.go up to 1.20). Sizes, kinds and names
 * are plain data and are read from the file; pointers to key and element types may be relocated.
 * Types that reflect made at run time are read from the process. Read-only; any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/text.h"
#include "core/target/target_internal.h"

enum { /* reflect.Kind */
       KIND_ARRAY = 17,
       KIND_CHAN = 18,
       KIND_FUNC = 19,
       KIND_INTERFACE = 20,
       KIND_MAP = 21,
       KIND_POINTER = 22,
       KIND_SLICE = 23,
       KIND_STRUCT = 25,
};

enum { /* struct Type */
       SIZE = 0,
       TFLAG = 20,
       KIND = 23,
       STR = 40,
       HEADER = 48,
       FIRST = 48,  /* Elem of array, chan, pointer and slice; Key of a map */
       SECOND = 56, /* Elem of a map */
       CHAN_DIR = 56,
       ARRAY_LEN = 64,
};

#define TFLAG_EXTRA_STAR 2
#define KIND_MASK        31
#define DEPTH_MAX        4

/* --- names ---------------------------------------------------------------------------------- */

static void put_name(struct target_type *type, const char *text, size_t n)
{
	text_name(type->name, sizeof(type->name), text, n);
}

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
	put_name(ret, (const char *)p, (size_t)n);
	return 0;
}

/* --- in the file ---------------------------------------------------------------------------- */

static bool in_types(const struct target *t, uint64_t addr)
{
	return addr >= t->ranges.types && addr < t->ranges.etypes && !(addr & 7);
}

static const uint8_t *type_head(const struct target *t, uint64_t addr)
{
	return in_types(t, addr) ? image_at(t->img, addr, HEADER) : NULL;
}

static void read_head(const uint8_t *head, uint64_t *ret_size, uint8_t *ret_kind)
{
	memcpy(ret_size, head + SIZE, sizeof(*ret_size));
	*ret_kind = head[KIND] & KIND_MASK;
}

/* Where a type keeps the pointers to its parts; 0: it has no such part. */
static void parts_of(uint8_t kind, uint32_t *ret_key, uint32_t *ret_elem)
{
	*ret_key = kind == KIND_MAP ? FIRST : 0;
	*ret_elem = kind == KIND_MAP ? SECOND
		    : kind == KIND_ARRAY || kind == KIND_CHAN || kind == KIND_POINTER ||
				    kind == KIND_SLICE
			    ? FIRST
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
		read_head(head, ret_size, ret_kind);
}

int target_type(const struct target *t, uint64_t addr, struct target_type *ret)
{
	const uint8_t *head = type_head(t, addr);
	struct target_type type = {0};
	uint32_t key, elem;

	if (!head)
		return -ENOENT;
	read_head(head, &type.size, &type.kind);
	if (!type.kind || type.kind > 26 || read_name(t, head, &type))
		return -ENOENT;
	parts_of(type.kind, &key, &elem);
	read_part(t, addr, key, &type.key_size, &type.key_kind);
	read_part(t, addr, elem, &type.elem_size, &type.elem_kind);
	*ret = type;
	return 0;
}

/* --- in a process --------------------------------------------------------------------------- */

struct process {
	const struct target *t;
	pid_t pid;
	uint64_t bias;
};

static int peek(const struct process *p, uint64_t addr, void *ret, size_t n)
{
	struct iovec to = {.iov_base = ret, .iov_len = n};
	struct iovec from = {.iov_base = (void *)(uintptr_t)addr, .iov_len = n};
	ssize_t got = process_vm_readv(p->pid, &to, 1, &from, 1, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == n ? 0 : -EFAULT;
}

static int type_in_memory(const struct process *p, uint64_t addr, int depth,
			  struct target_type *ret);

/* reflect keeps the names of what it makes in a map of its own: put the name together again. */
static void compose_name(const uint8_t *body, uint64_t addr, const char *key, const char *elem,
			 struct target_type *type)
{
	char text[2 * sizeof(type->name) + 64];
	uint64_t dir, len;

	memcpy(&dir, body + CHAN_DIR, sizeof(dir));
	memcpy(&len, body + ARRAY_LEN, sizeof(len));
	switch (type->kind) {
	case KIND_ARRAY:
		snprintf(text, sizeof(text), "[%llu]%s", (unsigned long long)len, elem);
		break;
	case KIND_CHAN:
		snprintf(text, sizeof(text), "%s %s",
			 dir == 1   ? "<-chan"
			 : dir == 2 ? "chan<-"
				    : "chan",
			 elem);
		break;
	case KIND_MAP:
		snprintf(text, sizeof(text), "map[%s]%s", key, elem);
		break;
	case KIND_POINTER:
		snprintf(text, sizeof(text), "*%s", elem);
		break;
	case KIND_SLICE:
		snprintf(text, sizeof(text), "[]%s", elem);
		break;
	default:
		snprintf(text, sizeof(text), "%s made by reflect at 0x%llx",
			 type->kind == KIND_STRUCT      ? "struct"
			 : type->kind == KIND_FUNC      ? "func"
			 : type->kind == KIND_INTERFACE ? "interface"
							: "type",
			 (unsigned long long)addr);
	}
	put_name(type, text, strlen(text));
}

static int part_in_memory(const struct process *p, const uint8_t *body, uint32_t off, int depth,
			  struct target_type *ret)
{
	uint64_t addr;

	memset(ret, 0, sizeof(*ret));
	if (!off)
		return 0;
	memcpy(&addr, body + off, sizeof(addr));
	return type_in_memory(p, addr, depth - 1, ret);
}

static int type_in_memory(const struct process *p, uint64_t addr, int depth,
			  struct target_type *ret)
{
	struct target_type type = {0};
	struct target_type *parts;
	uint8_t body[ARRAY_LEN + 8];
	uint32_t key, elem;
	int err;

	if (!target_type(p->t, addr - p->bias, ret))
		return 0;
	if (!depth)
		return -ENOENT;
	memset(body, 0, sizeof(body));
	err = peek(p, addr, body, HEADER);
	if (err)
		return err;
	read_head(body, &type.size, &type.kind);
	if (!type.kind || type.kind > 26)
		return -ENOENT;
	parts_of(type.kind, &key, &elem);
	/* Behind the header of a plain type there may be nothing. */
	if (key || elem)
		err = peek(p, addr, body, type.kind == KIND_ARRAY ? sizeof(body) : ARRAY_LEN);
	parts = err ? NULL : calloc(2, sizeof(*parts));
	if (!parts)
		return err ? err : -ENOMEM;
	err = part_in_memory(p, body, key, depth, &parts[0]);
	if (!err)
		err = part_in_memory(p, body, elem, depth, &parts[1]);
	if (!err) {
		type.key_size = parts[0].size;
		type.key_kind = parts[0].kind;
		type.elem_size = parts[1].size;
		type.elem_kind = parts[1].kind;
		compose_name(body, addr, parts[0].name, parts[1].name, &type);
		*ret = type;
	}
	free(parts);
	return err;
}

int target_type_in_memory(const struct target *t, pid_t pid, uint64_t addr, struct target_type *ret)
{
	struct process p = {.t = t, .pid = pid};
	int err = target_load_bias(t, pid, &p.bias);

	return err ? err : type_in_memory(&p, addr, DEPTH_MAX, ret);
}
