/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events as lines (event_format.h). A line's upper bound is reserved once and then written through
 * a plain pointer: some hundred thousand lines a second are made when somebody follows `events`.
 * Pure functions of the event and the names.
 */
#include "core/model/event_format.h"

#include <string.h>
#include <time.h>

#include "core/base/text.h"

/* Fixed text and numbers of the longest line, without its strings. */
#define LINE_MAX_FIXED 1024

struct str {
	const char *text;
	size_t len;
};

/* What a line shows of an event, looked up once. */
struct parts {
	struct str type, key, elem; /* of an allocation; key and elem of a map */
	struct str name;            /* start function or wait reason */
	struct str caller, file;
	uint32_t line;
	const struct go_type *go_type;
	int pid;      /* 0: not shown */
	unsigned nth; /* the same */
};

static char *put(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

#define PUT(p, literal) put((p), literal, sizeof(literal) - 1)

static char *put_text(char *p, const char *text)
{
	return put(p, text, strlen(text));
}

static const char two_digits[201] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

static char *put_u64(char *p, uint64_t value)
{
	char text[20];
	char *q = text + sizeof(text);

	while (value >= 100) {
		q -= 2;
		memcpy(q, &two_digits[value % 100 * 2], 2);
		value /= 100;
	}
	if (value >= 10) {
		q -= 2;
		memcpy(q, &two_digits[value * 2], 2);
	} else {
		*--q = (char)('0' + value);
	}
	return put(p, q, (size_t)(text + sizeof(text) - q));
}

static char *put_i64(char *p, int64_t value)
{
	if (value >= 0)
		return put_u64(p, (uint64_t)value);
	*p++ = '-';
	return put_u64(p, 0 - (uint64_t)value);
}

static char *put_nanoseconds(char *p, uint32_t ns)
{
	p[0] = (char)('0' + ns / 100000000);
	ns %= 100000000;
	for (int i = 7; i > 0; i -= 2) {
		memcpy(&p[i], &two_digits[ns % 100 * 2], 2);
		ns /= 100;
	}
	return p + 9;
}

/* --- text ---------------------------------------------------------------------------------- */

/* Without quotes: one word, as it is. */
static bool is_bare(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.text[i];

		if (c <= ' ' || c == '"' || c == '=')
			return false;
	}
	return s.len && text_plain(s.text, s.len, TEXT_LINE) == s.len;
}

static char *put_quoted(char *p, struct str s)
{
	*p++ = '"';
	p = text_put(p, s.text, s.len, TEXT_QUOTED);
	*p++ = '"';
	return p;
}

static char *put_value(char *p, struct str s)
{
	return is_bare(s) ? put(p, s.text, s.len) : put_quoted(p, s);
}

/* A name, or "?" for one that is not known. */
static char *put_name(char *p, struct str s)
{
	if (s.len)
		return put_value(p, s);
	*p++ = '?';
	return p;
}

/* --- JSON ---------------------------------------------------------------------------------- */

static char *put_json_string(char *p, struct str s)
{
	*p++ = '"';
	p = text_put(p, s.text, s.len, TEXT_JSON);
	*p++ = '"';
	return p;
}

void event_format_value(const char *value, struct buf *out)
{
	struct str s = {value, strlen(value)};

	if (buf_reserve(out, s.len * TEXT_ESCAPE_MAX + 2))
		return;
	out->len = (size_t)(put_value(out->data + out->len, s) - out->data);
	out->data[out->len] = '\0';
}

/* --- looking up ---------------------------------------------------------------------------- */

/* "map[string][]int" -> "string", "[]int". A named map type does not say. */
static void map_parts(struct str type, struct str *key, struct str *elem)
{
	unsigned depth = 1;
	size_t i = 4;

	if (type.len < 6 || memcmp(type.text, "map[", 4) != 0)
		return;
	for (; i < type.len; i++) {
		if (type.text[i] == '[')
			depth++;
		else if (type.text[i] == ']' && --depth == 0)
			break;
	}
	if (i + 1 >= type.len)
		return;
	*key = (struct str){type.text + 4, i - 4};
	*elem = (struct str){type.text + i + 1, type.len - i - 1};
}

static struct str string_of(const struct names *names, uint32_t id)
{
	struct str s;

	s.text = names_string_len(names, id, &s.len);
	return s;
}

static bool shows_reason(const struct event *ev)
{
	return ev->type == EVENT_CASGSTATUS &&
	       (ev->to == GSTATE_WAITING || ev->from == GSTATE_WAITING);
}

static void look_up(const struct event_format *f, const struct event *ev, struct parts *parts)
{
	*parts = (struct parts){0};
	switch (ev->type) {
	case EVENT_MAKESLICE:
	case EVENT_MAKEMAP:
	case EVENT_NEWOBJECT:
		parts->go_type = names_type(f->names, ev->type_id);
		parts->type = (struct str){parts->go_type->name, strlen(parts->go_type->name)};
		if (ev->type == EVENT_MAKEMAP)
			map_parts(parts->type, &parts->key, &parts->elem);
		break;
	case EVENT_NEWGOROUTINE:
	case EVENT_GOEXIT:
		parts->name = string_of(f->names, ev->string_id);
		break;
	case EVENT_CASGSTATUS:
		if (shows_reason(ev))
			parts->name = string_of(f->names, ev->string_id);
		break;
	default:
		break;
	}
	if (ev->site_id && ev->type != EVENT_LOST) {
		const struct site *site = names_site(f->names, ev->site_id);

		parts->caller = string_of(f->names, site->func_id);
		parts->file = string_of(f->names, site->file_id);
		parts->line = site->line;
	}
	if (f->pid_of && ev->proc != EVENT_PROC_NONE)
		parts->pid = f->pid_of(f->ctx, ev->proc);
	if (f->nth_of && ev->proc != EVENT_PROC_NONE && parts->pid)
		parts->nth = f->nth_of(f->ctx, ev->proc);
}

/* Room for the longest line these parts can make. NULL without memory. */
static char *reserve_line(const struct parts *parts, struct buf *out)
{
	size_t strings =
		2 * parts->type.len + parts->name.len + parts->caller.len + parts->file.len;

	if (buf_reserve(out, LINE_MAX_FIXED + strings * TEXT_ESCAPE_MAX))
		return NULL;
	return out->data + out->len;
}

static void finish_line(struct buf *out, char *end)
{
	*end++ = '\n';
	*end = '\0';
	out->len = (size_t)(end - out->data);
}

/* "newobject,casgstatus" of a set of event types. */
static char *put_types(char *p, uint64_t types)
{
	bool first = true;

	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		if (!(types >> type & 1))
			continue;
		if (!first)
			*p++ = ',';
		first = false;
		p = put_text(p, event_type_name(type));
	}
	return p;
}

static const char *state_text(unsigned state)
{
	const char *name = gstate_name(state);

	return name ? name : "?";
}

static const char *kind_text(const struct go_type *type)
{
	return type->kind ? go_kind_name(type->kind) : "?";
}

/* --- the text line ------------------------------------------------------------------------- */

static struct str base_name(struct str path)
{
	for (size_t i = path.len; i > 0; i--) {
		if (path.text[i - 1] == '/')
			return (struct str){path.text + i, path.len - i};
	}
	return path;
}

/* ":12" after a value just written, inside its quotes when it has any. */
static char *put_line_number(char *p, uint32_t line)
{
	bool quoted = p[-1] == '"';

	if (line == 0)
		return p;
	p -= quoted;
	*p++ = ':';
	p = put_u64(p, line);
	if (quoted)
		*p++ = '"';
	return p;
}

static char *text_alloc(char *p, const struct event *ev, const struct parts *parts)
{
	switch (ev->type) {
	case EVENT_NEWOBJECT:
		p = PUT(p, " type=");
		p = put_name(p, parts->type);
		p = PUT(p, " size=");
		p = put_u64(p, ev->size);
		p = PUT(p, " kind=");
		p = put_text(p, kind_text(parts->go_type));
		if (ev->flags & EVENT_MERGED)
			p = PUT(p, " merged=true");
		break;
	case EVENT_MAKESLICE:
		p = PUT(p, " type=");
		p = put_name(p, parts->type);
		p = PUT(p, " elem_size=");
		if (ev->type_id)
			p = put_u64(p, parts->go_type->size);
		else
			*p++ = '?';
		p = PUT(p, " len=");
		p = put_i64(p, (int64_t)ev->len);
		p = PUT(p, " cap=");
		p = put_i64(p, (int64_t)ev->cap);
		break;
	default:
		p = PUT(p, " key=");
		p = put_name(p, parts->key);
		p = PUT(p, " elem=");
		p = put_name(p, parts->elem);
		p = PUT(p, " hint=");
		p = put_i64(p, (int64_t)ev->hint);
		if (parts->type.len && !parts->key.len) {
			p = PUT(p, " type=");
			p = put_value(p, parts->type);
		}
		break;
	}
	if (parts->caller.len) {
		p = PUT(p, " caller=");
		p = put_value(p, parts->caller);
		p = put_line_number(p, parts->line);
	}
	return p;
}

static char *text_goroutine(char *p, const struct event *ev, const struct parts *parts)
{
	switch (ev->type) {
	case EVENT_CASGSTATUS:
		p = PUT(p, " target=");
		p = put_u64(p, ev->target);
		p = PUT(p, " from=");
		p = put_text(p, state_text(ev->from));
		p = PUT(p, " to=");
		p = put_text(p, state_text(ev->to));
		if (parts->name.len) {
			/* Words, of which most are several: quoted whichever it is, so that it
			 * can be looked for without knowing which need it. */
			p = PUT(p, " reason=");
			p = put_quoted(p, parts->name);
		}
		break;
	case EVENT_NEWGOROUTINE:
		p = PUT(p, " child=");
		p = put_u64(p, ev->target);
		p = PUT(p, " func=");
		p = put_name(p, parts->name);
		if (parts->caller.len) {
			p = PUT(p, " created_by=");
			p = put_value(p, parts->caller);
		}
		if (parts->file.len) {
			p = PUT(p, " at=");
			p = put_value(p, base_name(parts->file));
			p = put_line_number(p, parts->line);
		}
		break;
	case EVENT_GOEXIT:
		if (ev->target != ev->goid) {
			p = PUT(p, " target=");
			p = put_u64(p, ev->target);
		}
		if (parts->name.len) {
			p = PUT(p, " func=");
			p = put_value(p, parts->name);
		}
		break;
	default:
		if (event_switch(ev) == EVENT_SWITCH_OFF)
			return PUT(p, " state=off");
		if (event_switch(ev) == EVENT_SWITCH_ON)
			return PUT(p, " state=on");
		if (event_is_end(ev))
			return p;
		p = PUT(p, " count=");
		p = put_u64(p, ev->count);
		p = PUT(p, " events=");
		return put_types(p, ev->lost_by_type);
	}
	if (ev->flags & EVENT_CGO_THREAD)
		p = PUT(p, " cgo=true");
	return p;
}

static char *put_2(char *p, int value)
{
	return put(p, &two_digits[(value >= 0 && value < 100 ? value : 0) * 2], 2);
}

/* In UTC, always as long, so that lines sort by it: RFC 3339 as journalctl and kubectl take it. */
static char *put_date(char *p, uint64_t seconds)
{
	time_t at = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&at, &tm) || tm.tm_year < 0 || tm.tm_year + 1900 > 9999)
		return put_u64(p, seconds);
	p = put_2(p, (tm.tm_year + 1900) / 100);
	p = put_2(p, (tm.tm_year + 1900) % 100);
	*p++ = '-';
	p = put_2(p, tm.tm_mon + 1);
	*p++ = '-';
	p = put_2(p, tm.tm_mday);
	*p++ = 'T';
	p = put_2(p, tm.tm_hour);
	*p++ = ':';
	p = put_2(p, tm.tm_min);
	*p++ = ':';
	return put_2(p, tm.tm_sec);
}

static char *put_time(char *p, const struct event_format *f, uint64_t time_ns)
{
	uint64_t wall = unix_ns(time_ns, f->wall_offset_ns);

	p = f->rfc3339 ? put_date(p, wall / NS_PER_SEC) : put_u64(p, wall / NS_PER_SEC);
	*p++ = '.';
	p = put_nanoseconds(p, (uint32_t)(wall % NS_PER_SEC));
	if (f->rfc3339)
		*p++ = 'Z';
	return p;
}

void event_format_time(const struct event_format *f, uint64_t time_ns, struct buf *out)
{
	char text[64];

	buf_add(out, text, (size_t)(put_time(text, f, time_ns) - text));
}

void event_format_text(const struct event_format *f, const struct event *ev, struct buf *out)
{
	const char *name = event_switch(ev)   ? "probes"
			   : event_is_end(ev) ? "end"
					      : event_type_name(ev->type);
	struct parts parts;
	char *p;

	look_up(f, ev, &parts);
	p = reserve_line(&parts, out);
	if (!p)
		return;
	p = put_time(p, f, ev->time_ns);
	*p++ = ' ';
	p = put_u64(p, ev->goid);
	*p++ = ' ';
	p = put_text(p, name ? name : "unknown");
	p = parts.go_type ? text_alloc(p, ev, &parts) : text_goroutine(p, ev, &parts);
	if (parts.pid) {
		p = PUT(p, " pid=");
		p = put_i64(p, parts.pid);
	}
	finish_line(out, p);
}

/* --- the JSON line ------------------------------------------------------------------------- */

void event_attributes(const struct event *ev, const struct names *names, uint64_t ret[5])
{
	const struct go_type *type;

	memset(ret, 0, 5 * sizeof(*ret));
	switch (ev->type) {
	case EVENT_CASGSTATUS:
		ret[0] = ev->from;
		ret[1] = ev->to;
		ret[2] = ev->target;
		break;
	case EVENT_MAKESLICE:
		type = names_type(names, ev->type_id);
		ret[0] = type->size;
		ret[1] = type->kind;
		ret[2] = ev->len;
		ret[3] = ev->cap;
		break;
	case EVENT_MAKEMAP:
		type = names_type(names, ev->type_id);
		ret[0] = type->key_size;
		ret[1] = type->key_kind;
		ret[2] = type->elem_size;
		ret[3] = type->elem_kind;
		ret[4] = ev->hint;
		break;
	case EVENT_NEWOBJECT:
		ret[0] = ev->size;
		ret[1] = names_type(names, ev->type_id)->kind;
		break;
	case EVENT_NEWGOROUTINE:
		ret[0] = ev->goid;
		ret[1] = ev->target;
		break;
	case EVENT_GOEXIT:
		ret[0] = ev->target;
		ret[1] = ev->exit_time;
		break;
	default:
		ret[0] = ev->count;
		ret[1] = ev->lost_by_type;
		break;
	}
}

static char *json_string_key(char *p, const char *key, size_t key_len, struct str value)
{
	if (value.len == 0)
		return p;
	p = put(p, key, key_len);
	return put_json_string(p, value);
}

#define JSON_STRING(p, key, value)                                                                 \
	json_string_key((p), ",\"" key "\":", sizeof(",\"" key "\":") - 1, (value))

static char *json_ours(char *p, const struct event *ev, const struct parts *parts)
{
	if (parts->pid) {
		p = PUT(p, ",\"pid\":");
		p = put_i64(p, parts->pid);
	}
	if (parts->nth > 1) {
		p = PUT(p, ",\"nth\":");
		p = put_i64(p, parts->nth);
	}
	if (ev->cpu) {
		p = PUT(p, ",\"cpu\":");
		p = put_u64(p, ev->cpu - 1u);
	}
	p = JSON_STRING(p, "type", parts->type);
	p = JSON_STRING(p, "key", parts->key);
	p = JSON_STRING(p, "elem", parts->elem);
	if (ev->type == EVENT_NEWGOROUTINE || ev->type == EVENT_GOEXIT)
		p = JSON_STRING(p, "func", parts->name);
	else
		p = JSON_STRING(p, "reason", parts->name);
	p = JSON_STRING(p, "caller", parts->caller);
	p = JSON_STRING(p, "file", parts->file);
	if (parts->line) {
		p = PUT(p, ",\"line\":");
		p = put_u64(p, parts->line);
	}
	if (ev->flags & EVENT_CGO_THREAD)
		p = PUT(p, ",\"cgo\":true");
	if (ev->flags & EVENT_MERGED)
		p = PUT(p, ",\"merged\":true");
	if (ev->type == EVENT_LOST) {
		p = PUT(p, ",\"lost\":");
		p = put_u64(p, ev->count);
		p = PUT(p, ",\"events\":\"");
		p = put_types(p, ev->lost_by_type);
		*p++ = '"';
		if (event_switch(ev) == EVENT_SWITCH_OFF)
			p = PUT(p, ",\"probes\":\"off\"");
		else if (event_switch(ev) == EVENT_SWITCH_ON)
			p = PUT(p, ",\"probes\":\"on\"");
		else if (event_is_end(ev))
			p = PUT(p, ",\"end\":true");
	}
	return p;
}

void event_format_json(const struct event_format *f, const struct event *ev, struct buf *out)
{
	uint64_t attributes[5];
	struct parts parts;
	char *p;

	look_up(f, ev, &parts);
	p = reserve_line(&parts, out);
	if (!p)
		return;
	event_attributes(ev, f->names, attributes);
	p = PUT(p, "{\"timestamp\":");
	p = put_u64(p, ev->time_ns);
	p = PUT(p, ",\"event_type\":");
	p = put_u64(p, ev->type);
	p = PUT(p, ",\"goroutine\":");
	p = put_u64(p, ev->goid);
	p = PUT(p, ",\"parent_goroutine\":");
	p = put_u64(p, ev->parent);
	p = PUT(p, ",\"attributes\":[");
	for (unsigned i = 0; i < 5; i++) {
		if (i)
			*p++ = ',';
		p = put_u64(p, attributes[i]);
	}
	*p++ = ']';
	p = json_ours(p, ev, &parts);
	*p++ = '}';
	finish_line(out, p);
}
