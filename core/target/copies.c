/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads the tables of inlined calls; see copies.h. */
#include "core/target/copies.h"

#include <errno.h>
#include <string.h>

#include "core/target/target_internal.h"

#define ENTRIES_MAX (1 << 16) /* of one function's tree */
#define DEPTH_MAX   64        /* of calls in one another */

/* Which call of each of the functions an entry came from; -1: of none. */
struct origin {
	bool known;
	int32_t call[COPIES_NAMES_MAX];
};

/* One function's tree, and what is known of its entries so far. */
struct tree {
	const struct target *t;
	const char *const *functions;
	unsigned n;
	struct pclntab_func f;
	uint64_t addr;
	uint32_t table;
	struct origin *origins; /* by entry */
	size_t cap;
};

/* The functions that the code at this entry came from: its own and those it was copied through. */
static void find_origin(const struct tree *tree, int32_t entry, struct origin *ret)
{
	memset(ret->call, 0xff, sizeof(ret->call));
	ret->known = true;
	for (unsigned depth = 0; entry >= 0 && depth < DEPTH_MAX; depth++) {
		struct inlined_call call;
		const char *name;

		if (inlined_call(tree->t, tree->addr, entry, &call))
			return;
		name = pclntab_name(&tree->t->tab, call.name_off);
		for (unsigned i = 0; name && i < tree->n; i++)
			if (!strcmp(name, tree->functions[i]))
				ret->call[i] = entry;
		entry = pclntab_value(&tree->t->tab, &tree->f, tree->table,
				      tree->f.entry + call.parent_pc);
	}
}

static int look_up(struct tree *tree, int32_t entry, const struct origin **ret)
{
	if ((size_t)entry >= tree->cap) {
		size_t cap = MAX((size_t)entry + 1, 2 * tree->cap);
		struct origin *origins = reallocarray(tree->origins, cap, sizeof(*origins));

		if (!origins)
			return -ENOMEM;
		memset(origins + tree->cap, 0, (cap - tree->cap) * sizeof(*origins));
		tree->origins = origins;
		tree->cap = cap;
	}
	if (!tree->origins[entry].known)
		find_origin(tree, entry, &tree->origins[entry]);
	*ret = &tree->origins[entry];
	return 0;
}

static int in_function(struct tree *tree, const struct go_func *func, copy_fn *fn, void *arg)
{
	const struct pclntab *tab = &tree->t->tab;
	const struct origin *origin = NULL;
	struct pclntab_values v;
	uint32_t index;
	int err = 0;

	if (pclntab_index(tab, func->entry, &index) || pclntab_func(tab, index, &tree->f) ||
	    pclntab_funcdata(tab, &tree->f, FUNCDATA_INLTREE, &tree->addr))
		return 0;
	tree->table = pclntab_pcdata(tab, &tree->f, PCDATA_INLTREEINDEX);
	memset(tree->origins, 0, tree->cap * sizeof(*tree->origins));
	for (pclntab_values(tab, &tree->f, tree->table, &v); !err && pclntab_next_value(&v);) {
		if (v.value < 0 || v.value >= ENTRIES_MAX)
			continue;
		err = look_up(tree, v.value, &origin);
		for (unsigned i = 0; !err && i < tree->n; i++) {
			struct copy copy = {*func, v.lo, MIN(v.hi, func->end), i, origin->call[i]};

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

	tree.cap = 64;
	tree.origins = calloc(tree.cap, sizeof(*tree.origins));
	if (!tree.origins)
		return -ENOMEM;
	for (size_t i = 0; !err && !target_runtime_func(t, i, &func); i++)
		err = in_function(&tree, &func, fn, arg);
	free(tree.origins);
	return err;
}
