/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The logger's only state is its level and whether an error was said: process-wide by nature, like
 * stderr itself.
 */
#include "core/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"

#define PATIENCE_MS 500

static _Atomic unsigned dropped; /* lines since stderr last took one */
static _Atomic int threshold = LOG_LEVEL_INFO;
static atomic_bool error_said;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
	atomic_store(&threshold, (int)level);
}

int log_level_parse(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * Nobody may wait for a reader of our messages that takes none (a pipe nobody reads, a terminal
 * after Ctrl-S): after a moment a line is dropped, and while none are taken the next ones at once.
 * What holds a line's worth takes it without a wait (pipe(7), PIPE_BUF).
 */
static void write_line(const char *line, size_t n)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	unsigned lost = atomic_load(&dropped);
	char note[64];

	if (poll(&out, 1, lost ? 0 : PATIENCE_MS) <= 0) {
		atomic_fetch_add(&dropped, 1);
		return;
	}
	if (lost && atomic_compare_exchange_strong(&dropped, &lost, 0)) {
		int len = snprintf(note, sizeof(note), "xgotopfs: warning: %u messages were lost\n",
				   lost);

		if (write(STDERR_FILENO, note, (size_t)len) < 0)
			return;
	}
	if (write(STDERR_FILENO, line, n) < 0) {
		/* Nowhere left to say it. */
	}
}

void log_writev(enum log_level level, const char *fmt, va_list ap)
{
	int saved = errno;
	char line[2048], safe[3072];
	int head, n;

	if (level == LOG_LEVEL_ERROR)
		atomic_store(&error_said, true);
	if ((int)level > atomic_load(&threshold))
		return;
	head = snprintf(line, sizeof(line), "xgotopfs: %s",
			level == LOG_LEVEL_INFO    ? ""
			: level == LOG_LEVEL_ERROR ? ""
			: level == LOG_LEVEL_WARN  ? "warning: "
						   : "debug: ");
	errno = saved; /* %m in the caller's text */
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	if (n < 0)
		return;
	n = MIN(head + n, (int)sizeof(line) - 2);
	while (n > 0 && line[n - 1] == '\n')
		n--;
	/* Paths and names are in it; a message is one line. */
	n = (int)text_name(safe, sizeof(safe) - 1, line, (size_t)n);
	safe[n++] = '\n';
	write_line(safe, (size_t)n);
	errno = saved;
}

bool log_error_said(void)
{
	return atomic_load(&error_said);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_writev(level, fmt, ap);
	va_end(ap);
}

int log_error(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_writev(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	return err;
}
