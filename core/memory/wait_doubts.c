/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * That a frame's code has taken a lock of some kind does not say which one. Where the frame has to
 * do with several, or defers to give up another one, none of them is said to be likely by that.
 */
#include "core/memory/wait_search.h"

#define DOUBTS_MAX 64 /* of one goroutine that are compared */

/* What the frame will give up is what it has taken. */
void search_note_given(struct search *s, uint64_t lookup, uint64_t entry, uint64_t address)
{
	for (unsigned kind = WAIT_MUTEX; kind <= WAIT_RWMUTEX; kind++) {
		const char *call, *via;

		wait_calls_deferred(s->calls, entry, (enum wait_kind)kind, &call, &via);
		if (call && s->n_given < GIVEN_MAX)
			s->given[s->n_given++] =
				(struct given){lookup, address, (enum wait_kind)kind};
	}
}

/* Which of the locks of one kind that a frame has to do with has its code taken? That cannot be
 * told where there are several. */
void search_doubt(struct search *s, uint64_t goid)
{
	size_t from = s->n;

	while (from > 0 && s->found[from - 1].goid == goid && s->n - from < DOUBTS_MAX)
		from--;
	for (size_t i = from; i < s->n; i++) {
		struct wait_holder *h = &s->found[i];
		bool other = false;

		if (!search_is_weak(h) || h->by_variable || h->section != WAIT_SECTION_YES)
			continue;
		for (size_t k = from; k < s->n && !other; k++)
			other = k != i && s->found[k].lookup == h->lookup &&
				s->found[k].section >= WAIT_SECTION_HIDDEN &&
				s->g->objects[s->found[k].object].kind ==
					s->g->objects[h->object].kind;
		for (size_t k = 0; k < s->n_given && !other; k++)
			other = s->given[k].lookup == h->lookup &&
				s->given[k].kind == s->g->objects[h->object].kind &&
				s->given[k].address != s->g->objects[h->object].address;
		if (!other)
			continue;
		h->doubted = true;
		h->section = WAIT_SECTION_HIDDEN;
	}
}
