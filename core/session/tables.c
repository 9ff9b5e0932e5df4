/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The recorded dictionary and what a recorded event means; see tables.h. */
#include "core/session/tables.h"

#include <string.h>

#include "core/base/text.h"
#include "core/session/unpack.h"
#include "proto/event.pb-c.h"

#define SCAN_BIT                                                                                   \
	0x1000   /* _Gscan, Go src/runtime/runtime2.go: or'ed to a state during a GC scan          \
		  */
#define KINDS 27 /* reflect.Kind runs from 1 (bool) to 26 (unsafe.Pointer) */

struct context {
	uint32_t type_id, string_id, site_id;
	uint16_t proc;
	uint8_t flags;
};

/* A table that grows by one: ids start at 1, so entry 0 is the unknown one. */
struct table {
	void *data;
	uint32_t n, cap;
	size_t size;
};

struct nameless {
	uint64_t attributes[4];
	uint64_t type;
	uint32_t id;
};

struct tables {
	struct names *names;
	struct table texts, types, sites; /* of uint32_t */
	struct table contexts;            /* of struct context */
	struct nameless recent[64];       /* spares names' lock and hash for the types just seen */
};

int tables_new(struct names *names, struct tables **ret)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->names = names;
	t->texts.size = t->types.size = t->sites.size = sizeof(uint32_t);
	t->contexts.size = sizeof(struct context);
	*ret = t;
	return 0;
}

void tables_free(struct tables *t)
{
	if (!t)
		return;
	free(t->texts.data);
	free(t->types.data);
	free(t->sites.data);
	free(t->contexts.data);
	free(t);
}

/* 1: put at `id`; 0: past the bound, forget it. */
static int table_put(struct table *t, uint32_t id, const void *entry)
{
	void *data;
	uint32_t cap;

	if (id == 0 || id > t->n + 1)
		return -EBADMSG;
	if (id > SESSION_TABLE_MAX)
		return 0;
	if (id >= t->cap) {
		cap = t->cap ? t->cap * 2 : 256;
		data = realloc(t->data, cap * t->size);
		if (!data)
			return -ENOMEM;
		if (!t->cap)
			memset(data, 0, t->size);
		t->data = data;
		t->cap = cap;
	}
	memcpy((char *)t->data + id * t->size, entry, t->size);
	t->n = MAX(t->n, id);
	return 1;
}

static uint32_t table_id(const struct table *t, uint32_t id)
{
	return id && id <= t->n ? ((const uint32_t *)t->data)[id] : 0;
}

uint32_t tables_text(const struct tables *t, uint32_t id)
{
	return table_id(&t->texts, id);
}

uint32_t tables_site(const struct tables *t, uint32_t id)
{
	return table_id(&t->sites, id);
}

uint32_t tables_intern(struct names *names, const void *text, size_t len)
{
	char clean[TEXT_NAME_SIZE];

	/* Here already: a NUL is no end. */
	return names_intern(names, clean, text_name(clean, sizeof(clean), text, len));
}

/* --- definitions ------------------------------------------------------------------------------ */

static int define_text(struct tables *t, const struct wire_field *f)
{
	Pb__Text *m = UNPACK(text, f);
	uint32_t id;
	int err;

	if (!m)
		return unpack_error();
	id = tables_intern(t->names, m->text.data, m->text.len);
	err = table_put(&t->texts, m->id, &id);
	pb__text__free_unpacked(m, NULL);
	return MIN(err, 0);
}

static int define_type(struct tables *t, const struct wire_field *f)
{
	Pb__GoType *m = UNPACK(go_type, f);
	struct go_type type;
	uint32_t id;
	int err;

	if (!m)
		return unpack_error();
	type = (struct go_type){
		.name = names_string(t->names, tables_text(t, m->name)),
		.size = m->size,
		.key_size = m->key_size,
		.elem_size = m->elem_size,
		.kind = (uint8_t)(m->kind < KINDS ? m->kind : 0),
		.key_kind = (uint8_t)(m->key_kind < KINDS ? m->key_kind : 0),
		.elem_kind = (uint8_t)(m->elem_kind < KINDS ? m->elem_kind : 0),
	};
	id = names_add_type(t->names, &type);
	err = table_put(&t->types, m->id, &id);
	pb__go_type__free_unpacked(m, NULL);
	return MIN(err, 0);
}

static int define_site(struct tables *t, const struct wire_field *f)
{
	Pb__Site *m = UNPACK(site, f);
	uint32_t id;
	int err;

	if (!m)
		return unpack_error();
	id = names_add_site(t->names, (struct site){.func_id = tables_text(t, m->func),
						    .file_id = tables_text(t, m->file),
						    .line = m->line});
	err = table_put(&t->sites, m->id, &id);
	pb__site__free_unpacked(m, NULL);
	return MIN(err, 0);
}

static int define_context(struct tables *t, const struct wire_field *f)
{
	Pb__Context *m = UNPACK(context, f);
	struct context c;
	int err;

	if (!m)
		return unpack_error();
	c = (struct context){
		.type_id = table_id(&t->types, m->type),
		.string_id = tables_text(t, m->text),
		.site_id = tables_site(t, m->site),
		.proc = (uint16_t)(m->process <= UINT16_MAX ? m->process : 0),
		.flags = (uint8_t)(m->flags &
				   (EVENT_CGO_THREAD | EVENT_MERGED | EVENT_SYSCALL_SITE)),
	};
	err = table_put(&t->contexts, m->id, &c);
	pb__context__free_unpacked(m, NULL);
	return MIN(err, 0);
}

int tables_define(struct tables *t, const struct wire_field *f)
{
	static int (*const define[])(struct tables *, const struct wire_field *) = {
		define_text, define_type, define_site, define_context};

	if (f->number < 17 || f->number > 20 || f->type != WIRE_BYTES)
		return -EBADMSG;
	return define[f->number - 17](t, f);
}

/* --- events ----------------------------------------------------------------------------------- */

uint32_t tables_nameless_type(struct tables *t, const struct raw_event *raw)
{
	const uint64_t *a = raw->attributes;
	struct go_type type = {.name = ""};
	struct nameless *slot;
	uint64_t hash = raw->type;

	switch (raw->type) {
	case EVENT_MAKESLICE:
	case EVENT_NEWOBJECT:
		type.size = a[0];
		type.kind = (uint8_t)(a[1] < KINDS ? a[1] : 0);
		break;
	case EVENT_MAKEMAP:
		type.key_size = a[0];
		type.key_kind = (uint8_t)(a[1] < KINDS ? a[1] : 0);
		type.elem_size = a[2];
		type.elem_kind = (uint8_t)(a[3] < KINDS ? a[3] : 0);
		type.kind = type.key_kind ? 21 /* reflect.Map */ : 0;
		break;
	default:
		return 0;
	}
	if (!type.kind) /* no kind, no type: what else stands there is not to be trusted */
		return 0;
	for (unsigned i = 0; i < 4; i++)
		hash = (hash ^ a[i]) * 0x9e3779b97f4a7c15ull;
	slot = &t->recent[hash >> 58];
	if (slot->id && slot->type == raw->type && !memcmp(slot->attributes, a, 4 * sizeof(*a)))
		return slot->id;
	slot->type = raw->type;
	memcpy(slot->attributes, a, 4 * sizeof(*a));
	slot->id = names_add_type(t->names, &type);
	return slot->id;
}

void tables_attributes(const struct raw_event *raw, struct event *ret)
{
	const uint64_t *a = raw->attributes;
	uint64_t from = a[0] & ~(uint64_t)SCAN_BIT, to = a[1] & ~(uint64_t)SCAN_BIT;

	switch (raw->type) {
	case EVENT_CASGSTATUS:
		if (from < GSTATES && to < GSTATES) {
			ret->from = (uint8_t)from;
			ret->to = (uint8_t)to;
			ret->target = a[2];
		}
		break;
	case EVENT_MAKESLICE:
		ret->len = a[2];
		ret->cap = a[3];
		break;
	case EVENT_MAKEMAP:
		ret->hint = a[4];
		break;
	case EVENT_NEWOBJECT:
		ret->size = a[0];
		break;
	case EVENT_NEWGOROUTINE:
		ret->target = a[1];
		if (!ret->goid) /* the original reads g0 there */
			ret->goid = a[0];
		break;
	case EVENT_GOEXIT:
		ret->target = a[0];
		ret->exit_time = a[1];
		break;
	}
}

bool tables_event(struct tables *t, const struct raw_event *raw, struct event *ret)
{
	const struct context *c;

	if (raw->type >= EVENT_TYPES)
		return false;
	*ret = (struct event){
		.time_ns = raw->timestamp,
		.goid = raw->goroutine,
		.parent = raw->parent,
		.type = (uint8_t)raw->type,
		.cpu = (uint16_t)raw->cpu,
	};
	if (raw->context && raw->context <= t->contexts.n) {
		c = &((const struct context *)t->contexts.data)[raw->context];
		ret->type_id = c->type_id;
		ret->string_id = c->string_id;
		ret->site_id = c->site_id;
		ret->proc = c->proc;
		ret->flags = c->flags;
	}
	tables_attributes(raw, ret);
	if (!ret->type_id)
		ret->type_id = tables_nameless_type(t, raw);
	return true;
}
