/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON, piece by piece, into a buffer: the one writer of it. The caller writes the brackets; a key
 * brings the comma before it. What comes out is valid JSON whatever a text holds (text.h,
 * TEXT_JSON). Pure functions, any thread.
 */
#ifndef XGOTOPFS_BASE_JSON_H
#define XGOTOPFS_BASE_JSON_H

#include "core/base/buf.h"

/* text_json() of a C string: with its quotes. */
void json_str(struct buf *out, const char *text);
/* "key": with a comma before it unless an object or an array was just opened, or a comma is there.
 */
void json_key(struct buf *out, const char *key);
void json_ku(struct buf *out, const char *key, uint64_t value);
void json_ks(struct buf *out, const char *key, const char *value);
void json_kb(struct buf *out, const char *key, bool value);
/* A finite number with as many digits as it needs (%.12g); 0 for one that is not finite. */
void json_kd(struct buf *out, const char *key, double value);

#endif
