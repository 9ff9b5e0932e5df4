/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the fuzz targets share: taking an input apart, and saying what must hold. A broken promise
 * ends the process, so that the fuzzer keeps the input.
 */
#ifndef XGOTOPFS_FUZZ_H
#define XGOTOPFS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The engine sends stderr, where our code logs, to /dev/null: this is where it was. */
static int fuzz_stderr = 2;

__attribute__((constructor)) static void fuzz_keep_stderr(void)
{
	fuzz_stderr = dup(2);
}

#define FUZZ_ASSERT(what)                                                                          \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			dprintf(fuzz_stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* An input that is read from its front; past its end everything is 0. */
struct fuzz_input {
	const uint8_t *p, *end;
};

static inline struct fuzz_input fuzz_input(const uint8_t *data, size_t size)
{
	return (struct fuzz_input){data, data + size};
}

static inline size_t fuzz_left(const struct fuzz_input *in)
{
	return (size_t)(in->end - in->p);
}

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

/* Little-endian, of so many bytes. */
static inline uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)fuzz_u8(in) << 8 * i;
	return value;
}

/* The rest up to a NUL (which is passed over) or the end, as a text; the caller frees. */
static inline char *fuzz_text(struct fuzz_input *in)
{
	size_t len = strnlen((const char *)in->p, fuzz_left(in));
	char *text = malloc(len + 1);

	if (!text)
		abort();
	if (len)
		memcpy(text, in->p, len);
	text[len] = '\0';
	in->p += len;
	if (in->p < in->end)
		in->p++;
	return text;
}

/* Every byte of `text` is part of well-formed UTF-8 (RFC 3629). */
static inline bool fuzz_is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		uint32_t code = *p, least;
		int more = *p < 0x80       ? 0
			   : *p >> 5 == 6  ? 1
			   : *p >> 4 == 14 ? 2
			   : *p >> 3 == 30 ? 3
					   : -1;

		if (more < 0)
			return false;
		least = more == 0 ? 0 : more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
		code = more ? *p & (0x3fu >> more) : *p;
		p++;
		for (int i = 0; i < more; i++, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			code = code << 6 | (*p & 0x3f);
		}
		if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return false;
	}
	return true;
}

#endif
