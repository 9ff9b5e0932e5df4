/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The option table at work: setting values, the command line, the INI file. See options.h. */
#include "core/base/options.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "core/base/duration.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/safe_file.h"

#define LINE_MAX_LEN   (INI_MAX_LINE - 2) /* without its end and the NUL */
#define FILE_BYTES_MAX (1u << 20)         /* of an INI file */

/* --- one value -------------------------------------------------------------------------- */

static int parse_bool(const char *text, bool *ret)
{
	static const char *const words[2][6] = {{"0", "f", "false", "no", "off", "False"},
						{"1", "t", "true", "yes", "on", "True"}};

	for (size_t value = 0; value < 2; value++) {
		for (size_t i = 0; i < ARRAY_SIZE(words[value]); i++) {
			if (strcmp(text, words[value][i]) == 0) {
				*ret = value;
				return 0;
			}
		}
	}
	return -EINVAL;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text), n;

	for (const char *p = choices;; p += n + 1) {
		n = strcspn(p, "|");
		if (n == len && strncmp(p, text, n) == 0)
			return true;
		if (!p[n])
			return false;
	}
}

static int out_of_range(const struct option *o, const char *what, const char *value, int err)
{
	if (!o->max && err == -ERANGE)
		return log_error(-EINVAL, "%s: '%s' is too large", what, value);
	if (!o->max)
		return log_error(-EINVAL, "%s: '%s' is out of range: at least %llu", what, value,
				 (unsigned long long)o->min);
	return log_error(-EINVAL, "%s: '%s' is out of range: %llu to %llu", what, value,
			 (unsigned long long)o->min, (unsigned long long)o->max);
}

static int duration_out_of_range(const struct option *o, const char *what, const char *value,
				 int err)
{
	if (!o->max && err == -ERANGE)
		return log_error(-EINVAL, "%s: '%s' is too long", what, value);
	if (!o->max)
		return log_error(-EINVAL, "%s: '%s' is out of range: at least %gms", what, value,
				 (double)o->min / 1e6);
	return log_error(-EINVAL, "%s: '%s' is out of range: %gms to %gms", what, value,
			 (double)o->min / 1e6, (double)o->max / 1e6);
}

union parsed {
	bool flag;
	uint64_t number;
	double real;
};

/* Reads `value` as the option's kind says. `what` names the place: "-rw", "file.ini:3: rw". */
static int value_parse(const struct option *o, const char *what, const char *value,
		       union parsed *ret)
{
	uint64_t max = o->max ? o->max : UINT64_MAX;
	char why[256];
	int err = 0;

	switch (o->kind) {
	case OPTION_FLAG:
		if (parse_bool(value, &ret->flag))
			return log_error(-EINVAL, "%s: '%s' is neither true nor false", what,
					 value);
		break;
	case OPTION_NUMBER:
		err = parse_u64(value, &ret->number);
		/* -pid $(pidof NAME) /mnt, where there is none */
		if (err == -EINVAL)
			return log_error(err, "%s: '%s' is not a whole number%s", what, value,
					 value[0] == '/' ? "; did `$(…)` before it find nothing?"
							 : "");
		if (err || ret->number < o->min || ret->number > max)
			return out_of_range(o, what, value, err);
		break;
	case OPTION_DURATION:
		err = duration_parse(value, &ret->number);
		if (err == -EINVAL)
			return log_error(err, "%s: '%s' is not a duration such as 100ms or 1.5s",
					 what, value);
		if (err || ret->number < o->min || ret->number > max)
			return duration_out_of_range(o, what, value, err);
		break;
	case OPTION_SIZE:
		err = parse_size(value, &ret->number);
		if (err == -EINVAL)
			return log_error(err, "%s: '%s' is not a size such as 500M or 2G", what,
					 value);
		if (err || ret->number < o->min || ret->number > max)
			return out_of_range(o, what, value, err);
		break;
	case OPTION_REAL:
		err = parse_real(value, &ret->real);
		if (err == -EINVAL)
			return log_error(err, "%s: '%s' is not a number", what, value);
		if (err || ret->real < (double)o->min || ret->real > (double)max)
			return out_of_range(o, what, value, err);
		break;
	case OPTION_TEXT:
	case OPTION_TEXTS:
		if (!*value)
			return log_error(-EINVAL, "%s: the value is empty", what);
		if (o->choices && !is_choice(o->choices, value))
			return log_error(-EINVAL, "%s: '%s' is not one of %s", what, value,
					 o->choices);
		break;
	}
	if (o->check && o->check(value, why, sizeof(why)))
		return log_error(-EINVAL, "%s: %s", what, why);
	return 0;
}

static void texts_free(char ***field)
{
	for (char **at = *field; at && *at; at++)
		free(*at);
	free(*field);
	*field = NULL;
}

static int texts_add(char ***field, const char *value)
{
	size_t n = 0;
	char **more;

	while (*field && (*field)[n])
		n++;
	more = realloc(*field, (n + 2) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	*field = more;
	more[n + 1] = NULL;
	more[n] = strdup(value);
	return more[n] ? 0 : -ENOMEM;
}

static int option_assign(const struct option_set *set, const struct option *o, const char *what,
			 const char *value, enum option_source source)
{
	void *field = (char *)set->config + o->offset;
	uint8_t *from = &set->sources[o - set->table];
	union parsed parsed = {0};
	char *copy;
	int err;

	err = value_parse(o, what, value, &parsed);
	if (err)
		return err;
	if (*from > source)
		return 0;
	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)field = parsed.flag;
		break;
	case OPTION_NUMBER:
	case OPTION_DURATION:
	case OPTION_SIZE:
		*(uint64_t *)field = parsed.number;
		break;
	case OPTION_REAL:
		*(double *)field = parsed.real;
		break;
	case OPTION_TEXT:
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
		free(*(char **)field);
		*(char **)field = copy;
		break;
	case OPTION_TEXTS:
		/* The command line's take the place of the file's. */
		if (*from < source)
			texts_free(field);
		if (texts_add(field, value))
			return -ENOMEM;
		break;
	}
	*from = (uint8_t)source;
	return 0;
}

static const struct option *option_find(const struct option_set *set, const char *name, size_t len)
{
	for (size_t i = 0; i < set->n; i++) {
		const char *have = set->table[i].name;

		if (strncmp(have, name, len) == 0 && !have[len])
			return &set->table[i];
	}
	return NULL;
}

int option_set_defaults(const struct option_set *set)
{
	int err;

	memset(set->sources, OPTION_DEFAULT, set->n);
	for (size_t i = 0; i < set->n; i++) {
		const struct option *o = &set->table[i];

		if (!o->fallback)
			continue;
		err = option_assign(set, o, o->name, o->fallback, OPTION_DEFAULT);
		if (err)
			return err;
	}
	return 0;
}

enum option_source option_set_source(const struct option_set *set, const char *name)
{
	const struct option *o = option_find(set, name, strlen(name));

	return o ? (enum option_source)set->sources[o - set->table] : OPTION_DEFAULT;
}

void option_set_free(const struct option_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		void *field = (char *)set->config + set->table[i].offset;

		if (set->table[i].kind == OPTION_TEXT) {
			free(*(char **)field);
			*(char **)field = NULL;
		} else if (set->table[i].kind == OPTION_TEXTS) {
			texts_free(field);
		}
	}
}

/* --- the command line ------------------------------------------------------------------- */

/* One option word at *argv; moves *argv to the last word it used. */
static int option_from_args(const struct option_set *set, char ***argv)
{
	const char *word = **argv;
	const char *name = word + (word[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	const struct option *o = option_find(set, name, len);
	const char *value = name[len] ? name + len + 1 : NULL;
	char what[64];

	if (!o)
		return log_error(-EINVAL, "unknown option '%s'; see xgotopfs -help", word);
	snprintf(what, sizeof(what), "-%s", o->name);
	if (!value) {
		if (o->kind == OPTION_FLAG)
			value = "true";
		else if ((*argv)[1])
			value = *++*argv;
		else
			return log_error(-EINVAL, "%s: needs a value (%s)", what, o->value);
	}
	return option_assign(set, o, what, value, OPTION_COMMAND_LINE);
}

int option_set_args(const struct option_set *set, char **argv, struct option_rest *ret)
{
	cleanup_free_ char **words = NULL;
	size_t n = 0, argc = 0;
	char **command = NULL;
	int err;

	while (argv[argc])
		argc++;
	words = calloc(argc + 1, sizeof(*words));
	if (!words)
		return -ENOMEM;
	for (; *argv; argv++) {
		if (strcmp(*argv, "--") == 0) {
			command = argv + 1;
			break;
		}
		if (argv[0][0] != '-' || !argv[0][1]) {
			words[n++] = *argv;
			continue;
		}
		err = option_from_args(set, &argv);
		if (err)
			return err;
	}
	*ret = (struct option_rest){.words = move_ptr(words), .n_words = n, .command = command};
	return 0;
}

/* --- the INI file ----------------------------------------------------------------------- */

struct file_reader {
	const struct option_set *set;
	const char *path;
	int err; /* the first one; inih goes on after it */
};

static bool group_exists(const struct option_set *set, const char *section)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->table[i].group, section) == 0)
			return true;
	}
	return false;
}

static int file_entry(struct file_reader *r, const char *section, const char *name,
		      const char *value)
{
	const struct option *o = option_find(r->set, name, strlen(name));
	char what[512];

	if (*section && !group_exists(r->set, section))
		return log_error(-EINVAL, "%s: unknown section [%s]", r->path, section);
	if (!o)
		return log_error(-EINVAL, "%s: unknown option '%s'", r->path, name);
	if (o->command_line_only)
		return log_error(-EINVAL, "%s: '%s' belongs on the command line", r->path, name);
	if (*section && strcmp(section, o->group) != 0)
		return log_error(-EINVAL, "%s: '%s' belongs to [%s], not to [%s]", r->path, name,
				 o->group, section);
	snprintf(what, sizeof(what), "%s: %s", r->path, name);
	return option_assign(r->set, o, what, value, OPTION_FILE);
}

/* inih's convention: 0 is an error, anything else is fine. */
static int file_handler(void *user, const char *section, const char *name, const char *value)
{
	struct file_reader *r = user;

	if (!r->err)
		r->err = file_entry(r, section, name, value ? value : "");
	return r->err == 0;
}

/* The number of the first line that inih would cut in two, and read its rest as another one; or 0.
 */
static int long_line(const char *text)
{
	for (int line = 1; *text; line++) {
		size_t n = strcspn(text, "\n");

		if (n > LINE_MAX_LEN)
			return line;
		text += n + (text[n] == '\n');
	}
	return 0;
}

int option_set_file(const struct option_set *set, const char *path)
{
	struct file_reader r = {.set = set, .path = path};
	cleanup_buf_ struct buf text = BUF_INIT;
	cleanup_close_ int fd = file_open(path);
	int line, err;

	if (fd < 0)
		return log_error(fd, "-config: cannot open %s: %s", path, file_strerror(fd));
	err = file_load(fd, FILE_BYTES_MAX, &text);
	if (err)
		return log_error(err, "-config: cannot read %s: %s", path, strerror(-err));
	if (text.data && strlen(text.data) != text.len)
		return log_error(-EINVAL, "-config: %s: not a text file", path);
	line = long_line(text.data ? text.data : "");
	if (line)
		return log_error(-EINVAL, "%s:%d: a line has at most %d bytes", path, line,
				 LINE_MAX_LEN);
	line = ini_parse_string(text.data ? text.data : "", file_handler, &r);
	if (r.err)
		return r.err;
	if (line)
		return log_error(-EINVAL, "%s:%d: neither [section] nor name = value", path, line);
	return 0;
}
