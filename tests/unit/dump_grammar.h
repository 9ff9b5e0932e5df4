/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What readers of Go's dumps expect of one goroutine's text. */
#ifndef XGOTOPFS_TESTS_DUMP_GRAMMAR_H
#define XGOTOPFS_TESTS_DUMP_GRAMMAR_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* "\t/src/main.go:12 +0x1f": gostackparse's parseFile(). */
static inline bool dump_is_place(const char *line)
{
	const char *colon = strchr(line, ':');

	return line[0] == '\t' && colon && colon > line + 1 && colon[1] >= '0' && colon[1] <= '9';
}

/* A call as gostackparse's parseFunc() takes one: parentheses in pairs, not one inside another. */
static inline bool dump_is_call(const char *line)
{
	bool open = false, pair = false;

	if (line[0] == '\t' || line[0] == '(')
		return false;
	for (; *line; line++) {
		if (*line == '(' ? open : *line == ')' && !open)
			return false;
		open = *line == '(' || (open && *line != ')');
		pair |= *line == ')';
	}
	return pair && !open;
}

/* One goroutine: header; frames, or that there are none to be had; creator. */
static inline void dump_check_grammar(const char *one)
{
	static const char unavailable[] = "\tgoroutine running on other thread; stack unavailable";
	char *copy = strdup(one), *save, *line = strtok_r(copy, "\n", &save);
	enum { HEADER, STACK, PLACE, MORE, END } want = HEADER;

	for (; line; line = strtok_r(NULL, "\n", &save)) {
		bool elided = !strncmp(line, "...", 3) && strstr(line, " frames elided...");

		if (want == HEADER && !strncmp(line, "goroutine ", 10) &&
		    (strstr(line, "]:") || strstr(line, "}:")))
			want = STACK;
		else if ((want == STACK && !strcmp(line, unavailable)) ||
			 ((want == STACK || want == MORE) && elided))
			want = MORE;
		else if (want == MORE && !strncmp(line, "created by ", 11))
			want = END;
		else if ((want == STACK || want == MORE) && dump_is_call(line))
			want = PLACE;
		else if ((want == PLACE || want == END) && dump_is_place(line))
			want = want == PLACE ? MORE : HEADER;
		else
			fail_msg("no reader expects '%s' there, in\n%s", line, one);
	}
	free(copy);
	if (want == PLACE || want == END || want == STACK)
		fail_msg("something is missing in\n%s", one);
}

#endif
