/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The routes of the web server, one a line: method, pattern and arguments, between tabs. Not
 * installed.
 */
#include <stdio.h>

#include "web/server.h"

static void print(void *ctx, enum http_method method, const char *pattern, const char *takes)
{
	printf("%s\t%s\t%s\n", method == HTTP_GET ? "GET" : "POST", pattern, takes);
}

int main(void)
{
	routes_each(print, NULL);
	return fflush(stdout) ? 1 : 0;
}
