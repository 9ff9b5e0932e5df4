/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One event as a line: the text form of `events` and stdout, and the JSONL form of sessions and the
 * API. The same event always gives the same bytes, so byte offsets into a log stay true.
 * Thread-safe (reads names only).
 */
#ifndef XGOTOPFS_MODEL_EVENT_FORMAT_H
#define XGOTOPFS_MODEL_EVENT_FORMAT_H

#include "core/base/buf.h"
#include "core/model/event.h"
#include "core/model/names.h"

struct event_format {
	const struct names *names;
	int64_t wall_offset_ns;
	bool rfc3339; /* times of text as "2025-11-23T12:13:20.123456789Z", not as UNIX seconds */
	/* Process ids by index, to print pid=; NULL when one process is traced (text leaves it
	 * out). */
	int (*pid_of)(void *ctx, unsigned proc);
	/* Beside the pid, of JSON: the how manieth process with that pid it is, from 1 on, which is
	 * not shown; NULL: never. */
	unsigned (*nth_of)(void *ctx, unsigned proc);
	void *ctx;
};

/*
 * "1763900000.123456789 41 newobject type=main.Request size=96 kind=struct\n".
 * Values that are empty or hold a space, quote, '=' or what has to be escaped are quoted, escaped
 * as core/base/text.h has it. What is not known is a bare "?":  makemap_small gives "key=? elem=?
 * hint=0", a named map type "key=? elem=? hint=8 type=http.Header". Keys that only some events have
 * come last: caller=FUNC:LINE (allocations), created_by=FUNC at=FILE:LINE (newgoroutine),
 * merged=true, cgo=true, pid=. Lost events: "<time> 0 lost count=123 events=newobject,casgstatus".
 */
void event_format_text(const struct event_format *f, const struct event *ev, struct buf *out);
/* The time that such a line begins with, of CLOCK_MONOTONIC. */
void event_format_time(const struct event_format *f, uint64_t time_ns, struct buf *out);

/*
 * {"timestamp":…,"event_type":…,"goroutine":…,"parent_goroutine":…,"attributes":[…5…],…ours}\n
 * timestamp is CLOCK_MONOTONIC. Ours, each only where it is known: pid, nth, type, key, elem, func,
 * reason, caller, file, line, cgo, merged; lost (a number) and events ("newobject,casgstatus") for
 * type 6.
 */
void event_format_json(const struct event_format *f, const struct event *ev, struct buf *out);

/* The original's five attributes (docs/formats.md). */
void event_attributes(const struct event *ev, const struct names *names, uint64_t ret[5]);

/* A value as the text form writes it. */
void event_format_value(const char *value, struct buf *out);

#endif
