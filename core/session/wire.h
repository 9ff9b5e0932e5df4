/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The protobuf wire format as far as replay's speed needs it: a RuntimeEvent, and walking over a
 * message's fields without unpacking it. Everything rarer is unpacked with protobuf-c; a unit test
 * and a fuzzer hold the two against each other. Input is hostile: nothing is read past `end`.
 * Pure functions, any thread.
 */
#ifndef XGOTOPFS_SESSION_WIRE_H
#define XGOTOPFS_SESSION_WIRE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A RuntimeEvent as recorded, before it is known what its numbers mean. */
struct raw_event {
	uint64_t timestamp, type, goroutine, parent;
	uint64_t attributes[5]; /* those that were not recorded are 0 */
	uint32_t context;       /* from the batch's column, 0 none */
	uint32_t cpu;           /* the same; + 1, 0 not known */
	bool original;          /* from a record without our fields */
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;      /* not of WIRE_BYTES */
	const uint8_t *data; /* of WIRE_BYTES */
	size_t len;
};

/* Reads a varint and moves *p past it. 0, or -EBADMSG past ten bytes or `end`. */
static inline int wire_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
	const uint8_t *at = *p;
	uint64_t value = 0;

	if (at < end && *at < 0x80) {
		*ret = *at;
		*p = at + 1;
		return 0;
	}
	for (unsigned shift = 0; shift < 70 && at < end; shift += 7, at++) {
		value |= (uint64_t)(*at & 0x7f) << (shift & 63);
		if (*at < 0x80) {
			*ret = value;
			*p = at + 1;
			return 0;
		}
	}
	return -EBADMSG;
}

/* The next field of a message. 1, 0 at its end, -EBADMSG (also for groups, which nobody writes). */
int wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *ret);

/* Reads a whole RuntimeEvent; `context`, `cpu` and `original` are left alone. Attributes past the
 * fifth are ignored. 0 or -EBADMSG. */
int wire_event(const uint8_t *p, const uint8_t *end, struct raw_event *ret);

#endif
