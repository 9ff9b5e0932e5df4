/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flame graph's tree: what many goroutines have in common, merged from the outside in. Each node
 * counts the goroutines under it and the time they have been there, or two other figures
 * (flame.keys). Not thread-safe.
 */
#ifndef XGOTOPFS_VIEW_FLAME_H
#define XGOTOPFS_VIEW_FLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

#define FLAME_NODES_MAX 50000

enum flame_kind { FLAME_FUNCTION, FLAME_SITE, FLAME_STATE, FLAME_TYPE };

struct flame_node {
	uint64_t goroutines, ns;
	uint64_t sample; /* one of the goroutines */
	size_t name, at; /* in names; at 0 = not known, or not the same everywhere */
	uint32_t hash, name_len, at_len;
	uint32_t parent, child, next; /* first child, next sibling; 0 none */
	uint8_t kind;
};

struct flame {
	struct flame_node *v; /* v[0] is the root, once something was added */
	size_t n, cap;
	uint32_t *slots; /* finds a node by parent and step: 2 * cap, 0 is empty */
	struct buf names;
	const char *keys[2]; /* what the two figures are called in JSON; NULL: goroutines, ns */
	bool truncated; /* FLAME_NODES_MAX: what came later stands in the deepest node it had */
	int err;        /* sticks */
};

struct flame_step {
	const char *name, *at; /* at: file:line, not its own copy; NULL = none */
	size_t name_len, at_len;
	enum flame_kind kind;
};

void flame_free(struct flame *f);
/* Adds to the node at the end of the path, outermost first, and to all above it. */
void flame_add(struct flame *f, const struct flame_step *path, size_t n, uint64_t goid,
	       uint64_t goroutines, uint64_t ns);

/*
 * One goroutine of a debug=2 dump. `path` is its frames, outermost first, with why it does not run
 * at the end; n is 0 when its stack could not be read. Valid during the call.
 */
typedef void flame_stack_fn(void *ctx, uint64_t goid, const struct flame_step *path, size_t n);
void flame_parse(const char *text, size_t len, flame_stack_fn *fn, void *ctx);

/* {"name", "kind", "at"?, "goroutines", "ns", "sample", "children"?}; the figures by their keys */
void flame_render(const struct flame *f, struct buf *out);
/* "main.main;main.serve 12" a line: what flamegraph.pl and speedscope read. */
void flame_render_folded(const struct flame *f, bool ns, struct buf *out);

#endif
