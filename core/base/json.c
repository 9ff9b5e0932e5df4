/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys and values of JSON; see json.h. */
#include "core/base/json.h"

#include <math.h>
#include <string.h>

#include "core/base/text.h"

void json_str(struct buf *out, const char *text)
{
	text_json(out, text, strlen(text));
}

void json_key(struct buf *out, const char *key)
{
	char last = out->len ? out->data[out->len - 1] : '{';

	if (last != '{' && last != '[' && last != ',')
		buf_addc(out, ',');
	json_str(out, key);
	buf_addc(out, ':');
}

void json_ku(struct buf *out, const char *key, uint64_t value)
{
	json_key(out, key);
	buf_addu(out, value);
}

void json_ks(struct buf *out, const char *key, const char *value)
{
	json_key(out, key);
	json_str(out, value);
}

void json_kb(struct buf *out, const char *key, bool value)
{
	json_key(out, key);
	buf_adds(out, value ? "true" : "false");
}

void json_kd(struct buf *out, const char *key, double value)
{
	json_key(out, key);
	buf_addf(out, "%.12g", isfinite(value) ? value : 0.0);
}
