/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The growable buffer. Doubles, never shrinks; the error sticks (see buf.h). */
#include "core/base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void buf_free(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->err = 0;
	if (b->data)
		b->data[0] = '\0';
}

int buf_error(const struct buf *b)
{
	return b->err;
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t want, cap;
	char *data;

	if (b->err)
		return b->err;
	if (__builtin_add_overflow(b->len, n, &want) || __builtin_add_overflow(want, 1, &want))
		return b->err = -ENOMEM;
	if (want <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 128;
	while (cap < want) {
		if (__builtin_mul_overflow(cap, (size_t)2, &cap))
			return b->err = -ENOMEM;
	}
	data = realloc(b->data, cap);
	if (!data)
		return b->err = -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	if (n == 0 || buf_reserve(b, n))
		return;
	memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addu_pad(struct buf *b, uint64_t value, int digits)
{
	char text[24];
	char *p = text + sizeof(text);

	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
		digits--;
	} while ((value || digits > 0) && p > text);
	buf_add(b, p, (size_t)(text + sizeof(text) - p));
}

void buf_addu(struct buf *b, uint64_t value)
{
	buf_addu_pad(b, value, 1);
}

void buf_addi(struct buf *b, int64_t value)
{
	if (value < 0)
		buf_addc(b, '-');
	buf_addu(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_addx(struct buf *b, uint64_t value)
{
	char text[18];
	char *p = text + sizeof(text);

	do {
		*--p = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	*--p = 'x';
	*--p = '0';
	buf_add(b, p, (size_t)(text + sizeof(text) - p));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0 && buf_reserve(b, (size_t)n) == 0) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

char *buf_take(struct buf *b, size_t *ret_len)
{
	char *data = b->data;

	if (ret_len)
		*ret_len = b->len;
	*b = BUF_INIT;
	return data;
}
