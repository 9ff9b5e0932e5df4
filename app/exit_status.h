/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The documented exit statuses, and which of them an error of a room is. */
#ifndef XGOTOPFS_APP_EXIT_STATUS_H
#define XGOTOPFS_APP_EXIT_STATUS_H

#include <stdbool.h>

enum exit_status {
	EXIT_FINE = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_UNSUPPORTED = 3, /* not a Go program, or not one this can trace */
	EXIT_PERMISSION = 4,
	EXIT_GONE = 5, /* no such process, or gone before the start */
};

/*
 * Of 0 or -errno; -EINVAL: something the user wrote was malformed. No error ends the program
 * without a word: one that nobody has explained is said here.
 */
enum exit_status exit_status(int err);
/* The same of a start that failed; `asked`: a signal had come by then. What was given up because of
 * that is an end as any that is asked for. */
enum exit_status exit_status_of_start(int err, bool asked);

#endif
