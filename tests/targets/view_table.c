/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of views, one a line: scope, name, suffix of the text's file, forms, arguments, where
 * it is (mount or rest), cost, help, between tabs. For docs/api.md and the tests. Not installed.
 */
#include <stdio.h>

#include "core/view/view.h"

int main(void)
{
	static const char *const scopes[] = {
		[VIEW_PROCESS] = "process", [VIEW_GOROUTINE] = "goroutine", [VIEW_TYPE] = "type"};
	static const char *const forms[] = {
		[VIEW_TEXT] = "text", [VIEW_JSON] = "json", [VIEW_BINARY] = "binary"};

	static const char *const costs[] = {
		[VIEW_QUICK] = "quick", [VIEW_HEAVY] = "heavy", [VIEW_COSTLY] = "costly"};

	for (unsigned i = 0; i < n_views; i++) {
		const struct view_row *row = &views[i];

		printf("%s\t%s\t%s\t", scopes[row->scope], row->name,
		       row->suffix ? row->suffix : "");
		for (unsigned form = 0, n = 0; form < ARRAY_SIZE(forms); form++) {
			if (row->forms & VIEW_HAS(form))
				printf("%s%s", n++ ? " " : "", forms[form]);
		}
		printf("\t%s\t%s\t%s\t%s\n", row->takes ? row->takes : "",
		       row->no_file ? "rest" : "mount", costs[row->cost], row->help);
	}
	return fflush(stdout) ? 1 : 0;
}
