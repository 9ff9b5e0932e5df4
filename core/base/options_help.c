/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The option table as text: -help, the man page's list, the tables in the completions of shells
 * (docs/completions). See options.h. */
#include "core/base/options.h"

#include <errno.h>
#include <string.h>

/* Calls entry for each option, group after group in the order of their first option. */
static void by_group(const struct option_set *set, struct buf *out,
		     void (*heading)(const char *group, struct buf *out),
		     void (*entry)(const struct option *o, struct buf *out))
{
	for (size_t i = 0; i < set->n; i++) {
		const char *group = set->table[i].group;
		bool first = true;

		for (size_t k = 0; k < i && first; k++)
			first = strcmp(set->table[k].group, group) != 0;
		if (!first)
			continue;
		heading(group, out);
		for (size_t k = i; k < set->n; k++) {
			if (strcmp(set->table[k].group, group) == 0)
				entry(&set->table[k], out);
		}
	}
}

/* "[group]" is also what the INI file's section is called. */
static void help_heading(const char *group, struct buf *out)
{
	buf_addf(out, "\n[%s]\n", group);
}

static void help_entry(const struct option *o, struct buf *out)
{
	enum { COLUMN = 28 };
	size_t start = out->len, used;
	const char *p = o->help;

	buf_addf(out, "  -%s", o->name);
	if (o->value)
		buf_addf(out, " %s", o->value);
	used = out->len - start;
	if (used + 1 > COLUMN) {
		buf_addc(out, '\n');
		used = 0;
	}
	while (*p) {
		size_t n = strcspn(p, "\n");

		buf_addf(out, "%*s%.*s", (int)(COLUMN - used), "", (int)n, p);
		p += n;
		used = 0;
		if (*p) {
			buf_addc(out, '\n');
			p++;
		}
	}
	if (o->fallback)
		buf_addf(out, " (%s)", o->fallback);
	buf_addc(out, '\n');
}

void option_set_help(const struct option_set *set, struct buf *out)
{
	by_group(set, out, help_heading, help_entry);
}

/* roff reads a backslash as an escape, a leading dot or quote as a request, and '-' as a hyphen. */
static void man_text(const char *text, struct buf *out)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			buf_adds(out, "\\&");
		if (*text == '\\')
			buf_adds(out, "\\e");
		else if (*text == '-')
			buf_adds(out, "\\-");
		else
			buf_addc(out, *text);
		line_start = *text == '\n';
	}
}

static void man_heading(const char *group, struct buf *out)
{
	buf_addf(out, ".SS [%s]\n", group);
}

static void man_entry(const struct option *o, struct buf *out)
{
	buf_adds(out, ".TP\n.B \\-");
	man_text(o->name, out);
	if (o->value) {
		buf_adds(out, " \\fI");
		man_text(o->value, out);
		buf_adds(out, "\\fR");
	}
	buf_addc(out, '\n');
	man_text(o->help, out);
	if (o->fallback) {
		buf_adds(out, ".\nThe default is ");
		man_text(o->fallback, out);
		buf_addc(out, '.');
	}
	buf_addc(out, '\n');
}

/* --- completions ------------------------------------------------------------------------ */

static void no_heading(const char *group, struct buf *out)
{
	(void)group;
	(void)out;
}

/* The help in one line, between single quotes; `escaped`: what takes a backslash there. */
static void quoted_help(const struct option *o, const char *escaped, struct buf *out)
{
	for (const char *p = o->help; *p; p++) {
		if (*p == '\'')
			buf_adds(out, "'\\'");
		if (strchr(escaped, *p))
			buf_addc(out, '\\');
		buf_addc(out, *p == '\n' ? ' ' : *p);
	}
}

/* The words of "a|b|c" with `between` between them. */
static void words_put(const char *words, char between, struct buf *out)
{
	for (const char *p = words; *p; p++)
		buf_addc(out, *p == '|' ? between : *p);
}

/* An element of an associative array: what the option takes. */
static void bash_entry(const struct option *o, struct buf *out)
{
	static const char *const kinds[] = {
		[COMPLETES_NOTHING] = "value",   [COMPLETES_FILE] = "file",
		[COMPLETES_FOLDER] = "folder",   [COMPLETES_PID] = "pid",
		[COMPLETES_SESSION] = "session", [COMPLETES_RATES] = "rates"};
	const char *words = o->choices ? o->choices : o->words;

	buf_addf(out, "\t[%s]='%s", o->name,
		 o->kind == OPTION_FLAG ? "flag" : (o->choices ? "words" : kinds[o->completes]));
	if (words) {
		buf_addc(out, ' ');
		words_put(words, ' ', out);
	}
	buf_adds(out, "'\n");
}

/* What _arguments takes, twice: the option, and its form with two dashes, which is read but not
 * offered. */
static void zsh_entry(const struct option *o, struct buf *out)
{
	static const char *const actions[] = {[COMPLETES_NOTHING] = " ",
					      [COMPLETES_FILE] = "_files",
					      [COMPLETES_FOLDER] = "_directories",
					      [COMPLETES_PID] = "_pids",
					      [COMPLETES_SESSION] = "_xgotopfs_sessions",
					      [COMPLETES_RATES] = ""};

	buf_addf(out, "\t'-%s%s[", o->name, o->kind == OPTION_FLAG ? "" : "=");
	quoted_help(o, "]\\", out);
	buf_addc(out, ']');
	if (o->kind != OPTION_FLAG)
		buf_addf(out, ":%s:", o->completes == COMPLETES_RATES ? "rates" : o->value);
	if (o->choices) {
		buf_addc(out, '(');
		words_put(o->choices, ' ', out);
		buf_addc(out, ')');
	} else if (o->completes == COMPLETES_RATES) {
		buf_adds(out, "{_xgotopfs_rates ");
		words_put(o->words, ' ', out);
		buf_addc(out, '}');
	} else if (o->kind != OPTION_FLAG) {
		buf_adds(out, actions[o->completes]);
	}
	buf_adds(out, "'\n");
}

static void fish_entry(const struct option *o, struct buf *out)
{
	static const char *const actions[] = {
		[COMPLETES_NOTHING] = " -x",
		[COMPLETES_FILE] = " -r -F",
		[COMPLETES_FOLDER] = " -x -a '(__fish_complete_directories (commandline -ct))'",
		[COMPLETES_PID] = " -x -a '(__fish_complete_pids)'",
		[COMPLETES_SESSION] = " -x -a '(__xgotopfs_sessions)'",
		[COMPLETES_RATES] = ""};

	buf_addf(out, "complete -c xgotopfs -n __xgotopfs_options -o %s", o->name);
	if (strlen(o->name) > 1)
		buf_addf(out, " -l %s", o->name);
	if (o->choices) {
		buf_adds(out, " -x -a '");
		words_put(o->choices, ' ', out);
		buf_addc(out, '\'');
	} else if (o->completes == COMPLETES_RATES) {
		buf_adds(out, " -x -a '(__xgotopfs_rates ");
		words_put(o->words, ' ', out);
		buf_adds(out, ")'");
	} else if (o->kind != OPTION_FLAG) {
		buf_adds(out, actions[o->completes]);
	}
	buf_adds(out, " -d '");
	quoted_help(o, "\\", out);
	buf_adds(out, "'\n");
}

int option_set_help_for(const struct option_set *set, const char *form, struct buf *out)
{
	static const struct {
		const char *form;
		void (*heading)(const char *group, struct buf *out);
		void (*entry)(const struct option *o, struct buf *out);
	} forms[] = {
		{"man", man_heading, man_entry},
		{"bash", no_heading, bash_entry},
		{"zsh", no_heading, zsh_entry},
		{"fish", no_heading, fish_entry},
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (strcmp(forms[i].form, form))
			continue;
		by_group(set, out, forms[i].heading, forms[i].entry);
		return 0;
	}
	return -EINVAL;
}
