/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an error to the exit status: see exit_status.h. */
#include "app/exit_status.h"

#include <errno.h>
#include <string.h>

#include "core/base/log.h"

enum exit_status exit_status_of_start(int err, bool asked)
{
	return asked && (err == -EINTR || err == -ECANCELED) ? EXIT_FINE : exit_status(err);
}

enum exit_status exit_status(int err)
{
	if (err && !log_error_said())
		log_error(err, "%s", err == -ENOMEM ? "out of memory" : strerror(-err));
	switch (err) {
	case 0:
		return EXIT_FINE;
	case -EINVAL:
		return EXIT_USAGE;
	case -ENOEXEC: /* the program */
	case -ENOTSUP: /* the kernel */
		return EXIT_UNSUPPORTED;
	case -EPERM:
	case -EACCES:
		return EXIT_PERMISSION;
	case -ESRCH:
		return EXIT_GONE;
	default:
		return EXIT_ERROR;
	}
}
