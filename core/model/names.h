/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Interned strings, Go types and call sites. Ids are small, dense, stable and never reused, so
 * events can carry them. 0 always means "unknown".
 *
 * Adding takes a lock and may come from any thread; looking up is lock-free, and a pointer that
 * was handed out stays valid until names_free(). Bounded: past `max` entries of a kind, adding
 * answers 0 and names_dropped() counts; so it does past 256 MiB of text.
 */
#ifndef XGOTOPFS_MODEL_NAMES_H
#define XGOTOPFS_MODEL_NAMES_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

struct event;
struct names;

/* A Go type as far as an allocation needs it (Go internal/abi.Type). Sizes in bytes. */
struct go_type {
	const char *name; /* "main.Request", "map[string]int" */
	uint64_t size;
	uint64_t key_size, elem_size;      /* maps; elem_size also slices and arrays */
	uint8_t kind, key_kind, elem_kind; /* reflect.Kind numbers */
};

struct site {
	uint32_t func_id; /* names_string() */
	uint32_t file_id; /* names_string(); 0 unknown */
	uint32_t line;    /* 0 unknown */
};

#define NAMES_MAX                                                                                  \
	(1u << 21) /* of each kind: what names_new() is given for a program or a session */
int names_new(size_t max, struct names **ret);
void names_free(struct names *n);

/* The id of text[0..len), added when new. 0 when it is empty, the bound is reached or memory is
 * short. A text ends at a NUL. What is kept is text_name() of it (core/base/text.h): every name in
 * here is UTF-8, shorter than TEXT_NAME_SIZE, and safe to show as it is. */
uint32_t names_intern(struct names *n, const char *text, size_t len);
/* "" for id 0 or one that does not exist; never NULL. */
const char *names_string(const struct names *n, uint32_t id);
/* ids run from 1 to it */
uint32_t names_strings(const struct names *n);

/* The same with its length in bytes. */
const char *names_string_len(const struct names *n, uint32_t id, size_t *ret_len);

/* Interns by name, size and kind together: two types may share a name. Copies the name. */
uint32_t names_add_type(struct names *n, const struct go_type *type);
/* A type with the name "" and kind 0 for id 0; never NULL. */
const struct go_type *names_type(const struct names *n, uint32_t id);
/* How many types there are: ids run from 1 to this. */
uint32_t names_types(const struct names *n);

uint32_t names_add_site(struct names *n, struct site site);
/* All zero for id 0; never NULL. */
const struct site *names_site(const struct names *n, uint32_t id);

/*
 * Bytes that an allocation event asked for: an object's size, a slice's capacity times its
 * element's size. 0 for maps, whose memory is not known, for other events, and for what cannot be:
 * no size, or more than any program can have (Go runtime/malloc.go, maxAlloc). `n` NULL: of objects
 * only.
 */
uint64_t names_allocated(const struct names *n, const struct event *ev);
/* Are the bytes that such an event stands for known? Not those of a map, nor of a slice whose type
 * is not known. */
bool names_knows_bytes(uint32_t type_id, unsigned event_type);

uint64_t names_dropped(const struct names *n);
size_t names_memory(const struct names *n); /* bytes, an estimate */

/* reflect.Kind as text: "struct", "int", …; "invalid" for 0, "unknown" past the last. */
const char *go_kind_name(unsigned kind);

#endif
