/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text and JSON of one and the same keys (emit.h). */
#include "core/view/emit.h"

#include <math.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"

/* What a table may take: its rows are as many as the target likes. */
#define TABLE_BYTES_MAX (256u << 20)

static bool is_json(const struct emit *e)
{
	return e->form == VIEW_JSON;
}

void emit_begin(struct emit *e, enum view_form form, struct buf *out)
{
	*e = (struct emit){.out = out, .form = form, .first = true};
	if (is_json(e))
		buf_addc(out, '{');
}

int emit_end(struct emit *e)
{
	if (is_json(e))
		buf_adds(e->out, "}\n");
	return buf_error(e->out);
}

void emit_table_begin(struct emit *e, enum view_form form, const char *const *columns,
		      unsigned n_columns, struct buf *out)
{
	*e = (struct emit){.out = out,
			   .form = form,
			   .columns = columns,
			   .n_columns = n_columns,
			   .first = true};
	if (is_json(e)) {
		buf_addc(out, '[');
		return;
	}
	for (unsigned i = 0; i < n_columns; i++) {
		buf_adds(out, columns[i]);
		buf_addc(out, i + 1 < n_columns ? '\t' : '\n');
	}
}

void emit_row_separator(struct emit *e)
{
	if (is_json(e))
		buf_adds(e->out, e->first ? "\n" : ",\n");
	e->first = false;
}

void emit_row(struct emit *e)
{
	emit_row_separator(e);
	if (is_json(e))
		buf_addc(e->out, '{');
	e->column = 0;
}

void emit_row_end(struct emit *e)
{
	buf_addc(e->out, is_json(e) ? '}' : '\n');
}

bool emit_full(const struct emit *e)
{
	return e->out->len >= TABLE_BYTES_MAX;
}

bool emit_cut(struct emit *e, size_t left)
{
	if (!emit_full(e))
		return false;
	emit_row_separator(e);
	buf_addf(e->out, is_json(e) ? "{\"cut\":%zu}" : "... cut: %zu rows more\n", left);
	return true;
}

void emit_note(struct emit *e, const char *text, const char *key, uint64_t value)
{
	if (emit_full(e))
		return;
	if (!is_json(e)) {
		buf_addf(e->out, "... %s\n", text);
		return;
	}
	emit_row_separator(e);
	buf_addc(e->out, '{');
	json_ku(e->out, key, value);
	buf_addc(e->out, '}');
}

int emit_table_end(struct emit *e)
{
	if (is_json(e))
		buf_adds(e->out, e->first ? "]\n" : "\n]\n");
	return buf_error(e->out);
}

/* What comes before a value: its key, or the tab of its column. */
static void before(struct emit *e, const char *key)
{
	if (e->columns) {
		if (e->column && !is_json(e))
			buf_addc(e->out, '\t');
		if (is_json(e))
			json_key(e->out, e->columns[e->column]);
		e->column++;
	} else if (is_json(e)) {
		json_key(e->out, key);
	} else {
		buf_adds(e->out, key);
		buf_addc(e->out, ' ');
	}
	e->first = e->columns ? e->first : false;
}

static void after(struct emit *e)
{
	if (!e->columns && !is_json(e))
		buf_addc(e->out, '\n');
}

void emit_u64(struct emit *e, const char *key, uint64_t value)
{
	before(e, key);
	buf_addu(e->out, value);
	after(e);
}

void emit_i64(struct emit *e, const char *key, int64_t value)
{
	before(e, key);
	buf_addi(e->out, value);
	after(e);
}

void emit_double(struct emit *e, const char *key, double value, int digits)
{
	if (!isfinite(value)) {
		emit_unknown(e, key);
		return;
	}
	before(e, key);
	buf_addf(e->out, "%.*f", digits, value);
	after(e);
}

/* A table's first column: no name may make its line one of another kind. */
static size_t begin_line(struct emit *e, const char *value)
{
	return e->columns ? text_line_begin(e->out, value, strlen(value)) : 0;
}

void emit_string(struct emit *e, const char *key, const char *value)
{
	if (!*value) {
		emit_unknown(e, key);
		return;
	}
	before(e, key);
	if (is_json(e))
		json_str(e->out, value);
	else
		text_line(e->out, value + (e->column > 1 ? 0 : begin_line(e, value)));
	after(e);
}

void emit_as(struct emit *e, const char *key, const char *text, const char *json)
{
	before(e, key);
	buf_adds(e->out, is_json(e) ? json : text);
	after(e);
}

void emit_yes(struct emit *e, const char *key, bool value)
{
	emit_as(e, key, value ? "yes" : "no", value ? "true" : "false");
}

void emit_none(struct emit *e, const char *key)
{
	emit_as(e, key, "-", "null");
}

void emit_unknown(struct emit *e, const char *key)
{
	emit_as(e, key, "?", "null");
}

void emit_list_begin(struct emit *e, const char *key)
{
	if (!is_json(e))
		return;
	before(e, key);
	buf_addc(e->out, '[');
	e->first = true;
}

void emit_list_item(struct emit *e, const char *key, const char *value)
{
	if (!is_json(e)) {
		emit_string(e, key, value);
		return;
	}
	if (!e->first)
		buf_addc(e->out, ',');
	e->first = false;
	json_str(e->out, value);
}

void emit_list_end(struct emit *e)
{
	if (is_json(e))
		buf_addc(e->out, ']');
	e->first = false;
}

void emit_duration(struct buf *out, uint64_t ns)
{
	static const struct {
		uint64_t ns;
		const char *unit;
	} units[] = {
		{86400 * NS_PER_SEC, "d"}, {3600 * NS_PER_SEC, "h"}, {60 * NS_PER_SEC, "m"},
		{NS_PER_SEC, "s"},         {1000000, "ms"},          {1000, "us"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
		if (ns < units[i].ns)
			continue;
		buf_addu(out, ns / units[i].ns);
		if (units[i].ns <= NS_PER_SEC && ns / units[i].ns < 100)
			buf_addf(out, ".%u", (unsigned)(ns % units[i].ns * 10 / units[i].ns));
		buf_adds(out, units[i].unit);
		/* Two units say enough. */
		if (units[i].ns > NS_PER_SEC && ns % units[i].ns >= units[i + 1].ns) {
			buf_addu(out, ns % units[i].ns / units[i + 1].ns);
			buf_adds(out, units[i + 1].unit);
		}
		return;
	}
	buf_addu(out, ns);
	buf_adds(out, "ns");
}
