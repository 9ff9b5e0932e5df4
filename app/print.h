/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What goes to stdout at once: help, tables, reports. Main thread. */
#ifndef XGOTOPFS_APP_PRINT_H
#define XGOTOPFS_APP_PRINT_H

#include "core/base/buf.h"

/*
 * Before anything is opened: a standard descriptor that is closed would be given to the next file,
 * which what is printed would then go into. stdin and stdout become ones that fail, stderr one that
 * swallows.
 */
void print_prepare(void);
/* All of it on stdout. 0, or -errno with one line said; no memory for it counts as an error, too.
 */
int print_buf(const struct buf *text);

#endif
