/* Go names as file names and numbers as file names; pure, any thread. */
#include "fs/escape.h"

#include <stdio.h>
#include <string.h>

static bool must_escape(const char *text, size_t i)
{
	unsigned char c = (unsigned char)text[i];

	if (c == '/' || c == '%' || c < 0x20 || c == 0x7f)
		return true;
	return i == 0 && (!strcmp(text, ".") || !strcmp(text, ".."));
}

void escape_name(const char *text, uint32_t id, char ret[ESCAPE_MAX + 1])
{
	static const char hex[] = "0123456789ABCDEF";
	const size_t cut = ESCAPE_MAX - 12; /* room for "%~" and eight hex digits */
	size_t len = 0, keep = 0;

	if (!text[0])
		len = (size_t)snprintf(ret, ESCAPE_MAX + 1, "unknown");
	for (size_t i = 0; text[i]; i++) {
		unsigned char c = (unsigned char)text[i];
		size_t need = must_escape(text, i) ? 3 : 1;

		/* A place where the name may be cut: not inside an escape or a UTF-8 sequence. */
		if (len <= cut && (c & 0xc0) != 0x80)
			keep = len;
		if (len + need > ESCAPE_MAX) {
			len = keep +
			      (size_t)snprintf(ret + keep, ESCAPE_MAX + 1 - keep, "%%~%x", id);
			break;
		}
		if (need == 3) {
			ret[len++] = '%';
			ret[len++] = hex[c >> 4];
			ret[len++] = hex[c & 15];
		} else {
			ret[len++] = (char)c;
		}
	}
	ret[len] = '\0';
}

bool escape_is(const char *text, uint32_t id, const char *name)
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
