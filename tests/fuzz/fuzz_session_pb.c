/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * events.pb from anywhere: read to its end, and every RuntimeEvent that both our walker and
 * protobuf-c take is the same to both.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/session/wire.h"
#include "proto/event.pb-c.h"
#include "tests/fuzz/fuzz_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const uint8_t *data, size_t size)
{
	Pb__RuntimeEvent *event = pb__runtime_event__unpack(NULL, size, data);
	struct raw_event raw;

	if (event && wire_event(data, data + size, &raw) == 0) {
		if (event->timestamp != raw.timestamp || event->event_type != raw.type ||
		    event->goroutine != raw.goroutine || event->parent_goroutine != raw.parent)
			abort();
		for (size_t i = 0; i < event->n_attributes && i < 5; i++) {
			if (event->attributes[i] != raw.attributes[i])
				abort();
		}
	}
	if (event)
		pb__runtime_event__free_unpacked(event, NULL);
}

/* Makes the check of each batch that ends in one right, so that what a check keeps out is read. */
static void mend_checks(uint8_t *data, size_t size)
{
	size_t at = 0;

	while (size - at > 8) {
		uint32_t len, crc;
		bool batch = memcmp(data + at, "\xff\xff\xff\xff", 4) == 0;
		size_t header = batch ? 8 : 4;

		memcpy(&len, data + at + header - 4, 4);
		if (len > size - at - header)
			return;
		at += header + len;
		if (!batch || len < 6 || data[at - 6] != 0xfd || data[at - 5] != 0x01)
			continue;
		crc = (uint32_t)crc32(0, data + at - len, len - 6);
		memcpy(data + at - 4, &crc, 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *mended = malloc(size + 1);

	if (!mended)
		abort();
	memcpy(mended, data, size);
	mend_checks(mended, size);
	fuzz_session(data, size, SESSION_PROTOBUF);
	fuzz_session(mended, size, SESSION_PROTOBUF);
	free(mended);
	if (size > 10)
		compare(data + 10, size - 10 < 40 ? size - 10 : 40);
	return 0;
}
