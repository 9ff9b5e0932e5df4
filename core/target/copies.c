/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads the tables of inlined calls; see copies.h. */
#include "core/target/copies.h"

#include <errno.h>
#include <string.h>

#include "core/base/util.h"
#include "core/target/target_internal.h"

#define ENTRIES_MAX (1ull << 16) /* of one function's tree */
#define DEPTH_MAX   64           /* of calls in one another */

/* Which call of each of the functions an entry came from; -1: of none. */
struct origin {
	bool known;
	int32_t call[COPIES_NAMES_MAX];
};

/* A stretch of the function and the entry it came from; -1: its own. */
struct stretch {
	uint64_t lo, hi;
	int32_t entry;
};

/* One function's tree, read once: a file may say anything, and may not make us work more than its
 * code is long. */
struct tree {
	const struct target *t;
	const char *const *functions;
	unsigned n;
	struct pclntab_func f;
	uint64_t addr;
	struct stretch *stretches;
	size_t n_stretches, stretches_cap;
	struct origin *origins; /* by entry */
	size_t n_origins, origins_cap;
};

static int add_stretch(struct tree *tree, const struct stretch *stretch)
{
	if (tree->n_stretches == tree->stretches_cap) {
		size_t cap = MAX(2 * tree->stretches_cap, (size_t)256);
		struct stretch *grown = reallocarray(tree->stretches, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		tree->stretches = grown;
		tree->stretches_cap = cap;
	}
	tree->stretches[tree->n_stretches++] = *stretch;
	return 0;
}

/* Origins of entries up to the greatest one that is in use, none known. */
static int forget_origins(struct tree *tree)
{
	int32_t last = -1;

	for (size_t i = 0; i < tree->n_stretches; i++)
		last = MAX(last, tree->stretches[i].entry);
	tree->n_origins = (size_t)last + 1;
	if (tree->n_origins > tree->origins_cap) {
		struct origin *grown = reallocarray(tree->origins, tree->n_origins, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		tree->origins = grown;
		tree->origins_cap = tree->n_origins;
	}
	if (tree->n_origins)
		memset(tree->origins, 0, tree->n_origins * sizeof(*tree->origins));
	return 0;
}

static int32_t entry_at(const struct tree *tree, uint64_t pc)
{
	size_t i = FIRST_ABOVE(tree->stretches, tree->n_stretches, hi, pc);

	return i < tree->n_stretches ? tree->stretches[i].entry : -1;
}

/* The functions that the code at this entry came from: its own and those it was copied through. Of
 * several copies in one another the outermost counts. */
static const struct origin *origin_of(struct tree *tree, int32_t entry, unsigned depth)
{
	struct origin *origin = &tree->origins[entry];
	struct inlined_call call;
	const char *name;
	int32_t parent;

	if (origin->known)
		return origin;
	memset(origin->call, 0xff, sizeof(origin->call));
	origin->known = true; /* before its parent, which could be itself */
	if (inlined_call(tree->t, tree->addr, entry, &call) || !depth)
		return origin;
	parent = entry_at(tree, tree->f.entry + call.parent_pc);
	if (parent >= 0)
		*origin = *origin_of(tree, parent, depth - 1);
	name = pclntab_name(&tree->t->tab, call.name_off);
	for (unsigned i = 0; name && i < tree->n; i++)
		if (origin->call[i] < 0 && !strcmp(name, tree->functions[i]))
			origin->call[i] = entry;
	return origin;
}

/* 0, or -ENOMEM; no stretches when nothing was copied into it. */
static int read_tree(struct tree *tree, const struct go_func *func)
{
	const struct pclntab *tab = &tree->t->tab;
	/* Of calls whose code is all gone there may be more than bytes, but not many times more. */
	const int32_t most = (int32_t)MIN(ENTRIES_MAX, 16 * (func->end - func->entry));
	struct pclntab_values v;
	uint32_t index;
	int err = 0;

	tree->n_stretches = 0;
	if (pclntab_index(tab, func->entry, &index) || pclntab_func(tab, index, &tree->f) ||
	    pclntab_funcdata(tab, &tree->f, FUNCDATA_INLTREE, &tree->addr))
		return 0;
	pclntab_values(tab, &tree->f, pclntab_pcdata(tab, &tree->f, PCDATA_INLTREEINDEX), &v);
	while (!err && pclntab_next_value(&v) && v.lo < func->end) {
		struct stretch stretch = {v.lo, MIN(v.hi, func->end), MAX(v.value, -1)};

		if (stretch.entry >= most)
			stretch.entry = -1;
		err = add_stretch(tree, &stretch);
	}
	return err ? err : forget_origins(tree);
}

static int in_function(struct tree *tree, const struct go_func *func, copy_fn *fn, void *arg)
{
	int err = read_tree(tree, func);

	for (size_t i = 0; !err && i < tree->n_stretches; i++) {
		const struct stretch *stretch = &tree->stretches[i];
		const struct origin *origin;

		if (stretch->entry < 0)
			continue;
		origin = origin_of(tree, stretch->entry, DEPTH_MAX);
		for (unsigned which = 0; !err && which < tree->n; which++) {
			struct copy copy = {*func, stretch->lo, stretch->hi, which,
					    origin->call[which]};

			if (copy.call >= 0)
				err = fn(arg, &copy);
		}
	}
	return err;
}

int copies_each(const struct target *t, const char *const *functions, unsigned n, copy_fn *fn,
		void *arg)
{
	struct tree tree = {
		.t = t, .functions = functions, .n = MIN(n, (unsigned)COPIES_NAMES_MAX)};
	struct go_func func;
	int err = 0;

	for (size_t i = 0; !err && !target_runtime_func(t, i, &func); i++)
		err = in_function(&tree, &func, fn, arg);
	free(tree.stretches);
	free(tree.origins);
	return err;
}

int copies_in(const struct target *t, const struct go_func *func, const char *const *functions,
	      unsigned n, copy_fn *fn, void *arg)
{
	struct tree tree = {
		.t = t, .functions = functions, .n = MIN(n, (unsigned)COPIES_NAMES_MAX)};
	int err = in_function(&tree, func, fn, arg);

	free(tree.stretches);
	free(tree.origins);
	return err;
}
