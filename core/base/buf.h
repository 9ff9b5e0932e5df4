/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A growable byte buffer: what renderers write into. Not thread-safe; its user owns it.
 * Running out of memory sticks: later appends do nothing and buf_error() says -ENOMEM, so a
 * renderer needs one check at its end.
 */
#ifndef XGOTOPFS_BASE_BUF_H
#define XGOTOPFS_BASE_BUF_H

#include <stdarg.h>

#include "core/base/util.h"

struct buf {
	char *data; /* NUL-terminated once anything was appended */
	size_t len;
	size_t cap;
	int err;
};

#define BUF_INIT     ((struct buf){0})
#define cleanup_buf_ cleanup_(buf_free)

void buf_free(struct buf *b);
void buf_reset(struct buf *b); /* empties it, keeps the memory and clears the error */
int buf_error(const struct buf *b);

/* Makes room for n more bytes. 0 or -ENOMEM (which sticks). */
int buf_reserve(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *data, size_t n);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addu(struct buf *b, uint64_t value);                 /* decimal */
void buf_addi(struct buf *b, int64_t value);                  /* decimal, signed */
void buf_addu_pad(struct buf *b, uint64_t value, int digits); /* decimal, zero-padded */
void buf_addx(struct buf *b, uint64_t value);                 /* 0x, lower case */
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Its last byte; '\0' when it has none, for want of memory, too. */
static inline char buf_last(const struct buf *b)
{
	return b->len ? b->data[b->len - 1] : '\0';
}

/* Gives the bytes away (caller frees); the buffer is empty afterwards. */
char *buf_take(struct buf *b, size_t *ret_len);

#endif
