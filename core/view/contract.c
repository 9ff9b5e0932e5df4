/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes what the UI must know of the answers it reads, as TypeScript, from the same tables and
 * structures that the answers are made with. A program of its own, run while xgotopfs is built, on
 * the building machine: it uses headers and tables, and no library of ours.
 */
#include <stddef.h>
#include <stdio.h>

#include "core/base/util.h"
#include "core/model/model.h"
#include "core/model/wait_kind.h"
#include "core/pyramid/tile.h"
#include "core/view/columns.h"
#include "core/view/filter.h"
#include "core/view/words.h"

#define NUMBER(name, value) printf("export const %s = %llu;\n", name, (unsigned long long)(value))

static void states(void)
{
	static const struct filter_word named[] = {
		{"RUNNABLE", GSTATE_RUNNABLE}, {"RUNNING", GSTATE_RUNNING},
		{"SYSCALL", GSTATE_SYSCALL},   {"WAITING", GSTATE_WAITING},
		{"LEAKED", GSTATE_LEAKED},     {"DEAD", GSTATE_DEAD},
		{"UNKNOWN", GSTATES},          {"NONE", PYRAMID_NONE},
	};

	printf("\n// By number, as rows, spans, stays and cells have it.\nexport const STATES = [");
	for (unsigned state = 0; state < GSTATES; state++)
		printf("'%s', ", gstate_name(state));
	printf("'%s'] as const;\n", STATE_UNKNOWN_WORD);
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		NUMBER(named[i].name, named[i].value);
}

static void events(void)
{
	printf("\nexport const EVENT_TYPES = [");
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		printf("%s'%s'", type ? ", " : "", event_type_name(type));
	printf("] as const;\n");
	NUMBER("CASGSTATUS", EVENT_CASGSTATUS);
	NUMBER("MAKESLICE", EVENT_MAKESLICE);
	NUMBER("MAKEMAP", EVENT_MAKEMAP);
	NUMBER("NEWOBJECT", EVENT_NEWOBJECT);
	NUMBER("NEWGOROUTINE", EVENT_NEWGOROUTINE);
	NUMBER("GOEXIT", EVENT_GOEXIT);
}

static void flags(void)
{
	printf("\n// A row's flags.\n");
	NUMBER("EXITED", GOROUTINE_EXITED);
	NUMBER("SYSTEM", GOROUTINE_SYSTEM);
	NUMBER("FOUND", GOROUTINE_FOUND);
	NUMBER("CGO", GOROUTINE_CGO);
	NUMBER("UNCERTAIN", GOROUTINE_UNCERTAIN);
	NUMBER("AT_LEAST", GOROUTINE_AT_LEAST);
	NUMBER("ABOUT", GOROUTINE_ABOUT);
}

/* Kinds of waiting: their words, their numbers in cells, and which reasons are of which. */
static void wait_kinds(void)
{
	static const uint8_t waits[WAIT_KINDS] = PYRAMID_WAITS;

	printf("\n// Kinds of waiting: core/model/wait_kind.c; WAIT_CELLS: the state that a cell "
	       "has "
	       "for each.\nexport const WAIT_KINDS = [");
	for (unsigned kind = 0; kind < WAIT_KINDS; kind++)
		printf("'%s', ", wait_kind_name(kind));
	printf("] as const;\nexport const WAIT_CELLS = [");
	for (unsigned kind = 0; kind < WAIT_KINDS; kind++)
		printf("%u, ", waits[kind]);
	printf("];\nexport const WAIT_PREFIXES: [string, number][] = [");
	for (const struct wait_kind_prefix *p = wait_kind_prefixes; p->text; p++)
		printf("['%s', %u], ", p->text, (unsigned)p->kind);
	printf("];\n");
}

static void tiles(void)
{
	static const uint8_t shares[SHARES] = SHARE_STATES;

	printf("\n// Tiles: core/pyramid/tile.h.\n");
	NUMBER("TILE_MAGIC", TILE_MAGIC);
	NUMBER("TILE_SHIFT", TILE_SHIFT);
	NUMBER("TILE_BUCKETS", PYRAMID_TILE_BUCKETS);
	NUMBER("TILE_KNOWN", TILE_KNOWN);
	NUMBER("TILE_GONE", TILE_GONE);
	NUMBER("TILE_COARSER", TILE_COARSER);
	NUMBER("LEVEL_BASE", PYRAMID_BASE);
	NUMBER("LEVEL_MAX", PYRAMID_LEVEL_MAX);
	NUMBER("SERIES_LEVEL_MIN", SERIES_BASE);
	NUMBER("CELL_CREATED", CELL_CREATED);
	NUMBER("CELL_EXITED", CELL_EXITED);
	NUMBER("CELL_SLICE", CELL_SLICE);
	NUMBER("CELL_MAP", CELL_MAP);
	NUMBER("CELL_OBJECT", CELL_OBJECT);
	printf("export const SHARE_STATES = [");
	for (unsigned s = 0; s < SHARES; s++)
		printf("%s%u", s ? ", " : "", shares[s]);
	printf("];\n");
}

/* Where a structure's fields lie, and its size. */
#define FIELD(type, name) printf("\t%s: %zu,\n", #name, offsetof(struct type, name))

static void layout(void)
{
	printf("export const TILE_HEADER = {\n\tsize: %zu,\n", sizeof(struct tile_header));
	FIELD(tile_header, magic);
	FIELD(tile_header, level);
	FIELD(tile_header, rows);
	FIELD(tile_header, begin_ns);
	FIELD(tile_header, known_ns);
	printf("} as const;\nexport const TILE_ROW = {\n\tsize: %zu,\n", sizeof(struct tile_row));
	FIELD(tile_row, goid);
	FIELD(tile_row, before);
	FIELD(tile_row, flags);
	FIELD(tile_row, cells);
	printf("} as const;\nexport const TILE_CELL = {\n\tsize: %zu,\n", sizeof(struct tile_cell));
	FIELD(tile_cell, bucket);
	FIELD(tile_cell, states);
	FIELD(tile_cell, flags);
	FIELD(tile_cell, share);
	FIELD(tile_cell, transitions);
	FIELD(tile_cell, allocs);
	FIELD(tile_cell, alloc_bytes);
	printf("} as const;\n");
}

/* What is at which place in a row that is an array, and what it is. */
#define INDEX(name, kind, value) printf(" %s: %u,", #name, column++);
#define TYPE(name, kind, value)  printf(" %s: %s,", #name, ts_##kind);
#define COLUMNS(constant, type, columns)                                                           \
	do {                                                                                       \
		static const char ts_u64[] = "number", ts_text[] = "string",                       \
				  ts_id[] = "number | string";                                     \
		unsigned column = 0;                                                               \
                                                                                                   \
		(void)ts_u64, (void)ts_text, (void)ts_id;                                          \
		printf("export const " constant " = {");                                           \
		columns(INDEX);                                                                    \
		printf(" } as const;\nexport type " type " = [");                                  \
		columns(TYPE);                                                                     \
		printf(" ];\n");                                                                   \
	} while (0)

#define NAME(name, value) printf(" '%s',", #name);

static void columns(void)
{
	printf("\n// Rows that are arrays: core/view/columns.h.\n");
	COLUMNS("ROW", "PackedRow", ROW_COLUMNS);
	COLUMNS("SPAN", "Span", SPAN_COLUMNS);
	COLUMNS("STAY", "Stay", STAY_COLUMNS);
	COLUMNS("EDGE", "PackedEdge", EDGE_COLUMNS);
	COLUMNS("LANE", "LaneSpan", LANE_COLUMNS);
	COLUMNS("MARK", "LaneMark", MARK_COLUMNS);
	printf("export const SORT_KEYS = [");
	SORT_KEYS(NAME);
	printf(" ] as const;\n");
}

static void words(const char *name, const struct filter_word *w)
{
	printf("export const %s = {", name);
	for (; w->name; w++)
		printf(" '%s': %llu,", w->name, (unsigned long long)w->value);
	printf(" } as const;\n");
}

/* The keys from `first` on and before `end`, each by its own name. */
static void keys(const char *type, uint64_t first, uint64_t end)
{
	uint64_t before = KEY_ANY;

	printf("export type %s =", type);
	for (const struct filter_word *w = filter_keys; w->name; w++) {
		if (w->value >= first && w->value < end && w->value != before)
			printf(" | '%s'", w->name);
		before = w->value;
	}
	printf(";\n");
}

static void filters(void)
{
	const struct filter_word *own = filter_keys;

	printf("\n// The filter language: core/view/words.c. Keys by the name that is their "
	       "own.\n");
	printf("export const FILTER_KEYS = {");
	for (const struct filter_word *w = filter_keys; w->name; w++) {
		own = w->value == own->value ? own : w;
		printf(" %s: '%s',", w->name, own->name);
	}
	printf(" } as const;\n");
	keys("FilterText", KEY_STATE, KEY_NUMBERS);
	keys("FilterNumber", KEY_NUMBERS, UINT64_MAX);
	words("FILTER_UNITS", filter_units);
	words("FILTER_FLAGS", filter_flags);
	printf("export const FILTER_STATE_WORDS = '%s';\n", FILTER_STATE_WORDS);
	printf("export const FILTER_FLAG_WORDS = '%s';\n", FILTER_FLAG_WORDS);
	printf("export const FILTER_KEY_WORDS = '%s';\n", FILTER_KEY_WORDS);
	printf("export const FILTER_UNIT_WORDS = '%s';\n", FILTER_UNIT_WORDS);
	printf("export const DEAD_ALIAS = '%s';\n", STATE_DEAD_ALIAS);
	NUMBER("FILTER_TEXT_MAX", FILTER_TEXT_MAX);
	NUMBER("FILTER_TERMS_MAX", FILTER_TERMS_MAX);
}

int main(void)
{
	printf("// Written by core/view/contract.c while this was built. Not to be changed "
	       "here.\n");
	states();
	wait_kinds();
	events();
	flags();
	tiles();
	layout();
	columns();
	filters();
	return fflush(stdout) || ferror(stdout);
}
