/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Go names as file names, from any bytes: a file name the kernel takes, which stands for one text
 * only, and is recognised as that text's. File names as numbers.
 */
#include "core/base/parse.h"
#include "fs/escape.h"
#include "tests/fuzz/fuzz.h"

static unsigned hex_digit(char c)
{
	FUZZ_ASSERT((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A') + 10;
}

/* What the name says, or false when it was cut (then it ends in "%~" and the id). */
static bool unescape(const char *name, uint32_t id, char *ret)
{
	for (; *name; name++) {
		if (*name != '%') {
			*ret++ = *name;
			continue;
		}
		if (name[1] == '~') {
			char tail[16];

			snprintf(tail, sizeof(tail), "%x", id);
			FUZZ_ASSERT(!strcmp(name + 2, tail));
			return false;
		}
		*ret++ = (char)(hex_digit(name[1]) << 4 | hex_digit(name[2]));
		name += 2;
	}
	*ret = '\0';
	return true;
}

static void check_name(const char *text, uint32_t id, const char *name)
{
	char back[ESCAPE_MAX + 1];
	size_t len = strlen(name);

	FUZZ_ASSERT(len > 0 && len <= ESCAPE_MAX);
	FUZZ_ASSERT(strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/'));
	for (size_t i = 0; i < len; i++)
		FUZZ_ASSERT((unsigned char)name[i] >= 0x20 && name[i] != 0x7f);
	if (fuzz_is_utf8(text))
		FUZZ_ASSERT(fuzz_is_utf8(name));
	if (unescape(name, id, back))
		FUZZ_ASSERT(!strcmp(back, text) || (!*text && !strcmp(back, "unknown")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	uint32_t id = (uint32_t)fuzz_number(&in, 4);
	uint8_t at = fuzz_u8(&in), to = fuzz_u8(&in);
	char name[ESCAPE_MAX + 1], other_name[ESCAPE_MAX + 1], number[24];
	char *text = fuzz_text(&in), *other = fuzz_text(&in);
	uint64_t value;

	escape_name(text, id, name);
	check_name(text, id, name);
	FUZZ_ASSERT(escape_is(text, id, name));
	/* Another text with this name is this text; and a changed name is nobody's. */
	escape_name(other, id + 1, other_name);
	if (*text && *other && strcmp(text, other) && strcmp(name, "unknown"))
		FUZZ_ASSERT(strcmp(name, other_name));
	FUZZ_ASSERT(escape_is(text, id, other_name) == !strcmp(name, other_name));
	strcpy(other_name, name);
	other_name[at % strlen(name)] = (char)to;
	FUZZ_ASSERT(escape_is(text, id, other_name) == !strcmp(name, other_name));

	if (!parse_u64_name(text, &value)) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
		FUZZ_ASSERT(!strcmp(number, text));
	}
	free(text);
	free(other);
	return 0;
}
