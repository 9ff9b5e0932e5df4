/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Go names as file names. A Go function or type name may hold '/', which a file name cannot: it is
 * written %2F, '%' is %25, each byte of what is not shown as it is (core/base/text.h) is %XX, and
 * "." and ".." begin with %2E. Everything else (spaces, brackets, '*', UTF-8) stays as it is. The
 * empty name is "unknown". A name that would be longer than a file system allows is cut and ends in
 * "%~" and `id` in hex, so that it stays unique.
 */
#ifndef XGOTOPFS_FS_ESCAPE_H
#define XGOTOPFS_FS_ESCAPE_H

#include <stdbool.h>
#include <stdint.h>

#define ESCAPE_MAX 255 /* bytes of a file name, NAME_MAX */

void escape_name(const char *text, uint64_t id, char ret[ESCAPE_MAX + 1]);

/* Is `name` what escape_name() makes of this text? Quick when it is not. */
bool escape_is(const char *text, uint64_t id, const char *name);

#endif
