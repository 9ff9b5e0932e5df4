/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Of each start function the goroutine that ended last is kept, however many others end after it:
 * what dies seldom is what somebody asks for. Bounded by the number of functions, of all processes
 * together LAST_ENDED_MAX. A table a process with open addressing. The model's lock is held for
 * writing.
 */
#include "core/model/model_internal.h"

#define SLOTS_FIRST 64

static uint32_t slot_of(const struct last_ended *l, uint32_t func_id)
{
	uint32_t at = (func_id * 0x9e3779b1u) & (l->cap - 1);

	while (l->slots[at] && l->slots[at]->last_of != func_id)
		at = (at + 1) & (l->cap - 1);
	return at;
}

static bool grow(struct last_ended *l)
{
	struct last_ended old = *l;
	uint32_t cap = old.cap ? 2 * old.cap : SLOTS_FIRST;
	struct record **slots = calloc(cap, sizeof(struct record *));

	if (!slots)
		return false;
	l->slots = slots;
	l->cap = cap;
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i])
			l->slots[slot_of(l, old.slots[i]->last_of)] = old.slots[i];
	free(old.slots);
	return true;
}

struct record *last_ended_put(struct model *m, struct record *g)
{
	struct last_ended *l = &m->procs[g->proc]->last;
	uint32_t func_id = g->start_func_id, at;
	struct record *old;

	if (!func_id || g->last_of)
		return NULL;
	if (2 * (l->n + 1) > l->cap && !grow(l))
		return NULL;
	at = slot_of(l, func_id);
	old = l->slots[at];
	/* At the same time, as by one reading: whichever has the higher number, however many shards
	 * there are. */
	if (old && (old->exited_ns > g->exited_ns ||
		    (old->exited_ns == g->exited_ns && old->goid > g->goid)))
		return NULL;
	if (!old) {
		if (m->n_last_ended == LAST_ENDED_MAX)
			return NULL;
		m->n_last_ended++;
		l->n++;
	} else {
		old->last_of = 0;
	}
	l->slots[at] = g;
	g->last_of = func_id;
	return old;
}

void last_ended_remove(struct model *m, struct record *g)
{
	struct last_ended *l = &m->procs[g->proc]->last;
	uint32_t at;

	if (!g->last_of)
		return;
	at = slot_of(l, g->last_of);
	l->slots[at] = NULL;
	g->last_of = 0;
	l->n--;
	m->n_last_ended--;
	/* Those behind it may have been put there because its place was taken. */
	for (at = (at + 1) & (l->cap - 1); l->slots[at]; at = (at + 1) & (l->cap - 1)) {
		struct record *moved = l->slots[at];

		l->slots[at] = NULL;
		l->slots[slot_of(l, moved->last_of)] = moved;
	}
}

void last_ended_free(struct model *m, struct last_ended *l)
{
	m->n_last_ended -= l->n;
	free(l->slots);
	*l = (struct last_ended){0};
}
