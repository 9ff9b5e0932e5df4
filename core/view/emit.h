/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two shapes of a view, each as text or as JSON, so that a view names its keys once: flat keyed
 * ("key value" a line, or one object) and a table (tab-separated with a header, or an array of
 * objects). "?" in text is what is not known and "-" what there is none of; both are null in JSON.
 * For this room only. Not thread-safe.
 */
#ifndef XGOTOPFS_VIEW_EMIT_H
#define XGOTOPFS_VIEW_EMIT_H

#include "core/view/view.h"

struct emit {
	struct buf *out;
	enum view_form form;
	const char *const *columns; /* NULL: flat keyed */
	unsigned n_columns;
	unsigned column; /* of the row under way */
	bool first;
};

void emit_begin(struct emit *e, enum view_form form, struct buf *out);
int emit_end(struct emit *e); /* 0 or -ENOMEM */

/* A table: then a row is emit_row(), one value a column with key NULL, … */
void emit_table_begin(struct emit *e, enum view_form form, const char *const *columns,
		      unsigned n_columns, struct buf *out);
void emit_row(struct emit *e);
void emit_row_end(struct emit *e);
/* JSON only: what comes before a row that somebody else writes. */
void emit_row_separator(struct emit *e);
bool emit_full(const struct emit *e); /* has the table reached its bound? */
/* If so, `left` more rows are left out, a last line says so ("... cut: …", {"cut":…}), and nothing
 * but emit_table_end() may follow. */
bool emit_cut(struct emit *e, size_t left);
/* A last line of its own, of a table that is not cut: "... TEXT", {KEY: value}. */
void emit_note(struct emit *e, const char *text, const char *key, uint64_t value);
int emit_table_end(struct emit *e);

/* Values. `key` is NULL in a table. */
void emit_u64(struct emit *e, const char *key, uint64_t value);
void emit_i64(struct emit *e, const char *key, int64_t value);
void emit_double(struct emit *e, const char *key, double value, int digits);
void emit_string(struct emit *e, const char *key, const char *value); /* "" = unknown */
void emit_yes(struct emit *e, const char *key, bool value);           /* yes, no; true, false */
void emit_none(struct emit *e, const char *key);
void emit_unknown(struct emit *e, const char *key);
/* What the caller has in both forms. */
void emit_as(struct emit *e, const char *key, const char *text, const char *json);
/* One of several values under a key: a line each in text, an array in JSON. */
void emit_list_begin(struct emit *e, const char *key);
void emit_list_item(struct emit *e, const char *key, const char *value);
void emit_list_end(struct emit *e);

/* "1.5s", "12m3s", "3d4h": for people. */
void emit_duration(struct buf *out, uint64_t ns);

#endif
