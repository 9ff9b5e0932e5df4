/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The metrics file; jansson writes the JSON. See metrics_file.h. */
#include "core/engine/metrics_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/base/safe_file.h"
#include "core/base/util.h"

struct column {
	const char *name;
	size_t offset;
	bool real; /* a double; otherwise uint64_t */
};

#define COLUMN(name, field)                                                                        \
	{                                                                                          \
		name, offsetof(struct meter_sample, field), false                                  \
	}

/* In the original's order. */
static const struct column columns[] = {
	COLUMN("rps", rps),    COLUMN("pps", pps),
	COLUMN("ewp", ewp),    COLUMN("lat", lat_ns),
	COLUMN("prc", prc_ns), {"bps", offsetof(struct meter_sample, bps), true},
	COLUMN("bfl", bfl_ns), COLUMN("qwl", qwl_ns),
	COLUMN("ts", time_ns),
};

static json_t *column_json(const struct column *c, const struct meter_sample *samples, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++) {
		const char *field = (const char *)&samples[i] + c->offset;
		json_t *value = c->real ? json_real(*(const double *)field)
					: json_integer((json_int_t) * (const uint64_t *)field);

		if (json_array_append_new(array, value)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *metrics_json(const struct meter_sample *samples, size_t n,
			    const uint64_t counts[EVENT_TYPES])
{
	json_t *root = json_object();
	json_t *by_type = json_object();
	int err = !root || !by_type;

	for (size_t i = 0; i < ARRAY_SIZE(columns) && !err; i++)
		err = json_object_set_new(root, columns[i].name,
					  column_json(&columns[i], samples, n));
	for (unsigned type = 0; type < EVENT_TYPES && !err; type++) {
		char key[4];

		snprintf(key, sizeof(key), "%u", type);
		err = json_object_set_new(by_type, key, json_integer((json_int_t)counts[type]));
	}
	if (!err)
		err = json_object_set(root, "event_counts", by_type);
	json_decref(by_type);
	if (err) {
		json_decref(root);
		return NULL;
	}
	return root;
}

/* The original puts two underscores before the prefix, and its scripts look for that. */
static void file_name(const char *prefix, bool untimed, struct buf *out)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	buf_adds(out, "metrics");
	if (!untimed) {
		localtime_r(&now, &tm);
		strftime(text, sizeof(text), "%Y-%m-%d-%H-%M-%S", &tm);
		buf_addf(out, "_%s", text);
	}
	if (prefix)
		buf_addf(out, "__%s", prefix);
	buf_adds(out, ".json");
}

static int write_json(const json_t *json, const char *name)
{
	cleanup_close_ int folder = folder_open(".");
	struct new_file file = NEW_FILE_NONE;
	int err = folder < 0 ? folder : new_file_open(folder, name, 0666, &file);

	errno = 0;
	if (!err && json_dumpfd(json, file.fd, JSON_INDENT(2) | JSON_REAL_PRECISION(15)))
		err = errno ? -errno : -EIO;
	if (!err)
		err = new_file_commit(&file, false);
	new_file_abort(&file);
	return err;
}

int metrics_file_write(struct meter *meter, const uint64_t counts[EVENT_TYPES], const char *prefix,
		       bool untimed)
{
	cleanup_buf_ struct buf name = BUF_INIT;
	cleanup_free_ struct meter_sample *samples = NULL;
	json_t *json;
	size_t n;
	int err;

	file_name(prefix, untimed, &name);
	err = buf_error(&name);
	if (!err)
		err = meter_all(meter, &samples, &n);
	if (err)
		return log_error(err, "metrics file: %s", strerror(-err));
	json = metrics_json(samples, n, counts);
	if (!json)
		return log_error(-ENOMEM, "metrics file: out of memory");
	err = write_json(json, name.data);
	json_decref(json);
	return err ? log_error(err, "cannot write %s: %s", name.data, file_strerror(err)) : 0;
}
