/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Go names as file names and numbers as file names; pure, any thread. */
#include "fs/escape.h"

#include <stdio.h>
#include <string.h>

#include "core/base/text.h"

/* Bytes of the character at `text`, which is not its end; *ret_escaped: is each of them escaped? */
static size_t next_char(const char *text, bool first, bool *ret_escaped)
{
	uint32_t code;
	unsigned n = utf8_decode(text, strnlen(text, 4), &code);

	*ret_escaped = !n || code == '/' || code == '%' || !text_is_shown(code) ||
		       (first && (!strcmp(text, ".") || !strcmp(text, "..")));
	return MAX(n, 1u);
}

void escape_name(const char *text, uint64_t id, char ret[ESCAPE_MAX + 1])
{
	static const char hex[] = "0123456789ABCDEF";
	const size_t cut = ESCAPE_MAX - 18; /* room for "%~" and sixteen hex digits */
	const char *whole = text;
	size_t len = 0, keep = 0;

	if (!text[0])
		len = (size_t)snprintf(ret, ESCAPE_MAX + 1, "unknown");
	while (*text) {
		bool escaped;
		size_t n = next_char(text, text == whole, &escaped);

		if (len <= cut)
			keep = len;
		if (len + (escaped ? 3 * n : n) > ESCAPE_MAX) {
			len = keep + (size_t)snprintf(ret + keep, ESCAPE_MAX + 1 - keep, "%%~%llx",
						      (unsigned long long)id);
			break;
		}
		for (; n; n--, text++) {
			unsigned char c = (unsigned char)*text;

			if (escaped)
				ret[len++] = '%';
			if (escaped)
				ret[len++] = hex[c >> 4];
			ret[len++] = escaped ? hex[c & 15] : (char)c;
		}
	}
	ret[len] = '\0';
}

bool escape_is(const char *text, uint64_t id, const char *name)
{
	char escaped[ESCAPE_MAX + 1];
	size_t i = 0;

	while (text[i] && text[i] == name[i] && text[i] != '%')
		i++;
	if (i && i < ESCAPE_MAX / 2 && text[i] != '/' && text[i] != '%' && name[i] != '%')
		return text[i] == name[i];
	escape_name(text, id, escaped);
	return !strcmp(escaped, name);
}
