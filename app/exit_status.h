/* The documented exit statuses, and which of them an error of a room is. */
#ifndef XGOTOPFS_APP_EXIT_STATUS_H
#define XGOTOPFS_APP_EXIT_STATUS_H

#include <errno.h>

enum exit_status {
	EXIT_FINE = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_UNSUPPORTED = 3, /* not a Go program, or not one this can trace */
	EXIT_PERMISSION = 4,
	EXIT_GONE = 5, /* no such process, or gone before the start */
};

/* -EINVAL: something the user wrote was malformed. */
static inline enum exit_status exit_status(int err)
{
	switch (err) {
	case 0:
		return EXIT_FINE;
	case -EINVAL:
		return EXIT_USAGE;
	case -ENOEXEC:
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

#endif
