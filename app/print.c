/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What goes to stdout at once: see print.h. */
#include "app/print.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"

void print_prepare(void)
{
	/* Reading the first and writing to the second gives EBADF, as if they were still closed. */
	static const int flags[] = {O_WRONLY, O_RDONLY, O_WRONLY};

	/* A file that may grow no further (`ulimit -f`), a log for one, fails a write and kills
	 * nobody. */
	signal(SIGXFSZ, SIG_IGN);
	/* Lowest first: open(2) gives the lowest that is free. */
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", flags[fd]);
	}
}

int print_buf(const struct buf *text)
{
	int err = buf_error(text);

	if (!err && text->len &&
	    (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) == EOF))
		err = -errno;
	if (err)
		log_error(err, "stdout: %s", strerror(-err));
	return err;
}
