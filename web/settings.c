/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /api/config. Shared state is protected by s->lock. */
#include "web/settings.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/safe_file.h"
#include "core/model/event.h"

#define UI_MAX         16384      /* bytes of what our UI keeps */
#define FILE_BYTES_MAX (1u << 20) /* of settings.json */

struct settings {
	pthread_mutex_t lock;
	json_t *values; /* protected by lock */
	char *path;
	/* Found at the start: who saves may not be able to walk there (core/base/confine.h). */
	int folder;
	char name[NAME_MAX + 1];
};

/* The original's answer before anybody changed anything, and the two states Go has since 1.26. */
static const char defaults[] =
	"{\"nanoseconds_per_pixel\":1000000,\"state_colors\":{\"0\":\"#22c55e\",\"1\":\"#3b82f6\","
	"\"2\":\"#eab308\",\"3\":\"#f97316\",\"4\":\"#ef4444\",\"5\":\"#a855f7\",\"6\":\"#64748b\","
	"\"7\":\"#ec4899\",\"8\":\"#14b8a6\",\"9\":\"#f59e0b\",\"10\":\"#be123c\",\"11\":\"#"
	"475569\"},"
	"\"type_colors\":{\"makemap\":\"#8b5cf6\",\"makeslice\":\"#3b82f6\",\"newobject\":\"#"
	"06b6d4\"},"
	"\"ui\":{}}";

static int bad(char *why, size_t size, const char *text, const char *key)
{
	snprintf(why, size, "%s%.60s", text, key);
	return -EINVAL;
}

static bool is_color(const json_t *v)
{
	const char *text = json_string_value(v);

	return text && text[0] == '#' && strlen(text) == 7 &&
	       strspn(text + 1, "0123456789abcdefABCDEF") == 6;
}

static bool is_state_key(const char *key)
{
	uint64_t state;

	return !parse_u64_name(key, &state) && state < GSTATES;
}

static bool is_type_key(const char *key)
{
	int type = event_type_parse(key);

	return type >= EVENT_MAKESLICE && type <= EVENT_NEWOBJECT;
}

static int check_colors(json_t *colors, bool (*is_key)(const char *), char *why, size_t size)
{
	const char *key;
	json_t *v;

	if (!json_is_object(colors))
		return bad(why, size, "colours are an object", "");
	json_object_foreach(colors, key, v)
	{
		if (!is_key(key))
			return bad(why, size, "no such state or type: ", key);
		if (!is_color(v))
			return bad(why, size, "a colour is #rrggbb: ", key);
	}
	return 0;
}

static int check(json_t *given, char *why, size_t size)
{
	const char *key;
	json_t *v;
	int err;

	if (!json_is_object(given))
		return bad(why, size, "an object is expected", "");
	json_object_foreach(given, key, v)
	{
		err = 0;
		if (!strcmp(key, "nanoseconds_per_pixel")) {
			double n = json_number_value(v);

			if (!json_is_number(v) || !(n >= 1 && n <= 1e12))
				return bad(why, size, "a number from 1 to 1e12: ", key);
		} else if (!strcmp(key, "state_colors")) {
			err = check_colors(v, is_state_key, why, size);
		} else if (!strcmp(key, "type_colors")) {
			err = check_colors(v, is_type_key, why, size);
		} else if (!strcmp(key, "ui")) {
			if (!json_is_object(v) || json_dumpb(v, NULL, 0, JSON_COMPACT) > UI_MAX)
				return bad(why, size, "an object of at most 16 KiB: ", key);
		} else {
			return bad(why, size, "not a setting: ", key);
		}
		if (err)
			return err;
	}
	return 0;
}

/* Colours are merged one by one; the rest is replaced. */
static int take_over(json_t *values, json_t *given)
{
	const char *key;
	json_t *v;

	json_object_foreach(given, key, v)
	{
		json_t *old = json_object_get(values, key);

		if (strstr(key, "_colors") && old ? json_object_update(old, v)
						  : json_object_set(values, key, v))
			return -ENOMEM;
	}
	return 0;
}

/* In `why` what went wrong, "" when nothing did. */
static void save(struct settings *s, char *why, size_t size)
{
	struct new_file file = NEW_FILE_NONE;
	int err;

	*why = '\0';
	if (!s->path)
		return;
	if (s->folder < 0)
		s->folder = folder_open_parent(s->path, s->name);
	err = s->folder < 0 ? s->folder : new_file_open(s->folder, s->name, 0600, &file);
	if (!err && json_dumpfd(s->values, file.fd, JSON_INDENT(2)))
		err = -EIO;
	if (!err)
		err = new_file_commit(&file, true);
	new_file_abort(&file);
	if (err) {
		snprintf(why, size, "%s: %s", s->path, file_strerror(err));
		log_warn("settings are not kept: %s", why);
	}
}

/* What was kept is taken over. -ENOENT: nothing was; -EINVAL with a reason. */
static int load(struct settings *s, char *why, size_t size)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	cleanup_close_ int fd = -1;
	json_t *kept;
	int err;

	s->folder = folder_open_parent(s->path, s->name);
	fd = s->folder < 0 ? s->folder : file_open_at(s->folder, s->name);
	err = fd < 0 ? fd : file_load(fd, FILE_BYTES_MAX, &text);
	if (err) {
		snprintf(why, size, "%s", file_strerror(err));
		return err;
	}
	kept = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	err = kept ? check(kept, why, size) : bad(why, size, "not valid JSON", "");
	if (!err)
		err = take_over(s->values, kept);
	json_decref(kept);
	return err;
}

int settings_new(const char *path, struct settings **ret)
{
	struct settings *s = calloc(1, sizeof(*s));
	char why[160] = "";
	int err;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->values = json_loads(defaults, 0, NULL);
	s->path = path ? strdup(path) : NULL;
	s->folder = -1;
	if (!s->values || (path && !s->path)) {
		settings_free(s);
		return -ENOMEM;
	}
	err = path ? load(s, why, sizeof(why)) : 0;
	if (err && err != -ENOENT)
		log_warn("%s: not valid settings, the defaults are used: %s", path, why);
	*ret = s;
	return 0;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	json_decref(s->values);
	close_fd(&s->folder);
	free(s->path);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int settings_get(struct settings *s, struct buf *out)
{
	char *text;

	pthread_mutex_lock(&s->lock);
	text = json_dumps(s->values, JSON_COMPACT | JSON_ENSURE_ASCII);
	pthread_mutex_unlock(&s->lock);
	if (!text)
		return -ENOMEM;
	buf_adds(out, text);
	buf_addc(out, '\n');
	free(text);
	return 0;
}

int settings_set(struct settings *s, const char *json, size_t len, char *why, size_t size)
{
	json_error_t error;
	json_t *given = json_loadb(json ? json : "", len, JSON_REJECT_DUPLICATES, &error);
	json_t *changed = NULL, *old = NULL;
	int err;

	if (!given)
		return bad(why, size, "not valid JSON: ", error.text);
	err = check(given, why, size);
	if (!err) {
		pthread_mutex_lock(&s->lock);
		/* In a copy: one that fails half-way has changed nothing. */
		changed = json_deep_copy(s->values);
		err = changed ? take_over(changed, given) : -ENOMEM;
		old = err ? changed : s->values;
		if (!err) {
			s->values = changed;
			save(s, why, size);
		}
		pthread_mutex_unlock(&s->lock);
	}
	json_decref(old);
	json_decref(given);
	return err;
}
