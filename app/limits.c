/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many files may be open: see limits.h. */
#include "app/limits.h"

#include <errno.h>

#include "core/base/log.h"

/* A ring, a link a probe, the mount, the web server and a recording take up to seventy-five. */
#define FILES_LEAST 96

int limits_prepare(struct rlimit *ret_old)
{
	struct rlimit now;
	int err;

	if (getrlimit(RLIMIT_NOFILE, &now)) {
		err = -errno;
		return log_error(err, "getrlimit: %m");
	}
	*ret_old = now;
	if (now.rlim_max < FILES_LEAST)
		return log_error(-EMFILE,
				 "only %llu files may be open here, and %d are needed: raise the "
				 "limit (ulimit -n, LimitNOFILE=)",
				 (unsigned long long)now.rlim_max, FILES_LEAST);
	now.rlim_cur = now.rlim_max;
	/* Refused above fs.nr_open: then it stays as it was, which has to do. */
	if (setrlimit(RLIMIT_NOFILE, &now) && ret_old->rlim_cur < FILES_LEAST)
		return log_error(-EMFILE,
				 "ulimit -n: only %llu files may be open here, and %d are needed",
				 (unsigned long long)ret_old->rlim_cur, FILES_LEAST);
	return 0;
}
