/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Locks that are variables of the program. Code names them by their address, so that it says which
 * lock it takes; no frame need have a pointer to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/wait_search.h"

#define VARIABLES_MAX 16 /* each is looked for in the code of all frames */

int search_index_variables(struct search *s)
{
	const struct target_modules m = target_modules(s->r->t);
	uint64_t range[8]; /* noptrdata, enoptrdata, data, edata, bss, ebss, noptrbss, enoptrbss */

	s->variables = calloc(VARIABLES_MAX, sizeof(*s->variables));
	if (!s->variables)
		return -ENOMEM;
	if (!m.first ||
	    memory_read(s->r->pid, m.first + s->r->bias + m.data - 16, range, sizeof(range)))
		return 0;
	for (size_t i = 0; i < s->g->n_objects && s->n_variables < VARIABLES_MAX; i++) {
		const struct wait_object *o = &s->g->objects[i];

		if ((o->kind == WAIT_MUTEX || o->kind == WAIT_RWMUTEX) && o->address >= range[0] &&
		    o->address < range[7])
			s->variables[s->n_variables++] = (uint32_t)i;
	}
	return 0;
}

static struct lock_variable variable_of(const struct search *s, uint32_t object)
{
	const struct wait_object *o = &s->g->objects[object];
	const uint64_t lo = o->address - s->r->bias;

	return (struct lock_variable){lo,
				      lo + (o->kind == WAIT_MUTEX ? MUTEX_BYTES : RWMUTEX_BYTES)};
}

int search_code(struct search *s, uint64_t goid, const struct stack_trace *trace)
{
	int err = 0;

	s->trace = trace;
	for (size_t v = 0; v < s->n_variables && !err; v++) {
		const uint32_t object = s->variables[v];
		const enum wait_kind kind = s->g->objects[object].kind;
		const struct lock_variable which = variable_of(s, object);

		for (size_t f = 0; f < trace->n && !err; f++) {
			const uint64_t at = trace->frames[f].lookup;
			struct wait_holder h = {.goid = goid,
						.object = object,
						.evidence = WAIT_BY_FRAME,
						.by_code = true,
						.by_variable = true};

			if (wait_calls_is_late(s->calls))
				return -ETIMEDOUT;
			if (wait_calls_is_machinery(s->calls, at))
				continue;
			h.section = wait_calls_section_of(s->calls, at, kind, which);
			if (h.section >= WAIT_SECTION_MAYBE)
				err = search_add(s, &h, at);
		}
	}
	return err;
}

int search_deferred_variables(struct search *s, const struct whose *w, uint64_t entry)
{
	int err = 0;

	for (size_t v = 0; v < s->n_variables && !err; v++) {
		struct wait_holder h = {.goid = w->goid,
					.object = s->variables[v],
					.evidence = WAIT_BY_DEFER,
					.word = w->word,
					.by_variable = true};
		const enum wait_kind kind = s->g->objects[h.object].kind;
		const struct lock_variable which = variable_of(s, h.object);
		const char *call, *via;

		if (wait_calls_is_late(s->calls))
			return -ETIMEDOUT;
		wait_calls_deferred_variable(s->calls, entry, kind, which, &call, &via);
		if (!call)
			continue;
		h.section = w->lookup ? wait_calls_section_of(s->calls, w->lookup, kind, which)
				      : WAIT_SECTION_UNKNOWN;
		err = reading_text(s->r, call, &h.call);
		if (!err && via)
			err = reading_text(s->r, via, &h.deferred);
		if (!err)
			err = search_add(s, &h, w->lookup);
	}
	return err;
}
