/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text from outside: what is escaped and how, what is cut, and that nothing else ever comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/text.h"

static void check(const char *text, size_t len, const char *line, const char *quoted,
		  const char *json)
{
	const char *const want[] = {line, quoted, json};

	for (int style = TEXT_LINE; style <= TEXT_JSON; style++) {
		struct buf out = BUF_INIT;
		char room[256], *end = text_put(room, text, len, (enum text_style)style);

		*end = '\0';
		assert_string_equal(room, want[style]);
		assert_true((size_t)(end - room) <= len * TEXT_ESCAPE_MAX);
		text_add(&out, text, len, (enum text_style)style);
		assert_string_equal(out.data ? out.data : "", want[style]);
		assert_int_equal(text_plain(text, len, (enum text_style)style) == len,
				 strlen(want[style]) == len && !memcmp(text, want[style], len));
		buf_free(&out);
	}
}

static void test_escape(void **state)
{
#define CHECK(text, line, quoted, json) check(text, sizeof(text) - 1, line, quoted, json)
#define SAME(text)                      CHECK(text, text, text, text)
	SAME("");
	SAME("main.(*T[...]).run·f-fm");
	SAME("Größe \xf0\x9f\x98\x80 \xed\x9f\xbf \xee\x80\x80 \xc2\xa0 \xf4\x8f\xbf\xbd");
	CHECK("a\"b\\c", "a\"b\\c", "a\\\"b\\\\c", "a\\\"b\\\\c");
	CHECK("a\nb\tc\rd", "a\\nb\\tc\\x0dd", "a\\nb\\tc\\x0dd", "a\\u000ab\\u0009c\\u000dd");
	CHECK("\x1b[2J\x7f", "\\x1b[2J\\x7f", "\\x1b[2J\\x7f", "\\u001b[2J\\u007f");
	CHECK("a\0b", "a\\x00b", "a\\x00b", "a\\u0000b");
	/* C1: CSI as UTF-8 and as a byte, NEL. */
	CHECK("\xc2\x9b\x33m", "\\u009b3m", "\\u009b3m", "\\u009b3m");
	CHECK("\x9b\x33m", "\\x9b3m", "\\x9b3m", "\xef\xbf\xbd\x33m");
	CHECK("\xc2\x85", "\\u0085", "\\u0085", "\\u0085");
	/* Right-to-left override, zero width space, line separator, byte order mark, a tag. */
	CHECK("\xe2\x80\xae", "\\u202e", "\\u202e", "\\u202e");
	CHECK("\xe2\x80\x8b", "\\u200b", "\\u200b", "\\u200b");
	CHECK("\xe2\x80\xa8", "\\u2028", "\\u2028", "\\u2028");
	CHECK("\xef\xbb\xbf", "\\ufeff", "\\ufeff", "\\ufeff");
	CHECK("\xf3\xa0\x81\x81", "\\U000e0041", "\\U000e0041", "\\udb40\\udc41");
	/* Not UTF-8: overlong, surrogate, past the end, cut off. */
	CHECK("\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
	CHECK("\xe0\x80\x80", "\\xe0\\x80\\x80", "\\xe0\\x80\\x80",
	      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	CHECK("\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80",
	      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	CHECK("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80",
	      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	CHECK("a\xe2\x82", "a\\xe2\\x82", "a\\xe2\\x82", "a\xef\xbf\xbd\xef\xbf\xbd");
}

/* No two bytes and what stands around them give anything but shown characters. */
static void test_nothing_else(void **state)
{
	for (unsigned i = 0; i < 1u << 16; i++) {
		char in[] = {'a', (char)(i >> 8), (char)i, 'z'}, out[32], name[64];
		size_t n = (size_t)(text_put(out, in, 4, TEXT_LINE) - out);

		assert_int_equal(text_plain(out, n, TEXT_LINE), n);
		n = (size_t)(text_put(out, in, 4, TEXT_JSON) - out);
		assert_int_equal(text_plain(out, n, TEXT_LINE), n);
		n = text_name(name, sizeof(name), in, 4);
		assert_int_equal(text_plain(name, n, TEXT_LINE), n);
	}
}

/* The same whatever the pieces are. */
static void test_blank(void **state)
{
	static const char text[] =
		"a\n\tb\x1b[2J\xc2\x9b\xe2\x82\xac\xf0\x9f\x98\x80\xff\xe2\x80\xae\x80z\xe2\x82";
	static const char want[] = "a\n\tb?[2J??\xe2\x82\xac\xf0\x9f\x98\x80?????z??";
	const size_t len = sizeof(text) - 1;

	for (size_t at = 0; at < len; at++) {
		for (size_t n = 1; at + n <= len; n++) {
			size_t before = MIN(at, (size_t)3), after = MIN(len - at - n, (size_t)3);
			char piece[64];

			memcpy(piece, text + at - before, before + n + after);
			text_blank(piece, before + n + after, before);
			assert_memory_equal(piece + before, want + at, n);
		}
	}
}

static void test_name(void **state)
{
	char text[4096], one[TEXT_NAME_SIZE], other[TEXT_NAME_SIZE], small[32];

	assert_int_equal(text_name(one, sizeof(one), "main.run", 8), 8);
	assert_string_equal(one, "main.run");
	assert_int_equal(text_name(one, sizeof(one), "", 0), 0);
	assert_string_equal(one, "");
	text_name(one, sizeof(one), "a\x1b]0;x\x07", 7);
	assert_string_equal(one, "a\\x1b]0;x\\x07");

	/* As long as fits, and one longer. */
	memset(text, 'x', sizeof(text));
	assert_int_equal(text_name(one, sizeof(one), text, TEXT_NAME_SIZE - 1), TEXT_NAME_SIZE - 1);
	assert_null(strchr(one, '~'));
	assert_true(text_name(one, sizeof(one), text, TEXT_NAME_SIZE) < TEXT_NAME_SIZE);
	assert_non_null(strstr(one, "xxx\xe2\x80\xa6~"));
	/* They begin alike and stay apart; the same is the same. */
	text[4000] = 'y';
	text_name(one, sizeof(one), text, sizeof(text));
	text[4000] = 'z';
	text_name(other, sizeof(other), text, sizeof(text));
	assert_int_equal(strlen(one), strlen(other));
	assert_string_not_equal(one, other);
	text[4000] = 'y';
	text_name(other, sizeof(other), text, sizeof(text));
	assert_string_equal(one, other);

	/* Cut neither inside a character nor inside an escape. */
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 4 <= 400; i += 4)
			memcpy(text + i, "\xe2\x82\xac\x1b", 4);
		for (size_t size = sizeof(small) - 8; size <= sizeof(small); size++) {
			size_t n = text_name(small, size, text, 400);

			assert_int_equal(n, strlen(small));
			assert_true(n < size);
			assert_int_equal(text_plain(small, n, TEXT_LINE), n);
			assert_non_null(strstr(small, "\xe2\x80\xa6~"));
			assert_true(n - (size_t)(strstr(small, "\xe2\x80\xa6~") - small) == 12);
		}
	}
}

/* What begins a line passes for no goroutine of a dump. */
static void test_line_begin(void **state)
{
	struct buf out = BUF_INIT;

	assert_int_equal(text_line_begin(&out, "goroutine 99 [running]:", 23), 1);
	assert_string_equal(out.data, "\\x67");
	buf_reset(&out);
	assert_int_equal(text_line_begin(&out, "... cut: 5 rows more", 20), 1);
	assert_string_equal(out.data, "\\x2e");
	buf_reset(&out);
	assert_int_equal(text_line_begin(&out, "...", 3), 0);
	assert_int_equal(text_line_begin(&out, "goroutine", 9), 0);
	assert_int_equal(text_line_begin(&out, "main.goroutine 1", 16), 0);
	assert_int_equal(text_line_begin(&out, "", 0), 0);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

/* A name is in a list whole or not at all, and what is left out is seen to be. */
static void test_list(void **state)
{
	char list[24] = "";

	(void)state;
	text_list(list, sizeof(list), "newobject");
	assert_string_equal(list, "newobject");
	text_list(list, sizeof(list), "goexit");
	assert_string_equal(list, "newobject, goexit");
	text_list(list, sizeof(list), "makeslice");
	assert_string_equal(list, "newobject, goexit, …");
	text_list(list, sizeof(list), "a");
	assert_string_equal(list, "newobject, goexit, …");
	list[0] = '\0';
	text_list(list, 4, "makeslice");
	assert_string_equal(list, "…");
	list[0] = '\0';
	text_list(list, 3, "makeslice");
	assert_string_equal(list, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_begin),   cmocka_unit_test(test_escape),
		cmocka_unit_test(test_nothing_else), cmocka_unit_test(test_blank),
		cmocka_unit_test(test_name),         cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
