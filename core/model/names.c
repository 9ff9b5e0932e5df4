/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The interned strings, types and sites (names.h). Entries live in chunks that never move, so that
 * a reader needs no lock: it sees the chunk's pointer and the count with acquire loads, and an
 * entry is complete before the count says that it is there. The lookup tables belong to whoever
 * holds the lock.
 */
#include "core/model/names.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/model/event.h"

#define CHUNK_ENTRIES 1024u
#define ARENA_BYTES   (64u << 10)
#define MAX_ENTRIES   (1u << 26)
#define TEXTS_MAX     (256u << 20) /* bytes of all strings together */
#define MAX_ALLOC     (1ull << 48) /* bytes: runtime/malloc.go, maxAlloc */

struct string_entry {
	const char *text;
	uint32_t len;
};

/* Where an entry is found again: open addressing, id 0 = empty. */
struct name_slot {
	uint32_t hash, id;
};

/* One kind of entry: strings, types or sites. Ids run from 1 to `count`. */
struct column {
	_Atomic(char *) *chunks;
	size_t entry_size;
	_Atomic uint32_t count;
	/* protected by names->lock */
	struct name_slot *slots;
	uint32_t mask;
};

struct arena_block {
	struct arena_block *next;
	char data[];
};

struct names {
	struct column strings, types, sites;
	uint32_t max;
	size_t n_chunks;
	_Atomic uint64_t dropped;
	_Atomic size_t memory;
	pthread_mutex_t lock;
	/* protected by lock */
	struct arena_block *blocks;
	char *arena;
	size_t arena_left, arena_bytes;
};

static const struct go_type no_type = {.name = ""};
static const struct site no_site;

static int column_init(struct column *c, size_t entry_size, size_t n_chunks)
{
	c->entry_size = entry_size;
	c->mask = 255;
	c->slots = calloc(c->mask + 1, sizeof(*c->slots));
	c->chunks = calloc(n_chunks, sizeof(*c->chunks));
	return c->slots && c->chunks ? 0 : -ENOMEM;
}

static void column_free(struct column *c, size_t n_chunks)
{
	for (size_t i = 0; c->chunks && i < n_chunks; i++)
		free(atomic_load_explicit(&c->chunks[i], memory_order_relaxed));
	free(c->chunks);
	free(c->slots);
}

/* The entry of an id, or NULL. Any thread. */
static const void *column_get(const struct column *c, uint32_t id)
{
	struct column *mutable = (struct column *)c;
	char *chunk;

	if (id == 0 || id > atomic_load_explicit(&mutable->count, memory_order_acquire))
		return NULL;
	id--;
	chunk = atomic_load_explicit(&mutable->chunks[id / CHUNK_ENTRIES], memory_order_acquire);
	return chunk + (id % CHUNK_ENTRIES) * c->entry_size;
}

static int column_grow(struct names *n, struct column *c)
{
	uint32_t mask = c->mask * 2 + 1;
	struct name_slot *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= c->mask; i++) {
		uint32_t at = c->slots[i].hash & mask;

		if (c->slots[i].id == 0)
			continue;
		while (slots[at].id)
			at = (at + 1) & mask;
		slots[at] = c->slots[i];
	}
	atomic_fetch_add(&n->memory, ((size_t)mask - c->mask) * sizeof(*slots));
	free(c->slots);
	c->slots = slots;
	c->mask = mask;
	return 0;
}

/* Room for one more entry, which column_publish() makes visible. NULL when bounded or no memory. */
static void *column_next(struct names *n, struct column *c)
{
	uint32_t count = atomic_load_explicit(&c->count, memory_order_relaxed);
	char *chunk;

	if (count >= n->max)
		return NULL;
	if ((count + 1) * 2ull > c->mask && column_grow(n, c))
		return NULL;
	chunk = atomic_load_explicit(&c->chunks[count / CHUNK_ENTRIES], memory_order_relaxed);
	if (!chunk) {
		chunk = calloc(CHUNK_ENTRIES, c->entry_size);
		if (!chunk)
			return NULL;
		atomic_fetch_add(&n->memory, CHUNK_ENTRIES * c->entry_size);
		atomic_store_explicit(&c->chunks[count / CHUNK_ENTRIES], chunk,
				      memory_order_release);
	}
	return chunk + (count % CHUNK_ENTRIES) * c->entry_size;
}

static uint32_t column_publish(struct column *c, uint32_t hash)
{
	uint32_t id = atomic_load_explicit(&c->count, memory_order_relaxed) + 1;
	uint32_t at = hash & c->mask;

	while (c->slots[at].id)
		at = (at + 1) & c->mask;
	c->slots[at] = (struct name_slot){.hash = hash, .id = id};
	atomic_store_explicit(&c->count, id, memory_order_release);
	return id;
}

int names_new(size_t max, struct names **ret)
{
	struct names *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	err = -pthread_mutex_init(&n->lock, NULL);
	if (err) {
		free(n);
		return err;
	}
	n->max = max > MAX_ENTRIES ? MAX_ENTRIES : (uint32_t)max;
	n->n_chunks = n->max / CHUNK_ENTRIES + 1;
	if (column_init(&n->strings, sizeof(struct string_entry), n->n_chunks) ||
	    column_init(&n->types, sizeof(struct go_type), n->n_chunks) ||
	    column_init(&n->sites, sizeof(struct site), n->n_chunks)) {
		names_free(n);
		return -ENOMEM;
	}
	*ret = n;
	return 0;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	column_free(&n->strings, n->n_chunks);
	column_free(&n->types, n->n_chunks);
	column_free(&n->sites, n->n_chunks);
	while (n->blocks) {
		struct arena_block *next = n->blocks->next;

		free(n->blocks);
		n->blocks = next;
	}
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* A NUL-terminated copy that lives as long as the names. Called with the lock held. */
static const char *keep_text(struct names *n, const char *text, size_t len)
{
	char *copy;

	if (len + 1 > n->arena_left) {
		size_t size = MAX(ARENA_BYTES, len + 1);
		struct arena_block *block;

		block = n->arena_bytes < TEXTS_MAX ? malloc(sizeof(*block) + size) : NULL;
		if (!block)
			return NULL;
		n->arena_bytes += size;
		atomic_fetch_add(&n->memory, sizeof(*block) + size);
		block->next = n->blocks;
		n->blocks = block;
		n->arena = block->data;
		n->arena_left = size;
	}
	copy = n->arena;
	memcpy(copy, text, len);
	copy[len] = '\0';
	n->arena += len + 1;
	n->arena_left -= len + 1;
	return copy;
}

/* The text as it is kept: itself, or in `room` when something in it has to be escaped or cut. Names
 * come from programs nobody vouches for. */
static const char *clean_text(const char *text, size_t *len, char room[TEXT_NAME_SIZE])
{
	*len = strnlen(text, *len);
	if (*len < TEXT_NAME_SIZE && text_plain(text, *len, TEXT_LINE) == *len)
		return text;
	*len = text_name(room, TEXT_NAME_SIZE, text, *len);
	return room;
}

/* The id of a string; *ret is its entry. Called with the lock held. */
static uint32_t intern_locked(struct names *n, const char *text, size_t len,
			      const struct string_entry **ret)
{
	struct column *c = &n->strings;
	uint32_t hash = hash_bytes(text, len, 1);
	struct string_entry *entry;
	uint32_t id;

	for (uint32_t at = hash & c->mask; c->slots[at].id; at = (at + 1) & c->mask) {
		const struct string_entry *have;

		if (c->slots[at].hash != hash)
			continue;
		have = column_get(c, c->slots[at].id);
		if (have->len == len && memcmp(have->text, text, len) == 0) {
			*ret = have;
			return c->slots[at].id;
		}
	}
	entry = column_next(n, c);
	if (!entry)
		goto dropped;
	entry->text = keep_text(n, text, len);
	if (!entry->text)
		goto dropped;
	entry->len = (uint32_t)len;
	id = column_publish(c, hash);
	*ret = entry;
	return id;

dropped:
	atomic_fetch_add(&n->dropped, 1);
	return 0;
}

uint32_t names_intern(struct names *n, const char *text, size_t len)
{
	const struct string_entry *entry;
	char room[TEXT_NAME_SIZE];
	uint32_t id;

	text = clean_text(text, &len, room);
	if (len == 0)
		return 0;
	pthread_mutex_lock(&n->lock);
	id = intern_locked(n, text, len, &entry);
	pthread_mutex_unlock(&n->lock);
	return id;
}

const char *names_string_len(const struct names *n, uint32_t id, size_t *ret_len)
{
	const struct string_entry *entry = column_get(&n->strings, id);

	*ret_len = entry ? entry->len : 0;
	return entry ? entry->text : "";
}

uint32_t names_strings(const struct names *n)
{
	return atomic_load_explicit(&((struct names *)n)->strings.count, memory_order_acquire);
}

const char *names_string(const struct names *n, uint32_t id)
{
	size_t len;

	return names_string_len(n, id, &len);
}

static bool same_type(const struct go_type *a, const struct go_type *b)
{
	/* The names are interned by now: one text, one address. */
	return a->name == b->name && a->size == b->size && a->kind == b->kind;
}

static uint32_t add_type_locked(struct names *n, const struct go_type *type)
{
	struct column *c = &n->types;
	const struct string_entry *name = NULL;
	struct go_type want = *type;
	struct go_type *entry;
	uint32_t hash;
	char room[TEXT_NAME_SIZE];
	size_t len = strlen(type->name);
	const char *text = clean_text(type->name, &len, room);
	uint64_t key[2];

	want.name = "";
	if (len && intern_locked(n, text, len, &name))
		want.name = name->text;
	else if (len)
		return 0; /* counted by the string */
	key[0] = (uint64_t)(uintptr_t)want.name;
	key[1] = want.size << 8 | want.kind;
	if (!len)
		key[0] = 0;
	hash = hash_bytes(key, sizeof(key), 2);
	for (uint32_t at = hash & c->mask; c->slots[at].id; at = (at + 1) & c->mask) {
		const struct go_type *have = column_get(c, c->slots[at].id);

		if (c->slots[at].hash == hash &&
		    (len ? same_type(have, &want)
			 : !*have->name && have->size == want.size && have->kind == want.kind))
			return c->slots[at].id;
	}
	entry = column_next(n, c);
	if (!entry) {
		atomic_fetch_add(&n->dropped, 1);
		return 0;
	}
	*entry = want;
	return column_publish(c, hash);
}

uint32_t names_add_type(struct names *n, const struct go_type *type)
{
	uint32_t id;

	pthread_mutex_lock(&n->lock);
	id = add_type_locked(n, type);
	pthread_mutex_unlock(&n->lock);
	return id;
}

const struct go_type *names_type(const struct names *n, uint32_t id)
{
	const struct go_type *type = column_get(&n->types, id);

	return type ? type : &no_type;
}

uint32_t names_types(const struct names *n)
{
	return atomic_load_explicit(&((struct names *)n)->types.count, memory_order_acquire);
}

uint32_t names_add_site(struct names *n, struct site site)
{
	struct column *c = &n->sites;
	uint32_t hash = hash_bytes(&site, sizeof(site), 3);
	struct site *entry;
	uint32_t id = 0;

	if (site.func_id == 0 && site.file_id == 0 && site.line == 0)
		return 0;
	pthread_mutex_lock(&n->lock);
	for (uint32_t at = hash & c->mask; c->slots[at].id; at = (at + 1) & c->mask) {
		if (c->slots[at].hash == hash &&
		    memcmp(column_get(c, c->slots[at].id), &site, sizeof(site)) == 0) {
			id = c->slots[at].id;
			break;
		}
	}
	if (id == 0) {
		entry = column_next(n, c);
		if (entry) {
			*entry = site;
			id = column_publish(c, hash);
		} else {
			atomic_fetch_add(&n->dropped, 1);
		}
	}
	pthread_mutex_unlock(&n->lock);
	return id;
}

const struct site *names_site(const struct names *n, uint32_t id)
{
	const struct site *site = column_get(&n->sites, id);

	return site ? site : &no_site;
}

uint64_t names_dropped(const struct names *n)
{
	return atomic_load(&((struct names *)n)->dropped);
}

size_t names_memory(const struct names *n)
{
	return sizeof(*n) + atomic_load(&((struct names *)n)->memory);
}

const char *go_kind_name(unsigned kind)
{
	static const char *const kinds[] = {
		"invalid",   "bool",       "int",
		"int8",      "int16",      "int32",
		"int64",     "uint",       "uint8",
		"uint16",    "uint32",     "uint64",
		"uintptr",   "float32",    "float64",
		"complex64", "complex128", "array",
		"chan",      "func",       "interface",
		"map",       "ptr",        "slice",
		"string",    "struct",     "unsafe.Pointer",
	};

	return kind < ARRAY_SIZE(kinds) ? kinds[kind] : "unknown";
}

uint64_t names_allocated(const struct names *n, const struct event *ev)
{
	uint64_t bytes = 0;

	if (ev->type == EVENT_NEWOBJECT)
		bytes = ev->size;
	else if (n && ev->type == EVENT_MAKESLICE &&
		 __builtin_mul_overflow(names_type(n, ev->type_id)->size, ev->cap, &bytes))
		return 0;
	return bytes <= MAX_ALLOC ? bytes : 0;
}

bool names_knows_bytes(uint32_t type_id, unsigned event_type)
{
	return event_type == EVENT_NEWOBJECT || (event_type == EVENT_MAKESLICE && type_id);
}
