/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A recorded session in another form (-convert SESSION -to FORMAT). Streaming; main thread.
 *
 * Use by the composition root: parse -to with convert_parse(), then convert_run() with the output's
 * descriptor (stdout, unless a file is named).
 */
#ifndef XGOTOPFS_SESSION_CONVERT_H
#define XGOTOPFS_SESSION_CONVERT_H

#include <stdbool.h>

enum convert_to { CONVERT_JSONL, CONVERT_PROTOBUF, CONVERT_PERFETTO };

/* "jsonl", "protobuf" or "perfetto". 0 or -EINVAL. */
int convert_parse(const char *text, enum convert_to *ret);

struct convert_config {
	const char *storage_dir;
	const char *session; /* id, or a session's folder */
	enum convert_to to;
	int out_fd;      /* borrowed */
	int progress_fd; /* a terminal that gets a line that renews itself; -1: none */
};

/*
 * 0, or -errno with one line logged. A torn session is converted up to its last good record, with a
 * warning that says what is missing. -EINVAL: binary output would go to a terminal.
 */
int convert_run(const struct convert_config *config);

#endif
