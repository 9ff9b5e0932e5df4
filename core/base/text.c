/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Escaping, and names with a bound; see text.h. */
#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

#include "core/base/util.h"

#define CUT_MARK  "\xe2\x80\xa6~" /* "…~" */
#define CUT_BYTES (sizeof(CUT_MARK) - 1 + 8)

unsigned utf8_decode(const char *text, size_t len, uint32_t *ret)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned need;
	uint32_t code;

	*ret = s[0];
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (len < need)
		return 0;
	code = s[0] & (0x7fu >> need);
	for (unsigned i = 1; i < need; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((need == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
	    (need == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	*ret = code;
	return need;
}

/* Unicode's controls (Cc), line and paragraph separators, and of the format characters (Cf) those
 * that are not seen or turn the order. */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{0x0000, 0x001f}, {0x007f, 0x009f}, {0x00ad, 0x00ad},   {0x061c, 0x061c},
	{0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
	{0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
};

bool text_is_shown(uint32_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden) && code >= hidden[i].first; i++) {
		if (code <= hidden[i].last)
			return false;
	}
	return true;
}

static bool is_ascii_plain(unsigned char c, enum text_style style)
{
	return c >= ' ' && c < 0x7f && (style == TEXT_LINE || (c != '"' && c != '\\'));
}

size_t text_plain(const char *text, size_t len, enum text_style style)
{
	size_t i = 0;

	while (i < len) {
		unsigned char c = (unsigned char)text[i];
		uint32_t code;
		unsigned n;

		if (c < 0x80) {
			if (!is_ascii_plain(c, style))
				break;
			i++;
			continue;
		}
		n = utf8_decode(text + i, len - i, &code);
		if (!n || !text_is_shown(code))
			break;
		i += n;
	}
	return i;
}

static char *put_hex(char *p, char letter, uint32_t value, unsigned digits)
{
	*p++ = '\\';
	*p++ = letter;
	while (digits--)
		*p++ = "0123456789abcdef"[value >> (4 * digits) & 15];
	return p;
}

static char *put_json(char *p, uint32_t code)
{
	if (code < 0x10000)
		return put_hex(p, 'u', code, 4);
	code -= 0x10000;
	p = put_hex(p, 'u', 0xd800 + (code >> 10), 4);
	return put_hex(p, 'u', 0xdc00 + (code & 0x3ff), 4);
}

/* What is not shown as it is: one character, or one byte that is none. Returns how many bytes of
 * the text that was. */
static unsigned put_special(char **p, const char *text, size_t len, enum text_style style)
{
	uint32_t code;
	unsigned n = utf8_decode(text, len, &code);

	if (n && (code == '"' || code == '\\')) {
		*(*p)++ = '\\';
		*(*p)++ = (char)code;
	} else if (style == TEXT_JSON && !n) {
		memcpy(*p, "\xef\xbf\xbd", 3);
		*p += 3;
	} else if (style == TEXT_JSON) {
		*p = put_json(*p, code);
	} else if (code == '\n' || code == '\t') {
		*(*p)++ = '\\';
		*(*p)++ = code == '\n' ? 'n' : 't';
	} else if (n <= 1) {
		*p = put_hex(*p, 'x', (unsigned char)*text, 2);
	} else {
		*p = code < 0x10000 ? put_hex(*p, 'u', code, 4) : put_hex(*p, 'U', code, 8);
	}
	return MAX(n, 1u);
}

char *text_put(char *to, const char *text, size_t len, enum text_style style)
{
	while (len) {
		size_t n = text_plain(text, len, style);

		memcpy(to, text, n);
		to += n;
		if (n < len)
			n += put_special(&to, text + n, len - n, style);
		text += n;
		len -= n;
	}
	return to;
}

void text_add(struct buf *out, const char *text, size_t len, enum text_style style)
{
	while (len) {
		size_t n = text_plain(text, len, style);
		char special[16], *end = special;

		buf_add(out, text, n);
		if (n < len)
			n += put_special(&end, text + n, len - n, style);
		buf_add(out, special, (size_t)(end - special));
		text += n;
		len -= n;
	}
}

void text_line(struct buf *out, const char *text)
{
	text_add(out, text, strlen(text), TEXT_LINE);
}

size_t text_line_begin(struct buf *out, const char *text, size_t len)
{
	static const char *const lines[] = {"goroutine ", "... "};

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		if (len < strlen(lines[i]) || memcmp(text, lines[i], strlen(lines[i])))
			continue;
		buf_addf(out, "\\x%02x", (unsigned char)text[0]);
		return 1;
	}
	return 0;
}

void text_json(struct buf *out, const char *text, size_t len)
{
	buf_addc(out, '"');
	text_add(out, text, len, TEXT_JSON);
	buf_addc(out, '"');
}

void text_blank(char *text, size_t len, size_t from)
{
	size_t i = 0;

	/* The rest of a character that began before: it ends within the context. */
	while (i < from && ((unsigned char)text[i] & 0xc0) == 0x80)
		i++;
	while (i < len) {
		uint32_t code;
		unsigned n = utf8_decode(text + i, len - i, &code);

		if (!n || (!text_is_shown(code) && code != '\n' && code != '\t'))
			memset(text + i, '?', MAX(n, 1u));
		i += MAX(n, 1u);
	}
}

/* It is shown and recorded: the same for ever. */
static uint32_t hash_of_cut(const char *name, size_t len)
{
	uint64_t h = 14695981039346656037ull ^ len, word;

	for (; len >= sizeof(word); name += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	for (; len; name++, len--)
		h = (h ^ (unsigned char)*name) * 1099511628211ull;
	return (uint32_t)(h ^ h >> 32);
}

size_t text_name(char *to, size_t size, const char *name, size_t len)
{
	const size_t room = size - 1;
	size_t used = 0, keep = 0, at = 0;

	while (at < len) {
		char one[16], *end = one;
		size_t n = 1, wide = 1;
		uint32_t code;

		if (is_ascii_plain((unsigned char)name[at], TEXT_LINE)) {
			one[0] = name[at];
		} else if ((n = utf8_decode(name + at, len - at, &code)) && text_is_shown(code)) {
			memcpy(one, name + at, n);
			wide = n;
		} else {
			n = put_special(&end, name + at, len - at, TEXT_LINE);
			wide = (size_t)(end - one);
		}
		if (used + CUT_BYTES <= room)
			keep = used;
		if (used + wide > room) {
			used = keep + (size_t)snprintf(to + keep, size - keep, CUT_MARK "%08x",
						       hash_of_cut(name, len));
			memset(to + used, 0,
			       size - used); /* nothing of what was cut stays behind */
			break;
		}
		memcpy(to + used, one, wide);
		used += wide;
		at += n;
	}
	to[used] = '\0';
	return used;
}

void text_list(char *list, size_t size, const char *item)
{
	static const char more[] = "…";
	size_t len = strlen(list), gap = len ? strlen(", ") : 0;

	if (len >= strlen(more) && !strcmp(list + len - strlen(more), more))
		return;
	if (len + gap + strlen(item) + strlen(", ") + sizeof(more) > size)
		item = more;
	if (len + gap + strlen(item) < size)
		snprintf(list + len, size - len, "%s%s", len ? ", " : "", item);
}
