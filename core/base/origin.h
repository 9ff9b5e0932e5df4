/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Origins of web pages (RFC 6454) as browsers write them: "http://localhost:5173". */
#ifndef XGOTOPFS_BASE_ORIGIN_H
#define XGOTOPFS_BASE_ORIGIN_H

#include <stddef.h>

/*
 * Whether a browser would write an origin so: a scheme, "://", a host, and a port unless it is the
 * scheme's own; in lower case and with nothing after it. "null" is everybody's and none. 0, or
 * -EINVAL with one line of reason in why.
 */
int origin_check(const char *text, char *why, size_t size);

#endif
