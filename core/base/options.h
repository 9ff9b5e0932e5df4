/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The option machinery: one table drives the command line (as Go's flag package reads it: -name
 * value, -name=value, one dash or two, flags without value), the INI file and -help.
 * Precedence: command line over file over default, whatever the order of the calls.
 *
 * The table is the caller's, and so is the configuration it fills; texts in it are owned by it
 * until option_set_free(). Start-up only: not thread-safe. Errors are logged, one line each.
 */
#ifndef XGOTOPFS_BASE_OPTIONS_H
#define XGOTOPFS_BASE_OPTIONS_H

#include "core/base/buf.h"
#include "core/base/util.h"

enum option_kind {
	OPTION_FLAG,     /* bool */
	OPTION_NUMBER,   /* uint64_t */
	OPTION_DURATION, /* uint64_t, ns */
	OPTION_SIZE,     /* uint64_t, bytes: a number, or one with K, M, G or T (powers of 1024) */
	OPTION_REAL,     /* double */
	OPTION_TEXT,     /* char *, NULL when unset */
	OPTION_TEXTS, /* char **, ended by NULL, NULL when unset: one for each time it is given */
};

/* What a shell offers as the value of an option. */
enum option_completes {
	COMPLETES_NOTHING, /* but the choices, if there are any */
	COMPLETES_FILE,
	COMPLETES_FOLDER,
	COMPLETES_PID,
	COMPLETES_SESSION, /* an id in -storage-dir, or a folder */
	COMPLETES_RATES,   /* word:rate of `words`, with commas between them */
};

struct option {
	const char *name; /* also the key in the INI file */
	enum option_kind kind;
	const char *group;    /* heading in -help, section in the INI file */
	const char *value;    /* what -help calls the value; NULL for a flag */
	const char *fallback; /* default as one would type it; NULL: none */
	size_t offset;        /* of the field in the configuration */
	uint64_t min, max;    /* numbers; real numbers and durations (ns) too. max 0 = no bound */
	const char *choices;  /* texts: "a|b|c"; NULL = any */
	bool command_line_only;
	enum option_completes completes;
	const char *words; /* "a|b|c", with COMPLETES_RATES */
	const char *help;  /* lines separated by \n */
	/* Further check of a value; writes one line of reason into why. 0 or -EINVAL. May be NULL.
	 */
	int (*check)(const char *value, char *why, size_t size);
};

enum option_source { OPTION_DEFAULT, OPTION_FILE, OPTION_COMMAND_LINE };

struct option_set {
	const struct option *table;
	size_t n;
	void *config;
	uint8_t *sources; /* n of them, enum option_source */
};

/* Fills in the defaults, which must be sound. -ENOMEM. */
int option_set_defaults(const struct option_set *set);

struct option_rest {
	char **words; /* what is no option, in order; points into argv; the caller frees the array
		       */
	size_t n_words;
	char **command; /* what follows "--", NULL-terminated, in argv; NULL when there is no "--"
			 */
};
/* Options and words may be mixed; "--" ends them. -EINVAL (logged), -ENOMEM. */
int option_set_args(const struct option_set *set, char **argv, struct option_rest *ret);

/* Reads "name = value" lines; sections are for people and are checked against the groups. -EINVAL
 * (logged with the line), -ENOENT, -EACCES, -EIO (logged). */
int option_set_file(const struct option_set *set, const char *path);

/* Where a value came from; the name must be in the table. */
enum option_source option_set_source(const struct option_set *set, const char *name);

/* The option list by group, for -help. */
void option_set_help(const struct option_set *set, struct buf *out);
/* The list as what others are made of: the OPTIONS section of the man page (form "man"), the
 * completions of a shell ("bash", "zsh", "fish"). -EINVAL: another form. */
int option_set_help_for(const struct option_set *set, const char *form, struct buf *out);

void option_set_free(const struct option_set *set);

#endif
