/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One JSONL event line, flat: {"timestamp":…,"event_type":…,…,"attributes":[…],…ours}. Its own
 * small scanner because an attribute may be any uint64 (a negative map hint, the original's
 * garbage) and jansson's integers end at 2^63 - 1. Values of keys it does not know are skipped,
 * nested or not. Pure functions; input is hostile. A fuzzer holds it against jansson.
 */
#ifndef XGOTOPFS_SESSION_JSON_LINE_H
#define XGOTOPFS_SESSION_JSON_LINE_H

#include "core/session/wire.h"

/* A string inside the line or, where it had escapes, in the line's scratch. Not NUL-terminated. */
struct json_text {
	const char *data;
	size_t len;
};

struct json_line {
	struct raw_event raw; /* original: no key of ours was there */
	struct json_text type, func, reason, caller, file;
	uint64_t line, pid, nth, lost;
	uint64_t cpu;
	bool has_cpu, cgo, merged;
	unsigned too_large; /* numbers of ours of more than 64 bits: as if they were not there */
};

/*
 * `text` (len bytes, without the newline) is changed: strings are unescaped in place, and what the
 * result points to lives in it. 0; or -EBADMSG: not a JSON object, or a known key has a value of
 * another kind (numbers: 0 … 2^64 - 1; -1 … -2^63 as their two's complement; of ours any integer).
 */
int json_line_parse(char *text, size_t len, struct json_line *ret);

#endif
