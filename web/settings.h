/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the user set, as the original's /api/config has it: {nanoseconds_per_pixel, state_colors,
 * type_colors}, and under "ui" whatever our UI keeps. Kept in memory, and in a file when there is
 * one, written whole and renamed. Any thread.
 */
#ifndef XGOTOPFS_WEB_SETTINGS_H
#define XGOTOPFS_WEB_SETTINGS_H

#include <stddef.h>

#include "core/base/buf.h"

struct settings;

/* A file that is not there or not valid means the defaults (logged). */
int settings_new(const char *path, struct settings **ret);
void settings_free(struct settings *s);

int settings_get(struct settings *s, struct buf *out);
/*
 * Takes over the keys given, all or nothing. -EINVAL with a line in `why`: not JSON, a key that is
 * not known, a value of the wrong kind or out of range. On 0, `why` is "", or why the file could
 * not be written: then they hold as long as the server runs.
 */
int settings_set(struct settings *s, const char *json, size_t len, char *why, size_t size);

#endif
