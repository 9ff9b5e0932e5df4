/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Open addressing with linear probing. Entries leave in sweeps only, which rebuild in place. */
#include "fs/table.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/hash.h"

static size_t place(uint64_t ino, size_t cap)
{
	return hash_u64(ino) & (cap - 1);
}

static void insert(struct table_slot *slots, size_t cap, uint64_t ino, void *value)
{
	size_t i = place(ino, cap);

	while (slots[i].ino)
		i = (i + 1) & (cap - 1);
	slots[i] = (struct table_slot){.ino = ino, .value = value};
}

static int resize(struct table *t, size_t cap)
{
	struct table_slot *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->cap; i++) {
		if (t->slots[i].ino)
			insert(slots, cap, t->slots[i].ino, t->slots[i].value);
	}
	free(t->slots);
	t->slots = slots;
	t->cap = cap;
	return 0;
}

void *table_get(const struct table *t, uint64_t ino)
{
	if (!t->cap)
		return NULL;
	for (size_t i = place(ino, t->cap); t->slots[i].ino; i = (i + 1) & (t->cap - 1)) {
		if (t->slots[i].ino == ino)
			return t->slots[i].value;
	}
	return NULL;
}

int table_add(struct table *t, uint64_t ino, void *value)
{
	int err;

	if (2 * (t->used + 1) > t->cap) {
		err = resize(t, t->cap ? 2 * t->cap : 64);
		if (err)
			return err;
	}
	insert(t->slots, t->cap, ino, value);
	t->used++;
	return 0;
}

void table_sweep(struct table *t, bool (*drop)(void *value, void *arg), void *arg)
{
	size_t start = 0, before = t->used;

	if (!t->used)
		return;
	/* A slot that is free now: no probe sequence crosses it. At most half are taken. */
	while (t->slots[start].ino)
		start++;
	for (size_t i = 0; i < t->cap; i++) {
		if (t->slots[i].ino && drop(t->slots[i].value, arg)) {
			t->slots[i].ino = 0;
			t->used--;
		}
	}
	/* Close the holes: in probing order from there, each entry moves as far up as it can. */
	for (size_t n = 1; n < t->cap && t->used < before; n++) {
		size_t i = (start + n) & (t->cap - 1);
		struct table_slot slot = t->slots[i];

		if (slot.ino) {
			t->slots[i].ino = 0;
			insert(t->slots, t->cap, slot.ino, slot.value);
		}
	}
}

void table_free(struct table *t)
{
	free(t->slots);
	*t = (struct table){0};
}
