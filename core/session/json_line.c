/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The scanner of an event line; see json_line.h. */
#include "core/session/json_line.h"

#include <string.h>

#include "core/base/parse.h"
#include "core/base/util.h"

#define DEPTH_MAX 32

struct scan {
	char *at, *end;
};

static void skip_space(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n'))
		s->at++;
}

/* Takes `c`, with space around it, when it is next. */
static bool take(struct scan *s, char c)
{
	skip_space(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	skip_space(s);
	return true;
}

static bool take_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
		return false;
	s->at += n;
	return true;
}

/* --- strings ---------------------------------------------------------------------------------- */

static int hex4(const struct scan *s, const char *at, unsigned *ret)
{
	*ret = 0;
	if (s->end - at < 4)
		return -EBADMSG;
	for (int i = 0; i < 4; i++) {
		char c = at[i];
		int digit = c >= '0' && c <= '9'                 ? c - '0'
			    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
								 : -1;

		if (digit < 0)
			return -EBADMSG;
		*ret = *ret << 4 | (unsigned)digit;
	}
	return 0;
}

static char *put_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

/* After "\u": one code point, of two escapes when it is a pair of surrogates. */
static int unicode_escape(struct scan *s, char **to)
{
	unsigned code, low;

	if (hex4(s, s->at, &code))
		return -EBADMSG;
	s->at += 4;
	if (code >= 0xd800 && code < 0xdc00) {
		if (!take_word(s, "\\u") || hex4(s, s->at, &low) || low < 0xdc00 || low > 0xdfff)
			return -EBADMSG;
		s->at += 4;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	} else if (code >= 0xdc00 && code < 0xe000) {
		return -EBADMSG;
	}
	*to = put_utf8(*to, code ? code : '?');
	return 0;
}

static int escape(struct scan *s, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *which;

	if (s->at == s->end)
		return -EBADMSG;
	if (*s->at == 'u') {
		s->at++;
		return unicode_escape(s, to);
	}
	which = *s->at ? strchr(from, *s->at) : NULL;
	if (!which)
		return -EBADMSG;
	*(*to)++ = into[which - from];
	s->at++;
	return 0;
}

/* Unescapes in place: what comes out is never longer than what went in. */
static int string(struct scan *s, struct json_text *ret)
{
	char *to;

	if (s->at == s->end || *s->at != '"')
		return -EBADMSG;
	ret->data = to = ++s->at;
	while (s->at < s->end && *s->at != '"') {
		if ((unsigned char)*s->at < ' ')
			return -EBADMSG;
		if (*s->at != '\\') {
			*to++ = *s->at++;
			continue;
		}
		s->at++;
		if (escape(s, &to))
			return -EBADMSG;
	}
	if (s->at == s->end)
		return -EBADMSG;
	ret->len = (size_t)(to - ret->data);
	s->at++;
	return 0;
}

/* --- other values ----------------------------------------------------------------------------- */

static bool is_digit(const struct scan *s)
{
	return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

/* -ERANGE, behind it: an integer of more than 64 bits; -EBADMSG: no integer. */
static int number(struct scan *s, uint64_t *ret)
{
	bool negative = take_word(s, "-");
	const char *begin = s->at, *at = begin;
	uint64_t value = 0;
	int err = scan_u64(&at, s->end, &value);

	if (err == -EINVAL)
		return -EBADMSG;
	while (is_digit(s))
		s->at++;
	if ((*begin == '0' && s->at - begin > 1) ||
	    (s->at < s->end && (*s->at == '.' || (*s->at | 32) == 'e')))
		return -EBADMSG;
	if (err || (negative && value > 1ull << 63))
		return -ERANGE;
	*ret = negative ? 0 - value : value;
	return 0;
}

/* Any JSON number, for a key that does not concern us. */
static int skip_number(struct scan *s)
{
	(void)take_word(s, "-");
	if (!is_digit(s))
		return -EBADMSG;
	if (*s->at == '0' && s->at + 1 < s->end && s->at[1] >= '0' && s->at[1] <= '9')
		return -EBADMSG;
	while (is_digit(s))
		s->at++;
	if (take_word(s, ".")) {
		if (!is_digit(s))
			return -EBADMSG;
		while (is_digit(s))
			s->at++;
	}
	if (take_word(s, "e") || take_word(s, "E")) {
		(void)(take_word(s, "+") || take_word(s, "-"));
		if (!is_digit(s))
			return -EBADMSG;
		while (is_digit(s))
			s->at++;
	}
	return 0;
}

static int skip_value(struct scan *s, unsigned depth)
{
	struct json_text text;
	char open, close;

	if (s->at == s->end || depth > DEPTH_MAX)
		return -EBADMSG;
	open = *s->at;
	if (open == '"')
		return string(s, &text);
	if (open != '{' && open != '[')
		return take_word(s, "true") || take_word(s, "false") || take_word(s, "null")
			       ? 0
			       : skip_number(s);
	close = open == '{' ? '}' : ']';
	(void)take(s, open);
	if (s->at < s->end && *s->at == close) {
		s->at++;
		return 0;
	}
	do {
		if (open == '{' && (string(s, &text) || !take(s, ':')))
			return -EBADMSG;
		if (skip_value(s, depth + 1))
			return -EBADMSG;
	} while (take(s, ','));
	skip_space(s);
	if (s->at == s->end || *s->at != close)
		return -EBADMSG;
	s->at++;
	return 0;
}

static int boolean(struct scan *s, bool *ret)
{
	*ret = take_word(s, "true");
	return *ret || take_word(s, "false") ? 0 : -EBADMSG;
}

/* The five attributes; more are read and ignored, fewer leave the rest 0. */
static int attributes(struct scan *s, uint64_t ret[5])
{
	uint64_t value;
	unsigned n = 0;

	memset(ret, 0, 5 * sizeof(*ret));
	if (take_word(s, "null"))
		return 0;
	if (!take(s, '['))
		return -EBADMSG;
	if (s->at < s->end && *s->at == ']') {
		s->at++;
		return 0;
	}
	do {
		if (number(s, &value))
			return -EBADMSG;
		if (n < 5)
			ret[n++] = value;
	} while (take(s, ','));
	if (s->at == s->end || *s->at != ']')
		return -EBADMSG;
	s->at++;
	return 0;
}

/* --- the line --------------------------------------------------------------------------------- */

enum kind { KIND_NUMBER, KIND_TEXT, KIND_BOOL, KIND_ATTRIBUTES };

static const struct key {
	const char *name;
	enum kind kind;
	bool ours;
	size_t offset;
} keys[] = {
	{"timestamp", KIND_NUMBER, false, offsetof(struct json_line, raw.timestamp)},
	{"event_type", KIND_NUMBER, false, offsetof(struct json_line, raw.type)},
	{"goroutine", KIND_NUMBER, false, offsetof(struct json_line, raw.goroutine)},
	{"parent_goroutine", KIND_NUMBER, false, offsetof(struct json_line, raw.parent)},
	{"attributes", KIND_ATTRIBUTES, false, offsetof(struct json_line, raw.attributes)},
	{"type", KIND_TEXT, true, offsetof(struct json_line, type)},
	{"func", KIND_TEXT, true, offsetof(struct json_line, func)},
	{"reason", KIND_TEXT, true, offsetof(struct json_line, reason)},
	{"caller", KIND_TEXT, true, offsetof(struct json_line, caller)},
	{"file", KIND_TEXT, true, offsetof(struct json_line, file)},
	{"line", KIND_NUMBER, true, offsetof(struct json_line, line)},
	{"pid", KIND_NUMBER, true, offsetof(struct json_line, pid)},
	{"nth", KIND_NUMBER, true, offsetof(struct json_line, nth)},
	{"cgo", KIND_BOOL, true, offsetof(struct json_line, cgo)},
	{"merged", KIND_BOOL, true, offsetof(struct json_line, merged)},
	{"lost", KIND_NUMBER, true, offsetof(struct json_line, lost)},
	{"cpu", KIND_NUMBER, true, offsetof(struct json_line, cpu)},
};

static const struct key *find_key(const struct json_text *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strlen(keys[i].name) == name->len &&
		    memcmp(keys[i].name, name->data, name->len) == 0)
			return &keys[i];
	}
	return NULL;
}

/* Ours are optional: one that no field holds is as if it were not there. */
static int our_number(struct scan *s, uint64_t *field, struct json_line *ret)
{
	int err = number(s, field);

	if (err == -ERANGE) {
		*field = 0;
		ret->has_cpu &= field != &ret->cpu;
		ret->too_large++;
		err = 0;
	}
	return err;
}

static int value(struct scan *s, const struct key *key, struct json_line *ret)
{
	void *field = (char *)ret + key->offset;

	if (key->ours)
		ret->raw.original = false;
	ret->has_cpu |= key->offset == offsetof(struct json_line, cpu);
	switch (key->kind) {
	case KIND_NUMBER:
		return key->ours ? our_number(s, field, ret) : number(s, field);
	case KIND_TEXT:
		return string(s, field);
	case KIND_BOOL:
		return boolean(s, field);
	case KIND_ATTRIBUTES:
		return attributes(s, field);
	}
	return -EBADMSG;
}

int json_line_parse(char *text, size_t len, struct json_line *ret)
{
	struct scan s = {.at = text, .end = text + len};
	struct json_text name;
	const struct key *key;

	memset(ret, 0, sizeof(*ret));
	ret->raw.original = true;
	if (!take(&s, '{'))
		return -EBADMSG;
	if (take(&s, '}'))
		return s.at == s.end ? 0 : -EBADMSG;
	do {
		if (string(&s, &name) || !take(&s, ':'))
			return -EBADMSG;
		key = find_key(&name);
		if (key ? value(&s, key, ret) : skip_value(&s, 0))
			return -EBADMSG;
	} while (take(&s, ','));
	return take(&s, '}') && s.at == s.end ? 0 : -EBADMSG;
}
