/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/view/profiles/flame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/base/util.h"
#include "core/view/dump.h"

static const char *const kind_names[] = {"function", "site", "state", "type"};

void flame_free(struct flame *f)
{
	free(f->v);
	free(f->slots);
	buf_free(&f->names);
	*f = (struct flame){0};
}

/* --- the tree -------------------------------------------------------------------------------- */

static bool is_step(const struct flame *f, const struct flame_node *node, uint32_t parent,
		    uint32_t hash, const struct flame_step *s)
{
	return node->parent == parent && node->hash == hash && node->kind == s->kind &&
	       node->name_len == s->name_len &&
	       !memcmp(f->names.data + node->name, s->name, s->name_len);
}

/* A place in two lines of a function is none: it is left out rather than one of them shown. */
static void merge_place(const struct flame *f, struct flame_node *node, const struct flame_step *s)
{
	if (node->at_len != s->at_len ||
	    (s->at_len && memcmp(f->names.data + node->at, s->at, s->at_len)))
		node->at_len = 0;
}

/* Where the child is by which `s` goes on from its parent, or an empty one for it. A parent may
 * have as many children as there are goroutines. NULL: an empty one. */
static uint32_t *slot_of(const struct flame *f, uint32_t parent, uint32_t hash,
			 const struct flame_step *s)
{
	const size_t mask = 2 * f->cap - 1;
	size_t i = (hash ^ parent * 0x9e3779b1u) & mask;

	while (f->slots[i] && !(s && is_step(f, &f->v[f->slots[i]], parent, hash, s)))
		i = (i + 1) & mask;
	return &f->slots[i];
}

static int grow(struct flame *f)
{
	size_t cap = f->cap ? f->cap * 2 : 256;
	struct flame_node *v;
	uint32_t *slots;

	if (f->n < f->cap)
		return 0;
	v = realloc(f->v, cap * sizeof(*v));
	if (!v)
		return -ENOMEM;
	f->v = v;
	slots = calloc(2 * cap, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(f->slots);
	f->slots = slots;
	f->cap = cap;
	for (size_t i = 1; i < f->n; i++)
		*slot_of(f, f->v[i].parent, f->v[i].hash, NULL) = (uint32_t)i;
	return 0;
}

static int add_node(struct flame *f, uint32_t parent, uint32_t hash, const struct flame_step *s)
{
	struct flame_node *node;

	if (grow(f))
		return -ENOMEM;
	node = &f->v[f->n];
	*node = (struct flame_node){.name = f->names.len,
				    .name_len = (uint32_t)s->name_len,
				    .at = f->names.len + s->name_len,
				    .at_len = (uint32_t)s->at_len,
				    .hash = hash,
				    .parent = parent,
				    .kind = (uint8_t)s->kind};
	buf_add(&f->names, s->name, s->name_len);
	if (s->at_len)
		buf_add(&f->names, s->at, s->at_len);
	if (buf_error(&f->names))
		return -ENOMEM;
	if (f->n) {
		*slot_of(f, parent, hash, NULL) = (uint32_t)f->n;
		node->next = f->v[parent].child;
		f->v[parent].child = (uint32_t)f->n;
	}
	f->n++;
	return 0;
}

void flame_add(struct flame *f, const struct flame_step *path, size_t n, uint64_t goid,
	       uint64_t goroutines, uint64_t ns)
{
	static const struct flame_step root = {.name = "all", .name_len = 3};
	uint32_t at = 0;

	if (!f->err && !f->n)
		f->err = add_node(f, 0, 0, &root);
	if (f->err)
		return;
	f->v[0].goroutines += goroutines;
	f->v[0].ns = sum_u64(f->v[0].ns, ns);
	for (size_t i = 0; i < n; i++) {
		uint32_t hash = hash_bytes(path[i].name, path[i].name_len, path[i].kind),
			 child = *slot_of(f, at, hash, &path[i]);

		if (child) {
			merge_place(f, &f->v[child], &path[i]);
		} else if (f->n >= FLAME_NODES_MAX) {
			f->truncated = true;
			return;
		} else {
			child = (uint32_t)f->n;
			f->err = add_node(f, at, hash, &path[i]);
			if (f->err)
				return;
		}
		if (!f->v[child].sample && goroutines)
			f->v[child].sample = goid;
		f->v[child].goroutines += goroutines;
		f->v[child].ns = sum_u64(f->v[child].ns, ns);
		at = child;
	}
}

/* --- a dump of stacks ------------------------------------------------------------------------- */

struct handing {
	flame_stack_fn *fn;
	void *ctx;
};

/* Frames stand innermost first, and are wanted the other way round. */
static void hand_over(void *ctx, const struct dump_stack *s)
{
	const struct handing *to = ctx;
	struct flame_step path[DUMP_DEPTH_MAX + 1];

	for (size_t i = 0; i < s->n; i++) {
		const struct dump_frame *f = &s->frames[s->n - 1 - i];

		path[i] = (struct flame_step){.name = f->name,
					      .name_len = f->name_len,
					      .at = f->at,
					      .at_len = f->at_len,
					      .kind = FLAME_FUNCTION};
	}
	path[s->n] =
		(struct flame_step){.name = s->why, .name_len = s->why_len, .kind = FLAME_STATE};
	to->fn(to->ctx, s->goid, path, s->n ? s->n + 1 : 0);
}

void flame_parse(const char *text, size_t len, flame_stack_fn *fn, void *ctx)
{
	struct handing to = {fn, ctx};

	dump_parse(text, len, hand_over, &to);
}

/* --- as text ---------------------------------------------------------------------------------- */

static void add_text(const struct flame *f, size_t at, size_t len, const char *key, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	buf_add(&text, f->names.data + at, len);
	buf_addc(&text, '\0');
	json_ks(out, key, buf_error(&text) ? "" : text.data);
}

static const char *key_name(const struct flame *f, unsigned i)
{
	static const char *const usual[] = {"goroutines", "ns"};

	return f->keys[i] ? f->keys[i] : usual[i];
}

static void render_node(const struct flame *f, uint32_t i, struct buf *out)
{
	const struct flame_node *node = &f->v[i];

	buf_addc(out, '{');
	add_text(f, node->name, node->name_len, "name", out);
	json_ks(out, "kind", kind_names[node->kind]);
	if (node->at_len)
		add_text(f, node->at, node->at_len, "at", out);
	json_ku(out, key_name(f, 0), node->goroutines);
	json_ku(out, key_name(f, 1), node->ns);
	json_ku(out, "sample", node->sample);
	if (node->child) {
		json_key(out, "children");
		buf_addc(out, '[');
		for (uint32_t c = node->child; c; c = f->v[c].next) {
			if (c != node->child)
				buf_addc(out, ',');
			render_node(f, c, out);
		}
		buf_addc(out, ']');
	}
	buf_addc(out, '}');
}

void flame_render(const struct flame *f, struct buf *out)
{
	if (f->n)
		render_node(f, 0, out);
	else
		buf_addf(out, "{\"name\":\"all\",\"kind\":\"function\",\"%s\":0,\"%s\":0}",
			 key_name(f, 0), key_name(f, 1));
}

static void fold(const struct flame *f, uint32_t i, bool ns, struct buf *path, struct buf *out)
{
	const struct flame_node *node = &f->v[i];
	uint64_t own = ns ? node->ns : node->goroutines;
	size_t len = path->len;

	if (i) {
		size_t k = 0;

		if (len)
			buf_addc(path, ';');
		else
			k = text_line_begin(path, f->names.data + node->name, node->name_len);
		for (; k < node->name_len; k++) {
			char c = f->names.data[node->name + k];

			buf_addc(path, c == ';' ? ':' : c);
		}
	}
	for (uint32_t c = node->child; c; c = f->v[c].next) {
		own -= MIN(own, ns ? f->v[c].ns : f->v[c].goroutines);
		fold(f, c, ns, path, out);
	}
	if (own && path->len) {
		buf_add(out, path->data, path->len);
		buf_addc(out, ' ');
		buf_addu(out, own);
		buf_addc(out, '\n');
	}
	path->len = len;
}

void flame_render_folded(const struct flame *f, bool ns, struct buf *out)
{
	cleanup_buf_ struct buf path = BUF_INIT;

	if (f->n)
		fold(f, 0, ns, &path, out);
}
