/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which texts are origins as browsers write them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/origin.h"
#include "core/base/util.h"

static void origins(void **state)
{
	static const char *const good[] = {
		"http://localhost:5173",
		"http://127.0.0.1:3000",
		"https://dash.example",
		"http://a",
		"http://[::1]:8080",
		"https://xn--bcher-kva.example:8443",
		"http://x.example:443",
		"https://x.example:80",
		"chrome-extension://abcdefghijklmnop",
		"http://a_b.example",
		"http://x.example:65535",
	};
	static const char *const bad[] = {
		"",
		"*",
		"null",
		"localhost",
		"localhost:5173",
		"http:",
		"http://",
		"http:///",
		"http://localhost:5173/",
		"http://localhost:5173/x",
		"http://localhost:5173?x",
		"http://localhost:5173#",
		"http://*.example",
		"http://*",
		"HTTP://localhost",
		"http://Localhost",
		"http://user@localhost",
		"http://localhost:",
		"http://localhost:0",
		"http://localhost:05173",
		"http://localhost:65536",
		"http://localhost:x",
		"http://localhost:80",
		"https://localhost:443",
		"http://localhost:+1",
		"http://::1",
		"http://[::1",
		"http://[::1]x",
		"http://[]",
		"http://[1]",
		"http://[::ffff:1.2.3.4.5]",
		"http://localhost 5173",
		" http://localhost",
		"http://localhost ",
		"http://.example",
		("http://b\xc3\xbc"
		 "cher.example"),
		"file://",
		"file:///x",
		"file://localhost",
		"data://x",
		"://x",
		"-x://y",
		"http//localhost",
		"http:/localhost",
		"http://a,http://b",
		"http://localhost\r\nX: y",
		"http://localhost\n",
	};
	char why[256];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (origin_check(good[i], why, sizeof(why)))
			fail_msg("%s: %s", good[i], why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		why[0] = '\0';
		if (origin_check(bad[i], why, sizeof(why)) != -EINVAL || !why[0])
			fail_msg("'%s' was accepted", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(origins)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
