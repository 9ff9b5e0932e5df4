/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* No state; any thread. */
#include "core/view/dump.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/parse.h"

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

/* "goroutine 12 [chan receive, 5 minutes]:" */
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
