/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* metadata.json: one table of keys drives reading and writing. See meta.h. */
#include "core/session/meta.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/parse.h"
#include "core/base/safe_file.h"
#include "core/base/text.h"
#include "core/session/archive.h"

#define META_FILE "metadata.json"

#define TIME_MAX_SEC 7289654400 /* 2201-01-01: well within 64 bits of nanoseconds */

static const char *const format_names[] = {"protobuf", "jsonl"};
static const char *const format_files[] = {"events.pb", "events.jsonl"};

const char *session_format_name(enum session_format format)
{
	return format_names[format];
}

const char *session_format_file(enum session_format format)
{
	return format_files[format];
}

int session_format_parse(const char *text, enum session_format *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(format_names); i++) {
		if (strcmp(text, format_names[i]) == 0) {
			*ret = (enum session_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool session_id_valid(const char *id)
{
	for (int i = 0; i < SESSION_ID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? id[i] != '-'
			 : !(isdigit((unsigned char)id[i]) || (id[i] >= 'a' && id[i] <= 'f')))
			return false;
	}
	return id[SESSION_ID_LEN] == '\0';
}

int session_id_new(char ret[SESSION_ID_LEN + 1])
{
	unsigned char b[16];
	int at = 0;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return -errno;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* RFC 4122's variant */
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[at++] = '-';
		at += sprintf(ret + at, "%02x", b[i]);
	}
	return 0;
}

void session_time_format(int64_t realtime_ns, struct buf *out)
{
	int64_t sec = realtime_ns / (int64_t)NS_PER_SEC, ns = realtime_ns % (int64_t)NS_PER_SEC;
	struct tm tm;
	time_t t;

	if (ns < 0) {
		ns += (int64_t)NS_PER_SEC;
		sec--;
	}
	t = (time_t)sec;
	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ns);
}

/* RFC 3339, any offset. 0 or -EINVAL. */
static int session_time_parse(const char *text, int64_t *ret_realtime_ns)
{
	uint64_t ns = 0, hours, minutes;
	int64_t offset = 0;
	struct tm tm = {0};
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	const char *at, *end;
	bool finer;
	time_t sec;

	if (!p)
		return -EINVAL;
	end = p + strlen(p);
	/* With the point: a fraction of a second, in ns. */
	if (*p == '.' && scan_scaled(&p, end, NS_PER_SEC, &ns, &finer))
		return -EINVAL;
	if (*p == '+' || *p == '-') {
		at = p + 1;
		if (end - p != 6 || scan_u64(&at, p + 3, &hours) || at != p + 3 || *at++ != ':' ||
		    scan_u64(&at, end, &minutes) || at != end)
			return -EINVAL;
		if (hours > 23 || minutes > 59)
			return -EINVAL;
		offset = (*p == '-' ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
	} else if (strcmp(p, "Z") != 0 && strcmp(p, "z") != 0) {
		return -EINVAL;
	}
	sec = timegm(&tm) - offset;
	/* What is read can be written and read again, so the offset must not leave the range. */
	if (sec < 0 || sec >= TIME_MAX_SEC)
		return -EINVAL;
	*ret_realtime_ns = (int64_t)sec * (int64_t)NS_PER_SEC + (int64_t)ns;
	return 0;
}

/* --- the table of keys ---------------------------------------------------------------------- */

enum key_kind { KEY_TEXT, KEY_TIME, KEY_PID, KEY_UINT };

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset, size;
	bool ours;   /* left out of, and not looked for in, what the original writes */
	bool always; /* written even when it is zero or empty */
};

#define KEY(name, kind, field, ours, always)                                                       \
	{                                                                                          \
		name, kind, offsetof(struct session_meta, field),                                  \
			sizeof(((struct session_meta *)0)->field), ours, always                    \
	}

static const struct key keys[] = {
	KEY("id", KEY_TEXT, id, false, true),
	KEY("start_time", KEY_TIME, start_time_ns, false, true),
	KEY("end_time", KEY_TIME, end_time_ns, false, false),
	KEY("pid", KEY_PID, pid, false, false),
	KEY("binary_path", KEY_TEXT, binary_path, false, true),
	KEY("event_count", KEY_UINT, event_count, false, true),
	KEY("first_event_ns", KEY_UINT, first_event_ns, true, true),
	KEY("last_event_ns", KEY_UINT, last_event_ns, true, true),
	KEY("recorded_until_ns", KEY_UINT, recorded_until_ns, true, false),
	KEY("lost_events", KEY_UINT, lost, true, true),
	KEY("missed_events", KEY_UINT, missed, true, true),
	KEY("not_recorded_events", KEY_UINT, not_recorded, true, false),
	KEY("stopped", KEY_TEXT, stopped, true, false),
	KEY("stopped_time", KEY_TIME, stopped_ns, true, false),
	KEY("go_version", KEY_TEXT, go_version, true, false),
	KEY("host", KEY_TEXT, host, true, false),
	KEY("machine", KEY_TEXT, machine, true, false),
	KEY("xgotopfs_version", KEY_TEXT, version, true, false),
	KEY("continues", KEY_TEXT, continues, true, false),
	KEY("view", KEY_TEXT, view, true, false),
	KEY("probes", KEY_TEXT, probes, true, false),
	KEY("sample", KEY_TEXT, sample, true, false),
	KEY("probes_off_ns", KEY_UINT, probes_off_ns, true, false),
	KEY("probes_switched", KEY_UINT, probes_switched, true, false),
	KEY("audit", KEY_TEXT, audit, true, false),
	KEY("audit_comparisons", KEY_UINT, audit_comparisons, true, false),
	KEY("audit_creation", KEY_UINT, audit_found[AUDIT_CREATION], true, false),
	KEY("audit_exit", KEY_UINT, audit_found[AUDIT_EXIT], true, false),
	KEY("audit_alive", KEY_UINT, audit_found[AUDIT_ALIVE], true, false),
	KEY("audit_state", KEY_UINT, audit_found[AUDIT_STATE], true, false),
	KEY("audit_missed", KEY_UINT, audit_found[AUDIT_MISSED], true, false),
	KEY("audit_invented", KEY_UINT, audit_found[AUDIT_INVENTED], true, false),
};

/* Ours, too, but of another shape than the table's. */
static const char *const other_keys[] = {"wall_offset_ns", "many_processes", "event_counts"};

/* Does it have any key that the original does not write? */
static bool is_ours(const json_t *root)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].ours && json_object_get(root, keys[i].name))
			return true;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(other_keys); i++) {
		if (json_object_get(root, other_keys[i]))
			return true;
	}
	return false;
}

static void get_key(const json_t *root, const struct key *k, struct session_meta *meta)
{
	json_t *v = json_object_get(root, k->name);
	void *field = (char *)meta + k->offset;
	const char *text = json_string_value(v);
	json_int_t n = json_integer_value(v);

	switch (k->kind) {
	case KEY_TEXT:
		if (text)
			text_name(field, k->size, text, strlen(text));
		break;
	case KEY_TIME:
		if (text)
			(void)session_time_parse(text, field);
		break;
	case KEY_PID: /* one that no process has is nobody's, and not another's when it is cut */
	case KEY_UINT:
		if (json_is_integer(v) && n >= 0 && (k->kind != KEY_PID || n <= INT32_MAX))
			*(int64_t *)field = n;
		break;
	}
}

static bool in_number(char c)
{
	return isdigit((unsigned char)c) || (c && strchr("+-.eE", c));
}

static const char *skip_digits(const char *at, const char *end)
{
	while (at < end && isdigit((unsigned char)*at))
		at++;
	return at;
}

/* May it be a number that jansson's do not hold? An integer of more than 64 bits, any real: of
 * those no key is one. False for what is no number, which is to be refused. */
static bool too_large(const char *at, const char *end)
{
	const bool negative = *at == '-';
	const char *digits = at + negative, *p = skip_digits(digits, end), *part;
	uint64_t value;

	if (p == digits || (*digits == '0' && p - digits > 1))
		return false;
	if (p == end)
		return scan_u64(&digits, end, &value) || value > (uint64_t)INT64_MAX + negative;
	if (*p == '.') {
		part = p + 1;
		p = skip_digits(part, end);
		if (p == part)
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		part = p + 1 < end && (p[1] == '+' || p[1] == '-') ? p + 2 : p + 1;
		p = skip_digits(part, end);
		if (p == part)
			return false;
	}
	return p == end;
}

/* jansson refuses the whole text for a number that is too large: it is as if it were not there. */
static void drop_too_large(char *text, size_t len)
{
	static const char null[] = {'n', 'u', 'l', 'l'};
	char *end = text + len, *number;
	bool in_string = false;

	for (char *at = text; at < end; at++) {
		if (in_string && *at == '\\' && at + 1 < end) {
			at++;
			continue;
		}
		if (*at == '"')
			in_string = !in_string;
		if (in_string || (*at != '-' && !isdigit((unsigned char)*at)))
			continue;
		for (number = at; at + 1 < end && in_number(at[1]); at++)
			;
		if (at + 1 - number >= (ptrdiff_t)sizeof(null) && too_large(number, at + 1)) {
			memset(number, ' ', (size_t)(at + 1 - number));
			memcpy(number, null, sizeof(null));
		}
	}
}

static int parse(const char *text, size_t len, struct session_meta *ret, char *why, size_t size)
{
	json_error_t error;
	json_t *root, *v;

	errno = 0;
	root = json_loadb(text, len, 0, &error);
	/* jansson calls it a syntax error, or nothing. */
	if (!root && errno == ENOMEM) {
		if (why)
			snprintf(why, size, META_FILE ": %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	if (!json_is_object(root)) {
		if (why)
			snprintf(why, size, META_FILE ": %s",
				 root ? "not a JSON object" : error.text);
		json_decref(root);
		return -EINVAL;
	}
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		get_key(root, &keys[i], ret);
	v = json_object_get(root, "wall_offset_ns");
	ret->ours = is_ours(root);
	ret->has_wall_offset = json_is_integer(v);
	ret->wall_offset_ns = json_integer_value(v);
	if (!session_view_valid(ret->view))
		ret->view[0] = '\0';
	ret->many = json_is_true(json_object_get(root, "many_processes"));
	v = json_object_get(root, "event_counts");
	for (unsigned t = 0; t < EVENT_TYPES; t++) {
		json_int_t n = json_integer_value(json_object_get(v, (char[]){(char)('0' + t), 0}));

		ret->events[t] = n > 0 ? (uint64_t)n : 0;
	}
	json_decref(root);
	return 0;
}

bool session_view_valid(const char *view)
{
	static const char may[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789-._~%!$&'()*+,;=:@/?";
	size_t len = strlen(view);

	return len < sizeof(((struct session_meta *)0)->view) && strspn(view, may) == len;
}

/* In the folder, or in the archive that it is. */
static int open_meta(int dir_fd)
{
	int fd = archive_open(dir_fd, false);

	return fd == -ENOTDIR ? file_open_at(dir_fd, META_FILE) : fd;
}

int session_meta_load(int dir_fd, struct session_meta *ret, char *why, size_t size)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	cleanup_close_ int fd = open_meta(dir_fd);
	int err = MIN(fd, 0);

	if (!err)
		err = file_load(fd, SESSION_META_MAX, &text);
	if (!err && text.data)
		drop_too_large(text.data, text.len);
	if (err && why)
		snprintf(why, size, META_FILE ": %s",
			 err == -EFBIG ? "larger than 1 MiB" : file_strerror(err));
	return err ? err : parse(text.data ? text.data : "", text.len, ret, why, size);
}

static void put_key(const struct key *k, const struct session_meta *meta, struct buf *out)
{
	const void *field = (const char *)meta + k->offset;
	bool zero = k->kind == KEY_TEXT ? !*(const char *)field : !*(const int64_t *)field;

	if ((k->ours && !meta->ours) || (zero && !k->always))
		return;
	buf_addf(out, "%s\n  \"%s\": ", out->len > 1 ? "," : "", k->name);
	if (k->kind == KEY_TEXT) {
		text_json(out, field, strlen(field));
	} else if (k->kind == KEY_TIME) {
		buf_addc(out, '"');
		session_time_format(*(const int64_t *)field, out);
		buf_addc(out, '"');
	} else {
		buf_addi(out, *(const int64_t *)field);
	}
}

void session_meta_render(const struct session_meta *meta, struct buf *out)
{
	struct buf text = BUF_INIT;

	buf_addc(&text, '{');
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		put_key(&keys[i], meta, &text);
	if (meta->ours) {
		if (meta->has_wall_offset)
			buf_addf(&text, ",\n  \"wall_offset_ns\": %lld",
				 (long long)meta->wall_offset_ns);
		if (meta->many)
			buf_adds(&text, ",\n  \"many_processes\": true");
		buf_adds(&text, ",\n  \"event_counts\": {");
		for (unsigned t = 0; t < EVENT_TYPES; t++)
			buf_addf(&text, "%s\"%u\": %llu", t ? ", " : "", t,
				 (unsigned long long)meta->events[t]);
		buf_addc(&text, '}');
	}
	buf_adds(&text, "\n}\n");
	if (buf_error(&text) && !out->err)
		out->err = -ENOMEM;
	else
		buf_add(out, text.data, text.len);
	buf_free(&text);
}

int64_t session_wall_offset(const struct session_meta *meta, uint64_t first_ns, bool *ret_estimate)
{
	const int64_t most = TIME_MAX_SEC * (int64_t)NS_PER_SEC, said = meta->wall_offset_ns;

	*ret_estimate = !meta->has_wall_offset || said < -most || said > most;
	if (!*ret_estimate)
		return said;
	if (!first_ns || first_ns > INT64_MAX || meta->start_time_ns <= 0)
		return 0;
	return meta->start_time_ns - (int64_t)first_ns;
}

void session_meta_note(struct session_meta *meta, const struct recording_noted *noted)
{
	snprintf(meta->probes, sizeof(meta->probes), "%s", noted->probes);
	snprintf(meta->sample, sizeof(meta->sample), "%s", noted->sample);
	meta->probes_off_ns = noted->off_ns;
	meta->probes_switched = noted->switched;
	if (noted->audit.state == AUDIT_NONE)
		return;
	snprintf(meta->audit, sizeof(meta->audit), "%s", audit_state_name(noted->audit.state));
	meta->audit_comparisons = noted->audit.comparisons;
	memcpy(meta->audit_found, noted->audit.found, sizeof(meta->audit_found));
}

void session_meta_recording(const struct session_meta *meta, struct recording *ret)
{
	*ret = (struct recording){
		.state = meta->stopped[0] ? RECORDING_STOPPED : RECORDING_NONE,
		.events = meta->event_count,
		.missed = meta->missed,
		.not_recorded = meta->not_recorded,
		.stopped_ns = meta->stopped_ns,
	};
	ret->audit.state = audit_state_parse(meta->audit);
	ret->audit.comparisons = meta->audit_comparisons;
	memcpy(ret->audit.found, meta->audit_found, sizeof(ret->audit.found));
	snprintf(ret->id, sizeof(ret->id), "%s", meta->id);
	snprintf(ret->sample, sizeof(ret->sample), "%s", meta->sample);
	ret->probes_off_ns = meta->probes_off_ns;
	snprintf(ret->why, sizeof(ret->why), "%s", meta->stopped);
}

int session_meta_save(int dir_fd, const struct session_meta *meta, bool sync)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct new_file file;
	int err;

	session_meta_render(meta, &text);
	err = buf_error(&text);
	if (!err)
		err = new_file_open(dir_fd, META_FILE, 0600, &file);
	if (err)
		return err;
	err = file_write(file.fd, text.data, text.len);
	if (!err)
		return new_file_commit(&file, sync);
	new_file_abort(&file);
	return err;
}
