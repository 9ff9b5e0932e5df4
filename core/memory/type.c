/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Type descriptors that reflect made, and so lie outside the binary's own. Stateless. */
#include "core/memory/type.h"

#include <stdio.h>
#include <string.h>

#include "core/base/text.h"
#include "core/memory/memory.h"
#include "core/target/types.h"

#define DEPTH_MAX 4

struct process {
	const struct target *t;
	pid_t pid;
	uint64_t bias;
};

static int type_in_memory(const struct process *p, uint64_t addr, int depth,
			  struct target_type *ret);

/* reflect keeps the names of what it makes in a map of its own: put the name together again. */
static void compose_name(const uint8_t *body, uint64_t addr, const char *key, const char *elem,
			 struct target_type *type)
{
	char text[2 * sizeof(type->name) + 64];
	uint64_t dir, len;

	memcpy(&dir, body + TYPE_CHAN_DIR, sizeof(dir));
	memcpy(&len, body + TYPE_ARRAY_LEN, sizeof(len));
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
	text_name(type->name, sizeof(type->name), text, strlen(text));
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
	uint8_t body[TYPE_ARRAY_LEN + 8];
	uint32_t key, elem;
	int err;

	if (!target_type(p->t, addr - p->bias, ret))
		return 0;
	if (!depth)
		return -ENOENT;
	memset(body, 0, sizeof(body));
	err = memory_read(p->pid, addr, body, TYPE_HEADER);
	if (err)
		return err;
	err = type_head_read(body, &type.size, &type.kind);
	if (err)
		return err;
	type_parts(type.kind, &key, &elem);
	/* Behind the header of a plain type there may be nothing. */
	if (key || elem)
		err = memory_read(p->pid, addr, body,
				  type.kind == KIND_ARRAY ? sizeof(body) : TYPE_ARRAY_LEN);
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

int memory_type(const struct target *t, pid_t pid, uint64_t addr, struct target_type *ret)
{
	struct process p = {.t = t, .pid = pid};
	int err = target_load_bias(t, pid, &p.bias);

	return err ? err : type_in_memory(&p, addr, DEPTH_MAX, ret);
}
