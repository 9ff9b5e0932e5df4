/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* events.jsonl from anywhere; and a line that our scanner takes is JSON to jansson, too. */
#include <jansson.h>
#include <string.h>

#include "core/session/json_line.h"
#include "tests/fuzz/fuzz_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not comparable: integers past 2^63, what jansson does not take as UTF-8, and NUL escapes. */
static bool comparable(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!text[i] || (unsigned char)text[i] >= 0x80)
			return false;
		if (i + 17 < size && strspn(text + i, "0123456789") > 17)
			return false;
	}
	return strstr(text, "\\u0000") == NULL && !strpbrk(text, "eE.");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct json_line line;
	json_t *root = NULL;
	bool check;

	fuzz_session(data, size, SESSION_JSONL);
	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (strchr(text, '\n'))
		*strchr(text, '\n') = '\0';
	check = size && comparable(text, strlen(text));
	if (check)
		root = json_loads(text, 0, NULL);
	if (json_line_parse(text, strlen(text), &line) == 0 && check && !root)
		abort();
	json_decref(root);
	free(text);
	return 0;
}
