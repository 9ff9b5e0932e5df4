/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Places probes in the copies of the functions that change a goroutine's state: behind each
 * compare-and-swap (place_cas.c), and behind newproc1's store of a goid. A copy in which none can
 * be placed is named, so that nobody takes what is seen for all there is.
 */
#include "core/target/place_copies.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"
#include "core/target/copies.h"
#include "core/target/place.h"
#include "core/target/target_internal.h"

/* Indices of names[]. */
enum { CASGSTATUS, REENTERSYSCALL, EXITSYSCALL, NEWPROC1, GDESTROY, GOEXIT0, NAMES };

static const char *const names[NAMES] = {
	[CASGSTATUS] = "runtime.casgstatus",   [REENTERSYSCALL] = "runtime.reentersyscall",
	[EXITSYSCALL] = "runtime.exitsyscall", [NEWPROC1] = "runtime.newproc1",
	[GDESTROY] = "runtime.gdestroy",       [GOEXIT0] = "runtime.goexit0",
};

/* The stretches of one function that are copies. */
struct stretches {
	const struct target *t;
	struct copied *ret;
	struct copy *all;
	size_t n, cap;
	bool met[NAMES]; /* bodies that hold copies themselves: seen to with these */
};

static int add_site(struct probe_site **sites, size_t *n, const struct probe_site *site)
{
	struct probe_site *grown = reallocarray(*sites, *n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*sites = grown;
	grown[(*n)++] = *site;
	return 0;
}

static void note_missing(struct copied *ret, const char *function)
{
	text_list(ret->missing, sizeof(ret->missing), function);
}

static int describe(const struct target *t, const struct code *code, const char *origin,
		    struct probe_site *site)
{
	const char *holder = code->func.name;

	(void)snprintf(site->symbol, sizeof(site->symbol),
		       strcmp(origin, holder) ? "%s in %s" : "%s", origin, holder);
	return place_describe(t, code, site);
}

/* --- one function that holds copies ----------------------------------------------------------- */

static bool changes_states(unsigned which, const struct copied *ret)
{
	return which == CASGSTATUS ||
	       (ret->syscalls && (which == REENTERSYSCALL || which == EXITSYSCALL));
}

/* Whose copy the instruction is part of; NULL: of none that matters. */
static const struct copy *copy_at(const struct stretches *s, uint64_t addr)
{
	for (size_t i = 0; i < s->n; i++)
		if (changes_states(s->all[i].which, s->ret) && addr >= s->all[i].lo &&
		    addr < s->all[i].hi)
			return &s->all[i];
	return NULL;
}

static bool same_call(const struct copy *a, const struct copy *b)
{
	return a->which == b->which && a->call == b->call;
}

/* Did every call that was replaced by a copy leave a swap that was found? */
static bool all_seen(const struct stretches *s, const struct copy *const *seen, size_t n_seen)
{
	for (size_t i = 0; i < s->n; i++) {
		bool found = !changes_states(s->all[i].which, s->ret);

		for (size_t j = 0; j < n_seen && !found; j++)
			found = same_call(&s->all[i], seen[j]);
		if (!found)
			return false;
	}
	return true;
}

#define SWAPS_MAX 16 /* in one function */

/* `body`: the function itself is one of those, not only what was copied into it. */
static int place_swaps(const struct stretches *s, const struct code *code, bool body)
{
	const struct copy *seen[SWAPS_MAX];
	struct copied *ret = s->ret;
	size_t n_seen = 0;
	bool fine = !code->has_jump_table, any = false;

	for (size_t i = 0; fine && i < code->n; i++) {
		const struct insn *insn = &code->insns[i];
		struct probe_site site = {.kind = PROBE_STATE_SWAP};
		const struct copy *copy;
		const char *why;

		if (!place_is_state_swap(s->t, insn))
			continue;
		copy = copy_at(s, insn->addr);
		if (!copy && !body)
			continue;
		any = true;
		fine = !place_behind_swap(code, insn, &site, &why) && n_seen < SWAPS_MAX &&
		       !describe(s->t, code, copy ? names[copy->which] : code->func.name, &site);
		if (fine && add_site(&ret->swaps, &ret->n_swaps, &site))
			return -ENOMEM;
		if (copy && n_seen < SWAPS_MAX)
			seen[n_seen++] = copy;
	}
	if (!fine || (body && !any) || !all_seen(s, seen, n_seen))
		note_missing(ret, code->func.name);
	return 0;
}

static int place_goid(const struct stretches *s, const struct code *code)
{
	struct probe_site site = {.kind = PROBE_NEWPROC_GOID};
	const char *why;

	if (place_after_goid_store(code, target_layout(s->t)->g_goid, &site, &why) ||
	    describe(s->t, code, names[NEWPROC1], &site)) {
		note_missing(s->ret, code->func.name);
		return 0;
	}
	return add_site(&s->ret->goids, &s->ret->n_goids, &site);
}

static int place_in(struct stretches *s, const struct go_func *func, bool body)
{
	cleanup_code_ struct code code = {0};
	bool states = body, newproc = false;
	int err;

	for (size_t i = 0; i < s->n; i++) {
		states |= changes_states(s->all[i].which, s->ret);
		/* Elsewhere a change of state tells of a creation. */
		newproc |= s->all[i].which == NEWPROC1 && !target_layout(s->t)->goid_before_status;
	}
	if (!states && !newproc)
		return 0;
	err = image_machine(target_image(s->t)) == EM_X86_64 ? code_read(s->t, func, &code)
							     : -ENOTSUP;
	if (err == -ENOMEM)
		return err;
	if (err) {
		note_missing(s->ret, func->name);
		return 0;
	}
	if (states)
		err = place_swaps(s, &code, body);
	return err || !newproc ? err : place_goid(s, &code);
}

/* --- all -------------------------------------------------------------------------------------- */

/* Those whose own swaps are sites, when they were copied somewhere. */
static const unsigned bodies[] = {REENTERSYSCALL, EXITSYSCALL};

static int end_function(struct stretches *s)
{
	bool body = false;
	int err = 0;

	for (unsigned i = 0; s->n && s->ret->syscalls && i < ARRAY_SIZE(bodies); i++) {
		bool is = !strcmp(s->all[0].func.name, names[bodies[i]]);

		s->met[bodies[i]] |= is;
		body |= is;
	}
	if (s->n)
		err = place_in(s, &s->all[0].func, body);
	s->n = 0;
	return err;
}

static int collect(void *arg, const struct copy *copy)
{
	struct stretches *s = arg;
	int err = 0;

	if (s->n && s->all[0].func.entry != copy->func.entry)
		err = end_function(s);
	if (!err && s->n == s->cap) {
		struct copy *all = reallocarray(s->all, s->cap + 64, sizeof(*all));

		if (!all)
			return -ENOMEM;
		s->all = all;
		s->cap += 64;
	}
	if (!err)
		s->all[s->n++] = *copy;
	return err;
}

/* A body with no copy in it was not met on the way. */
static int place_bodies(struct stretches *s)
{
	int err = 0;

	for (unsigned i = 0; s->ret->syscalls && !err && i < ARRAY_SIZE(bodies); i++) {
		struct go_func func;

		if (!s->met[bodies[i]] && !target_func_by_name(s->t, names[bodies[i]], &func))
			err = place_in(s, &func, true);
	}
	return err;
}

static int what_is_copied(void *arg, const struct copy *copy)
{
	struct copied *ret = arg;

	ret->states |= copy->which == CASGSTATUS;
	ret->syscalls |= copy->which == REENTERSYSCALL || copy->which == EXITSYSCALL;
	ret->newproc |= copy->which == NEWPROC1;
	ret->gdestroy |= copy->which == GDESTROY || copy->which == GOEXIT0;
	return 0;
}

int copied_find(const struct target *t, struct copied *ret)
{
	struct stretches s = {.t = t, .ret = ret};
	int err;

	*ret = (struct copied){0};
	err = copies_each(t, names, NAMES, what_is_copied, ret);
	/* Up to 1.25 they call casgstatus like everybody else. */
	ret->syscalls &= target_layout(t)->syscall_sites;
	if (err || !(ret->states || ret->syscalls || ret->newproc))
		return err; /* as nearly every build */
	err = copies_each(t, names, NAMES, collect, &s);
	if (!err)
		err = end_function(&s);
	if (!err)
		err = place_bodies(&s);
	free(s.all);
	return err;
}

void copied_free(struct copied *c)
{
	free(c->swaps);
	free(c->goids);
	*c = (struct copied){0};
}
