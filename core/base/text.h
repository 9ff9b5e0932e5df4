/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text that somebody else wrote (names and paths of the traced program, recorded sessions) made
 * safe to show: UTF-8, and nothing that a terminal acts on or a reader takes for the end of a line.
 * The one escape and the one check of UTF-8 there are; pure functions, any thread.
 *
 * Escaped are control characters (below U+0020, U+007F to U+009F), characters that are not seen or
 * turn the order of others (zero width, bidirectional controls, line and paragraph separators,
 * tags), and bytes that are not UTF-8. In text: \n, \t, \xNN for other single bytes, \uNNNN and
 * \UNNNNNNNN for characters, as in Go; in JSON \uNNNN, and U+FFFD for what is not UTF-8.
 */
#ifndef XGOTOPFS_BASE_TEXT_H
#define XGOTOPFS_BASE_TEXT_H

#include "core/base/buf.h"

enum text_style {
	TEXT_LINE,   /* a value in a line or a column */
	TEXT_QUOTED, /* between the double quotes of a text value: they and backslashes too */
	TEXT_JSON,   /* between the quotes of a JSON string */
};

/* Bytes of the UTF-8 character at text[0..len), len > 0; 0 when there is none (RFC 3629: no
 * surrogates, no overlong forms). *ret: its code point. */
unsigned utf8_decode(const char *text, size_t len, uint32_t *ret);
/* Is this character shown as it is, outside quotes? */
bool text_is_shown(uint32_t code);

/* Bytes from the start that are shown as they are in this style: len when all are. */
size_t text_plain(const char *text, size_t len, enum text_style style);

/* One byte of text becomes at most so many. */
#define TEXT_ESCAPE_MAX 6
/* Writes the escaped text, at most TEXT_ESCAPE_MAX * len bytes and no NUL; returns its end. */
char *text_put(char *to, const char *text, size_t len, enum text_style style);

/* The same appended to a buffer. */
void text_add(struct buf *out, const char *text, size_t len, enum text_style style);
/* A value in a line. */
void text_line(struct buf *out, const char *text);
/* Before a name at the beginning of a line: one that would make it pass for the header of a dump's
 * goroutine, or for a note after a table ("... cut: "), has its first letter written as \xNN. How
 * many of its bytes that were: 0 or 1. */
size_t text_line_begin(struct buf *out, const char *text, size_t len);
/* A JSON string with its quotes. */
void text_json(struct buf *out, const char *text, size_t len);

/* Puts '?' for each byte that is not of a shown character, line ends and tabs apart: for a piece of
 * a file whose offsets are to stay. `from`: bytes at the beginning that are only context, of which
 * three are enough. */
void text_blank(char *text, size_t len, size_t from);

/*
 * A name from outside, escaped (TEXT_LINE) and with a bound: what does not fit into `size` bytes is
 * cut and ends in "…~" and eight hex digits made of the whole name, so that names that only begin
 * alike stay different. Always terminated, size >= 16. Returns the length.
 */
#define TEXT_NAME_SIZE 1024 /* for most */
size_t text_name(char *to, size_t size, const char *name, size_t len);

/* Appends to "a, b" in `size` bytes, NUL-terminated. An item that does not fit whole is left out,
 * as are all after it, and the list ends in "…" then. */
void text_list(char *list, size_t size, const char *item);

#endif
