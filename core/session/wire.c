/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Walking protobuf messages by hand; see wire.h for why and how it is checked. */
#include "core/session/wire.h"

#include <string.h>

static int take(const uint8_t **p, const uint8_t *end, size_t n, uint64_t *ret)
{
	if ((size_t)(end - *p) < n)
		return -EBADMSG;
	*ret = 0;
	for (size_t i = 0; i < n; i++)
		*ret |= (uint64_t)(*p)[i] << (8 * i);
	*p += n;
	return 0;
}

int wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *ret)
{
	uint64_t tag;

	if (*p >= end)
		return 0;
	if (wire_varint(p, end, &tag) || tag >> 32 || tag >> 3 == 0)
		return -EBADMSG;
	ret->number = (uint32_t)(tag >> 3);
	ret->type = (enum wire_type)(tag & 7);
	ret->data = NULL;
	ret->len = 0;
	switch (ret->type) {
	case WIRE_VARINT:
		return wire_varint(p, end, &ret->value) ? -EBADMSG : 1;
	case WIRE_FIXED64:
		return take(p, end, 8, &ret->value) ? -EBADMSG : 1;
	case WIRE_FIXED32:
		return take(p, end, 4, &ret->value) ? -EBADMSG : 1;
	case WIRE_BYTES:
		if (wire_varint(p, end, &ret->value) || ret->value > (uint64_t)(end - *p))
			return -EBADMSG;
		ret->data = *p;
		ret->len = (size_t)ret->value;
		*p += ret->len;
		return 1;
	}
	return -EBADMSG;
}

static void add_attribute(struct raw_event *ev, unsigned *n, uint64_t value)
{
	if (*n < 5)
		ev->attributes[(*n)++] = value;
}

/* The way of any encoder: fields in any order, attributes packed or not. */
static int event_field(const struct wire_field *f, struct raw_event *ret, unsigned *n)
{
	const uint8_t *p = f->data;
	uint64_t value;

	if (f->number < 1 || f->number > 5)
		return 0;
	if (f->number == 5 && f->type == WIRE_BYTES) {
		while (p < f->data + f->len) {
			if (wire_varint(&p, f->data + f->len, &value))
				return -EBADMSG;
			add_attribute(ret, n, value);
		}
		return 0;
	}
	if (f->type != WIRE_VARINT)
		return -EBADMSG;
	switch (f->number) {
	case 1:
		ret->timestamp = f->value;
		break;
	case 2:
		ret->type = f->value;
		break;
	case 3:
		ret->goroutine = f->value;
		break;
	case 4:
		ret->parent = f->value;
		break;
	default:
		add_attribute(ret, n, f->value);
	}
	return 0;
}

int wire_event(const uint8_t *p, const uint8_t *end, struct raw_event *ret)
{
	struct wire_field f;
	unsigned n = 0;
	int more;

	ret->timestamp = ret->type = ret->goroutine = ret->parent = 0;
	memset(ret->attributes, 0, sizeof(ret->attributes));
	/* The way every known encoder writes it: varints in order, then the packed attributes. */
	while (p < end) {
		const uint8_t *attributes_end;
		uint64_t *to = NULL, len;

		switch (*p) {
		case 0x08:
			to = &ret->timestamp;
			break;
		case 0x10:
			to = &ret->type;
			break;
		case 0x18:
			to = &ret->goroutine;
			break;
		case 0x20:
			to = &ret->parent;
			break;
		}
		if (to) {
			p++;
			if (wire_varint(&p, end, to))
				return -EBADMSG;
			continue;
		}
		if (*p != 0x2a || n)
			break;
		p++;
		if (wire_varint(&p, end, &len) || len > (uint64_t)(end - p))
			return -EBADMSG;
		attributes_end = p + len;
		while (p < attributes_end) {
			if (wire_varint(&p, attributes_end, &len))
				return -EBADMSG;
			add_attribute(ret, &n, len);
		}
	}
	while ((more = wire_next(&p, end, &f)) > 0) {
		if (event_field(&f, ret, &n))
			return -EBADMSG;
	}
	return more;
}
