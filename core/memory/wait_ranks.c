/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of those who may end the waits on an object are told: whoever has no more than a pointer is
 * not, beside somebody who has deferred to unlock it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/memory/wait_search.h"

/* The less, the likelier. */
enum rank {
	RANK_FACT,
	RANK_DUE,
	RANK_SECTION,   /* he stands between taking this lock and giving it up */
	RANK_SEEMS_DUE, /* a deferred call is due, of this lock or of another one */
	RANK_HIDDEN,    /* the same, but a function value may have given it up */
	RANK_MAYBE_DUE, /* a deferred call is due, of a lock that he has on some ways only */
	RANK_MAY_GIVE,
	RANK_POINTER,
	RANK_UNMAPPED, /* a pointer, in a word that may be dead */
	RANK_PART,
	RANK_UNPROVEN,
	RANK_NOT, /* his code says that he does not have it */
};

static enum rank rank_of(const struct wait_holder *h)
{
	if (h->evidence == WAIT_BY_PENDING_WRITER)
		return RANK_FACT;
	if (h->gave_up || h->unproven)
		return h->gave_up ? RANK_NOT : RANK_UNPROVEN;
	/* It may have been unlocked, to be locked again: then he waits for it himself, mostly. */
	if (h->evidence == WAIT_BY_DEFER && h->section == WAIT_SECTION_NO)
		return RANK_MAY_GIVE;
	if (h->evidence == WAIT_BY_DEFER && h->section == WAIT_SECTION_MAYBE)
		return RANK_MAYBE_DUE;
	if (h->evidence == WAIT_BY_DEFER)
		return wait_holder_is_likely(h) ? RANK_DUE : RANK_SEEMS_DUE;
	/* Whoever waits has it for that reason. */
	if (h->section == WAIT_SECTION_NO || (h->waiter && h->section == WAIT_SECTION_UNKNOWN))
		return RANK_NOT;
	if (h->word != WAIT_WORD_MAPPED)
		return h->evidence == WAIT_BY_FRAME ? RANK_UNMAPPED : RANK_PART;
	if (h->section == WAIT_SECTION_YES)
		return RANK_SECTION;
	if (h->section == WAIT_SECTION_HIDDEN || h->section == WAIT_SECTION_LENT)
		return RANK_HIDDEN;
	if (h->section == WAIT_SECTION_MAYBE)
		return RANK_MAY_GIVE;
	return h->evidence == WAIT_BY_FRAME ? RANK_POINTER : RANK_PART;
}

int search_compare_likely(const struct wait_holder *a, const struct wait_holder *b)
{
	enum rank x = rank_of(a), y = rank_of(b);

	if (x != y)
		return x < y ? -1 : 1;
	if (a->by_code != b->by_code)
		return a->by_code ? 1 : -1;
	return (a->evidence > b->evidence) - (a->evidence < b->evidence);
}

/* He has it in his frames because he waits for it, as far as is known. */
static bool only_waits(const struct wait_holder *h)
{
	return h->waiter && search_is_weak(h) && rank_of(h) != RANK_SECTION;
}

static int by_object(const void *a, const void *b)
{
	const struct wait_holder *x = a, *y = b;
	int likely;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->waiter != y->waiter && rank_of(x) != RANK_FACT && rank_of(y) != RANK_FACT &&
	    search_is_weak(x) == search_is_weak(y) &&
	    (only_waits(x) || only_waits(y) || !search_is_weak(x)))
		return x->waiter ? 1 : -1;
	likely = search_compare_likely(x, y);
	return likely ? likely : (x->goid > y->goid) - (x->goid < y->goid);
}

/* A writer that pends may have it as a reader, too: these are two things. */
static bool is_among(const struct wait_holder *list, size_t n, const struct wait_holder *h)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].goid == h->goid &&
		    (rank_of(&list[i]) == RANK_FACT) == (rank_of(h) == RANK_FACT))
			return true;
	}
	return false;
}

/* Several may have it, or may have to come before a wait ends. */
static bool is_shared(enum wait_kind kind)
{
	return kind != WAIT_MUTEX;
}

/*
 * Whoever waits himself has it in his frames for that reason: he is told only by what he deferred,
 * or when his code has taken this very lock, or, of a lock, when there is nobody else: a channel is
 * nothing that he could hold. Beside
 * somebody who is likely those are not told who merely may be.
 */
static bool is_told(const struct wait_holder *h, enum wait_kind kind, bool others, enum rank best)
{
	enum rank rank = rank_of(h);

	if (rank == RANK_FACT)
		return true;
	if (rank >= RANK_UNPROVEN || (only_waits(h) && others))
		return false;
	if ((best == RANK_SECTION || best == RANK_HIDDEN) && rank == RANK_MAYBE_DUE)
		return true;
	if (best <= RANK_MAYBE_DUE)
		return is_shared(kind) ? rank <= RANK_MAYBE_DUE : rank == best;
	return rank == best || (best < RANK_PART && rank < RANK_PART && is_shared(kind)) ||
	       (best < RANK_PART && rank == RANK_UNMAPPED);
}

static size_t keep_some(struct wait_holder *list, size_t n, enum wait_kind kind)
{
	bool others = kind == WAIT_CHAN, free_due = false;
	size_t kept = 0, facts = 0, unproven = 0;
	struct wait_holder alone = {0};
	enum rank best = RANK_NOT;

	for (size_t i = 0; i < n; i++) {
		others |= rank_of(&list[i]) != RANK_FACT && rank_of(&list[i]) < RANK_UNPROVEN &&
			  !only_waits(&list[i]);
		free_due |= rank_of(&list[i]) == RANK_DUE && !list[i].waiter;
		if (rank_of(&list[i]) == RANK_UNPROVEN && !unproven++)
			alone = list[i];
	}
	for (size_t i = 0; i < n; i++) {
		if (rank_of(&list[i]) != RANK_FACT && (!others || !only_waits(&list[i])))
			best = MIN(best, rank_of(&list[i]));
	}
	for (size_t i = 0; i < n && kept < WAIT_HOLDERS_MAX; i++) {
		if (!is_told(&list[i], kind, others, best) || is_among(list, kept, &list[i]))
			continue;
		/* One alone has it: who will unlock it and does not wait for it. */
		if (free_due && !is_shared(kind) && list[i].waiter)
			continue;
		list[kept++] = list[i];
		facts += rank_of(&list[i]) == RANK_FACT;
	}
	if (kept == facts && unproven == 1 && kept < WAIT_HOLDERS_MAX)
		list[kept++] = alone;
	return kept;
}

void search_hand_out(struct search *s)
{
	struct wait_graph *g = s->g;
	size_t kept = 0;

	if (s->n)
		qsort(s->found, s->n, sizeof(*s->found), by_object);
	for (size_t i = 0, end; i < s->n; i = end) {
		struct wait_object *o = &g->objects[s->found[i].object];

		for (end = i; end < s->n && s->found[end].object == s->found[i].object; end++)
			;
		o->holders = (uint32_t)kept;
		o->n_holders = (uint32_t)keep_some(&s->found[i], end - i, o->kind);
		memmove(&s->found[kept], &s->found[i], o->n_holders * sizeof(*s->found));
		kept += o->n_holders;
	}
	g->holders = s->found;
	g->n_holders = kept;
	s->found = NULL;
}
