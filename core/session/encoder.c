/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packing batches; see encoder.h. Messages that are encoded one after the other merge into one
 * (protobuf's rule), so a batch is built from pieces: events in chunks that stay in the cache, then
 * the context column, then the definitions as they came up, then the check.
 */
#include "core/session/encoder.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "core/model/event_format.h"
#include "core/session/tables.h"
#include "proto/event.pb-c.h"

#define CHUNK           512
#define EVENT_BYTES_MAX 110 /* five tags, four varints of ten bytes, five packed ones, lengths */

struct context_key {
	uint32_t type_id, string_id, site_id;
	uint32_t proc_flags; /* process | flags << 16 */
};

struct context_slot {
	struct context_key key;
	uint32_t id; /* 0: free */
};

/* Live id -> recorded id, 0 while undefined. */
struct id_map {
	uint32_t *ids;
	uint32_t cap, defined;
};

struct encoder {
	const struct names *names;
	struct id_map texts, types, sites;
	struct context_slot *slots;
	uint32_t slot_mask, n_contexts;
	uint64_t dropped;
	struct buf defs; /* encoded pieces for the next batch */

	Pb__RuntimeEvent messages[CHUNK];
	Pb__RuntimeEvent *pointers[CHUNK];
	uint64_t attributes[CHUNK][5];
	uint32_t *column; /* contexts of the batch */
	uint32_t *cpus;   /* its pairs: events, CPU + 1 */
	size_t column_cap, n_cpus;
};

int encoder_new(const struct names *names, struct encoder **ret)
{
	struct encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->names = names;
	e->slot_mask = 1023;
	e->slots = calloc(e->slot_mask + 1, sizeof(*e->slots));
	if (!e->slots) {
		encoder_free(e);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < CHUNK; i++) {
		pb__runtime_event__init(&e->messages[i]);
		e->messages[i].attributes = e->attributes[i];
		e->pointers[i] = &e->messages[i];
	}
	*ret = e;
	return 0;
}

void encoder_free(struct encoder *e)
{
	if (!e)
		return;
	free(e->texts.ids);
	free(e->types.ids);
	free(e->sites.ids);
	free(e->slots);
	free(e->column);
	free(e->cpus);
	buf_free(&e->defs);
	free(e);
}

uint64_t encoder_dropped(const struct encoder *e)
{
	return e->dropped;
}

bool encoder_pending(const struct encoder *e)
{
	return e->defs.len > 0;
}

static void pack(const Pb__RuntimeEventBatch *piece, size_t room, struct buf *out)
{
	if (buf_reserve(out, room))
		return;
	out->len += pb__runtime_event_batch__pack(piece, (uint8_t *)out->data + out->len);
	out->data[out->len] = '\0';
}

static void define(struct encoder *e, const Pb__RuntimeEventBatch *piece)
{
	pack(piece, pb__runtime_event_batch__get_packed_size(piece), &e->defs);
}

/* --- the dictionary --------------------------------------------------------------------------- */

/* Where the recorded id of `id` stands, or NULL when memory is short or the dictionary full. */
static uint32_t *id_slot(struct encoder *e, struct id_map *map, uint32_t id)
{
	uint32_t cap = map->cap ? map->cap : 256;
	uint32_t *ids;

	if (id >= map->cap) {
		while (cap <= id)
			cap *= 2;
		ids = id < (1u << 30) ? realloc(map->ids, cap * sizeof(*ids)) : NULL;
		if (!ids) {
			e->dropped++;
			return NULL;
		}
		memset(ids + map->cap, 0, (cap - map->cap) * sizeof(*ids));
		map->ids = ids;
		map->cap = cap;
	}
	if (!map->ids[id] && map->defined >= SESSION_TABLE_MAX) {
		e->dropped++;
		return NULL;
	}
	return &map->ids[id];
}

static uint32_t define_text(struct encoder *e, const char *text)
{
	Pb__Text m = PB__TEXT__INIT, *p = &m;
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	if (!text[0])
		return 0;
	if (e->texts.defined >= SESSION_TABLE_MAX) {
		e->dropped++;
		return 0;
	}
	m.id = ++e->texts.defined;
	m.text.data = (uint8_t *)text;
	m.text.len = strlen(text);
	piece.n_texts = 1;
	piece.texts = &p;
	define(e, &piece);
	return m.id;
}

static uint32_t text_of(struct encoder *e, uint32_t string_id)
{
	uint32_t *slot = string_id ? id_slot(e, &e->texts, string_id) : NULL;

	if (slot && !*slot)
		*slot = define_text(e, names_string(e->names, string_id));
	return slot ? *slot : 0;
}

static uint32_t type_of(struct encoder *e, uint32_t type_id)
{
	uint32_t *slot = type_id ? id_slot(e, &e->types, type_id) : NULL;
	const struct go_type *type = names_type(e->names, type_id);
	Pb__GoType m = PB__GO_TYPE__INIT, *p = &m;
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	if (!slot || *slot)
		return slot ? *slot : 0;
	m.name = define_text(e, type->name);
	m.size = type->size;
	m.key_size = type->key_size;
	m.elem_size = type->elem_size;
	m.kind = type->kind;
	m.key_kind = type->key_kind;
	m.elem_kind = type->elem_kind;
	*slot = m.id = ++e->types.defined;
	piece.n_types = 1;
	piece.types = &p;
	define(e, &piece);
	return m.id;
}

static uint32_t site_of(struct encoder *e, uint32_t site_id)
{
	uint32_t *slot = site_id ? id_slot(e, &e->sites, site_id) : NULL;
	const struct site *site = names_site(e->names, site_id);
	Pb__Site m = PB__SITE__INIT, *p = &m;
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	if (!slot || *slot)
		return slot ? *slot : 0;
	m.func = text_of(e, site->func_id);
	m.file = text_of(e, site->file_id);
	m.line = site->line;
	*slot = m.id = ++e->sites.defined;
	piece.n_sites = 1;
	piece.sites = &p;
	define(e, &piece);
	return m.id;
}

static uint32_t context_hash(const struct context_key *key)
{
	uint64_t h = ((uint64_t)key->type_id << 32 | key->site_id) * 0x9e3779b97f4a7c15ull;

	h ^= ((uint64_t)key->string_id << 32 | key->proc_flags) * 0xc2b2ae3d27d4eb4full;
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

static struct context_slot *context_find(struct context_slot *slots, uint32_t mask,
					 const struct context_key *key)
{
	uint32_t i = context_hash(key) & mask;

	while (slots[i].id && memcmp(&slots[i].key, key, sizeof(*key)))
		i = (i + 1) & mask;
	return &slots[i];
}

static int contexts_grow(struct encoder *e)
{
	uint32_t mask = e->slot_mask * 2 + 1;
	struct context_slot *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= e->slot_mask; i++) {
		if (e->slots[i].id)
			*context_find(slots, mask, &e->slots[i].key) = e->slots[i];
	}
	free(e->slots);
	e->slots = slots;
	e->slot_mask = mask;
	return 0;
}

static uint32_t define_context(struct encoder *e, struct context_slot *slot,
			       const struct context_key *key)
{
	Pb__Context m = PB__CONTEXT__INIT, *p = &m;
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	if (e->n_contexts >= SESSION_TABLE_MAX ||
	    (e->n_contexts >= e->slot_mask / 2 && contexts_grow(e))) {
		e->dropped++;
		return 0;
	}
	slot = context_find(e->slots, e->slot_mask, key);
	m.type = type_of(e, key->type_id);
	m.text = text_of(e, key->string_id);
	m.site = site_of(e, key->site_id);
	m.process = key->proc_flags & 0xffff;
	m.flags = key->proc_flags >> 16;
	m.id = ++e->n_contexts;
	slot->key = *key;
	slot->id = m.id;
	piece.n_new_contexts = 1;
	piece.new_contexts = &p;
	define(e, &piece);
	return m.id;
}

static uint32_t context_of(struct encoder *e, const struct event *ev)
{
	struct context_key key = {
		.type_id = ev->type_id,
		.string_id = ev->string_id,
		.site_id = ev->site_id,
		.proc_flags = ev->proc | (uint32_t)ev->flags << 16,
	};
	struct context_slot *slot;

	if (!(key.type_id | key.string_id | key.site_id | key.proc_flags))
		return 0;
	slot = context_find(e->slots, e->slot_mask, &key);
	return slot->id ? slot->id : define_context(e, slot, &key);
}

/* --- what is not an event --------------------------------------------------------------------- */

int encoder_process(struct encoder *e, unsigned index, const struct proc_info *info)
{
	Pb__Process m = PB__PROCESS__INIT, *p = &m;
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	m.index = index;
	m.pid = (uint32_t)info->pid;
	m.binary_path.data = (uint8_t *)info->binary_path;
	m.binary_path.len = strnlen(info->binary_path, sizeof(info->binary_path));
	m.go_version.data = (uint8_t *)info->go_version;
	m.go_version.len = strnlen(info->go_version, sizeof(info->go_version));
	m.attached = info->attached_ns;
	m.exited = info->exited_ns;
	m.execed = info->execed;
	m.execed_path.data = (uint8_t *)info->execed_path;
	m.execed_path.len = strnlen(info->execed_path, sizeof(info->execed_path));
	m.ended_as = info->status_known ? 1 + (uint32_t)(uint16_t)info->status : 0;
	piece.n_processes = 1;
	piece.processes = &p;
	define(e, &piece);
	return buf_error(&e->defs);
}

int encoder_snapshot(struct encoder *e, uint64_t time_ns, const struct goroutine *goroutines,
		     size_t n)
{
	cleanup_free_ Pb__Goroutine *messages = calloc(n ? n : 1, sizeof(*messages));
	cleanup_free_ Pb__Goroutine **pointers = calloc(n ? n : 1, sizeof(*pointers));
	Pb__Snapshot snapshot = PB__SNAPSHOT__INIT;
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	if (!messages || !pointers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct goroutine *g = &goroutines[i];

		pb__goroutine__init(&messages[i]);
		messages[i].goid = g->goid;
		messages[i].parent = g->parent;
		messages[i].state = g->state;
		messages[i].reason = text_of(e, g->reason_id);
		messages[i].start_function = text_of(e, g->start_func_id);
		messages[i].created_site = site_of(e, g->created_site_id);
		messages[i].process = g->proc;
		messages[i].system = !!(g->flags & GOROUTINE_SYSTEM);
		pointers[i] = &messages[i];
	}
	snapshot.timestamp = time_ns;
	snapshot.n_goroutines = n;
	snapshot.goroutines = pointers;
	piece.snapshot = &snapshot;
	define(e, &piece);
	return buf_error(&e->defs);
}

static void define_gap(struct encoder *e, const struct event *ev, size_t before,
		       uint64_t left[EVENT_TYPES])
{
	Pb__Gap m = PB__GAP__INIT, *p = &m;
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;
	uint64_t by_type[EVENT_TYPES] = {0}, count = ev->count;

	m.before = (uint32_t)before;
	m.timestamp = ev->time_ns;
	m.count = ev->count;
	m.types = (uint32_t)ev->lost_by_type;
	m.recorder = !!(ev->flags & ENCODER_BY_RECORDER);
	m.process = ev->proc == EVENT_PROC_NONE ? 0 : ev->proc + 1u;
	for (unsigned t = 0; left && !m.recorder && t < EVENT_TYPES; t++) {
		if (!(ev->lost_by_type >> t & 1))
			continue;
		by_type[t] = MIN(left[t], count);
		left[t] -= by_type[t];
		count -= by_type[t];
		m.n_by_type = t + 1;
	}
	m.by_type = by_type;
	piece.n_gaps = 1;
	piece.gaps = &p;
	define(e, &piece);
}

/* --- events ----------------------------------------------------------------------------------- */

static const uint8_t attributes_of_type[EVENT_TYPES] = {
	[EVENT_CASGSTATUS] = 3, [EVENT_MAKESLICE] = 4,    [EVENT_MAKEMAP] = 5,
	[EVENT_NEWOBJECT] = 2,  [EVENT_NEWGOROUTINE] = 2, [EVENT_GOEXIT] = 2,
};

static void pack_chunk(struct encoder *e, size_t n, struct buf *out)
{
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	piece.n_events = n;
	piece.events = e->pointers;
	pack(&piece, n * EVENT_BYTES_MAX, out);
}

static void add_cpu(struct encoder *e, uint32_t cpu)
{
	if (e->n_cpus && e->cpus[e->n_cpus - 1] == cpu) {
		e->cpus[e->n_cpus - 2]++;
	} else {
		e->cpus[e->n_cpus++] = 1;
		e->cpus[e->n_cpus++] = cpu;
	}
}

static void pack_cpus(struct encoder *e, struct buf *out)
{
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;

	if (e->n_cpus && !e->cpus[e->n_cpus - 1])
		e->n_cpus -= 2;
	if (!e->n_cpus)
		return;
	piece.n_cpus = e->n_cpus;
	piece.cpus = e->cpus;
	pack(&piece, e->n_cpus * 5 + 16, out);
}

/* The context column, the CPUs, the definitions, the check. */
static int finish(struct encoder *e, size_t n_column, size_t start, struct buf *out)
{
	Pb__RuntimeEventBatch piece = PB__RUNTIME_EVENT_BATCH__INIT;
	uint32_t crc;

	while (n_column && !e->column[n_column - 1])
		n_column--;
	if (n_column) {
		piece.n_contexts = n_column;
		piece.contexts = e->column;
		pack(&piece, n_column * 5 + 16, out);
	}
	pack_cpus(e, out);
	if (buf_error(&e->defs) && !out->err)
		out->err = -ENOMEM;
	buf_add(out, e->defs.data, e->defs.len);
	buf_reset(&e->defs);
	if (buf_error(out))
		return buf_error(out);
	crc = (uint32_t)crc32(0, (const Bytef *)out->data + start, (uInt)(out->len - start));
	pb__runtime_event_batch__init(&piece);
	piece.check = crc;
	pack(&piece, 8, out);
	if (!crc) /* proto3 leaves a zero out, and then no check is checked: as good */
		buf_add(out, "\xfd\x01\0\0\0\0", 6);
	return buf_error(out);
}

static int column_reserve(struct encoder *e, size_t n)
{
	uint32_t *column, *cpus;

	if (n <= e->column_cap)
		return 0;
	column = realloc(e->column, n * sizeof(*column));
	if (column)
		e->column = column;
	cpus = realloc(e->cpus, 2 * n * sizeof(*cpus));
	if (cpus)
		e->cpus = cpus;
	if (!column || !cpus)
		return -ENOMEM;
	e->column_cap = n;
	return 0;
}

int encoder_batch(struct encoder *e, const struct event *events, size_t n,
		  uint64_t by_type[EVENT_TYPES], struct buf *out)
{
	size_t start = out->len, done = 0, in_chunk = 0;
	int err = column_reserve(e, n);

	if (err)
		return err;
	e->n_cpus = 0;
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[i];
		Pb__RuntimeEvent *m = &e->messages[in_chunk];

		if (ev->type >= EVENT_TYPES) {
			define_gap(e, ev, done, by_type);
			continue;
		}
		m->timestamp = ev->time_ns;
		m->event_type = ev->type;
		m->goroutine = ev->goid;
		m->parent_goroutine = ev->parent;
		m->n_attributes = attributes_of_type[ev->type];
		event_attributes(ev, e->names, m->attributes);
		e->column[done++] = context_of(e, ev);
		add_cpu(e, ev->cpu);
		if (++in_chunk == CHUNK) {
			pack_chunk(e, in_chunk, out);
			in_chunk = 0;
		}
	}
	if (in_chunk)
		pack_chunk(e, in_chunk, out);
	return finish(e, done, start, out);
}

int encoder_raw_batch(struct encoder *e, const struct raw_event *events, size_t n, struct buf *out)
{
	while (n) {
		size_t chunk = MIN(n, (size_t)CHUNK);

		for (size_t i = 0; i < chunk; i++) {
			Pb__RuntimeEvent *m = &e->messages[i];

			m->timestamp = events[i].timestamp;
			m->event_type = events[i].type;
			m->goroutine = events[i].goroutine;
			m->parent_goroutine = events[i].parent;
			m->n_attributes = 5;
			memcpy(m->attributes, events[i].attributes, sizeof(events[i].attributes));
		}
		pack_chunk(e, chunk, out);
		events += chunk;
		n -= chunk;
	}
	return buf_error(out);
}
