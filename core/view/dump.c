/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* No state; any thread. */
#include "core/view/dump.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/text.h"
#include "core/view/own.h"

struct line {
	const char *p;
	size_t len;
};

/* The next line without its end; false after the last. */
static bool next_line(const char **at, const char *end, struct line *ret)
{
	const char *eol;

	if (*at >= end)
		return false;
	eol = memchr(*at, '\n', (size_t)(end - *at));
	if (!eol)
		eol = end;
	*ret = (struct line){*at, (size_t)(eol - *at)};
	*at = eol + (eol < end);
	return true;
}

static bool starts(const struct line *l, const char *with)
{
	size_t n = strlen(with);

	return l->len >= n && !memcmp(l->p, with, n);
}

struct dump_place dump_place(const struct dump_stack *stack)
{
	struct dump_place place = {0};

	for (size_t i = 0; i < stack->n && !place.own; i++) {
		const struct dump_frame *f = &stack->frames[i];

		if (!place.frame && !own_is_runtime(f->name, f->name_len))
			place.frame = f;
		if (own_function(f->name, f->name_len))
			place.own = f;
	}
	return place;
}

/* "goroutine 12 [chan receive, 5 minutes]:", from Go 1.27 on perhaps with labels, "] {a: b}:" */
static bool read_header(const struct line *l, struct dump_stack *ret)
{
	const char *p = l->p + 10, *end = l->p + l->len, *open, *close;

	if (!starts(l, "goroutine ") || l->len < 14)
		return false;
	*ret = (struct dump_stack){0};
	if (scan_u64(&p, end, &ret->goid))
		return false;
	open = memchr(p, '[', (size_t)(end - p));
	if (!open)
		return false;
	for (close = open + 1; close < end && *close != ']' && *close != ','; close++)
		;
	ret->why = open + 1;
	ret->why_len = (size_t)(close - open - 1);
	close = memchr(close, ']', (size_t)(end - close));
	if (close && end - close > 5 && !memcmp(close, "] {", 3) && !memcmp(end - 2, "}:", 2)) {
		ret->labels = close + 3;
		ret->labels_len = (size_t)(end - 2 - ret->labels);
	}
	return true;
}

/* "main.(*T).run(...)", with the place in the line after it. */
static struct dump_frame read_frame(struct line l)
{
	/* The arguments are in the last parentheses; those of a method's receiver come before. */
	for (size_t i = l.len; i-- > 1;) {
		if (l.p[i] == '(') {
			l.len = i;
			break;
		}
	}
	return (struct dump_frame){.name = l.p, .name_len = l.len};
}

static void read_place(struct line l, struct dump_frame *frame)
{
	const char *space;

	if (l.len < 2 || l.p[0] != '\t')
		return;
	space = memchr(l.p, ' ', l.len);
	frame->at = l.p + 1;
	frame->at_len = (space ? (size_t)(space - l.p) : l.len) - 1;
}

void dump_parse(const char *text, size_t len, dump_stack_fn *fn, void *ctx)
{
	const char *at = text, *end = text + len;
	struct dump_frame frames[DUMP_DEPTH_MAX];
	struct dump_stack stack = {0}, next;
	struct line l;

	while (next_line(&at, end, &l)) {
		if (read_header(&l, &next)) {
			if (stack.goid)
				fn(ctx, &stack);
			stack = next;
			stack.frames = frames;
		} else if (!stack.goid || !l.len || l.p[0] == '\t') {
			continue;
		} else if (starts(&l, "created by ")) {
			continue; /* what made it is not on its stack */
		} else if (stack.n < DUMP_DEPTH_MAX) {
			struct dump_frame *frame = &frames[stack.n++];

			*frame = read_frame(l);
			if (starts(&l, "..."))
				frame->name_len = l.len;
			if (at < end && *at == '\t' && next_line(&at, end, &l))
				read_place(l, frame);
		}
	}
	if (stack.goid)
		fn(ctx, &stack);
}

/* --- labels ---------------------------------------------------------------------------------- */

static void add_utf8(uint32_t code, struct buf *out)
{
	if (code < 0x80) {
		buf_addc(out, (char)code);
	} else if (code < 0x800) {
		buf_addc(out, (char)(0xc0 | code >> 6));
		buf_addc(out, (char)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		buf_addc(out, (char)(0xe0 | code >> 12));
		buf_addc(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (code & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | code >> 18));
		buf_addc(out, (char)(0x80 | (code >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (code & 0x3f)));
	}
}

/* The hex digits of \xNN, \uNNNN and \UNNNNNNNN. */
static const char *add_coded(const char *p, const char *end, char kind, struct buf *out)
{
	int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
	uint32_t code = 0;

	for (int i = 0; i < digits && p < end; i++, p++) {
		const char *hex = "0123456789abcdef", *at = *p ? strchr(hex, *p) : NULL;

		code = code << 4 | (at ? (uint32_t)(at - hex) : 0);
	}
	if (kind == 'x')
		buf_addc(out, (char)code);
	else if (code <= 0x10ffff)
		add_utf8(code, out);
	return p;
}

/* The bytes of one text, quoted or not, up to the one of `ends` behind it. */
static const char *read_label_text(const char *p, const char *end, const char *ends,
				   struct buf *out)
{
	bool quoted = p < end && *p == '"';

	for (p += quoted; p < end; p++) {
		if (quoted && *p == '\\' && p + 1 < end) {
			char kind = *++p;

			if (strchr("xuU", kind))
				p = add_coded(p + 1, end, kind, out) - 1;
			else
				buf_addc(out, kind == 'n'   ? '\n'
					      : kind == 'r' ? '\r'
					      : kind == 't' ? '\t'
							    : kind);
		} else if (quoted && *p == '"') {
			p++;
			break;
		} else if (!quoted && strchr(ends, *p)) {
			break;
		} else {
			buf_addc(out, *p);
		}
	}
	for (; p < end && !strchr(ends, *p); p++) /* what says that it was cut */
		buf_addc(out, *p);
	return p;
}

static const char *read_label_part(const char *p, const char *end, const char *ends,
				   struct buf *out, size_t *ret_at, size_t *ret_len)
{
	cleanup_buf_ struct buf plain = BUF_INIT;

	p = read_label_text(p, end, ends, &plain);
	*ret_at = out->len;
	if (plain.len)
		text_add(out, plain.data, plain.len, TEXT_LINE);
	*ret_len = out->len - *ret_at;
	return p;
}

size_t dump_labels(const char *labels, size_t len, struct dump_label *ret, size_t max,
		   struct buf *out)
{
	const char *p = labels, *end = labels + len;
	size_t n = 0;

	while (p < end && n < max) {
		struct dump_label *l = &ret[n];

		p = read_label_part(p, end, ":,", out, &l->key, &l->key_len);
		if (p >= end || *p != ':')
			break; /* "...": there are more */
		p += p + 1 < end && p[1] == ' ' ? 2 : 1;
		p = read_label_part(p, end, ",", out, &l->value, &l->value_len);
		p += p + 1 < end && p[1] == ' ' ? 2 : 1;
		n++;
	}
	return buf_error(out) ? 0 : n;
}
