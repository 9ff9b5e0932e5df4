/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one logger: a level, a sink (stderr unless replaced), one line a message.
 * Libraries (libbpf, libfuse, libwebsockets) are routed here by the rooms that use them.
 * Thread-safe: a message is written with one write(2).
 */
#ifndef XGOTOPFS_BASE_LOG_H
#define XGOTOPFS_BASE_LOG_H

#include <stdarg.h>

#include "core/base/util.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

/* Reads "error", "warn", "info" or "debug". 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret);

/* Has anything been said at error level? Of the whole process, like stderr. */
bool log_error_said(void);

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_writev(enum log_level level, const char *fmt, va_list ap);

/*
 * Logs at error level and gives `err` back: return log_error(-ENOENT, "%s: no such target", path);
 * The text says what failed and what to do; the name of the errno is not appended (use %m or
 * strerror where it helps).
 */
int log_error(int err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
