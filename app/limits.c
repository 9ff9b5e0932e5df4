/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* setrlimit(2): see limits.h. */
#include "app/limits.h"

#include <errno.h>
#include <pthread.h>

#include "core/base/log.h"
#include "core/base/util.h"

/* A ring, a link a probe, the mount, the web server and a recording take up to seventy-five. */
#define FILES_LEAST 96
/* 128 KiB were enough where it was tried. */
#define STACK_LEAST (1u << 20)

static int prepare_files(struct rlimit *ret_old)
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

/* Threads have what the limit was when the program began. */
static int prepare_threads(void)
{
	pthread_attr_t attr;
	size_t size;
	int err = pthread_getattr_default_np(&attr);

	if (err)
		return -err;
	err = pthread_attr_getstacksize(&attr, &size);
	if (!err && size < STACK_LEAST) {
		err = pthread_attr_setstacksize(&attr, STACK_LEAST);
		err = err ? err : pthread_setattr_default_np(&attr);
	}
	(void)pthread_attr_destroy(&attr);
	return -err;
}

static int prepare_stack(struct rlimit *ret_old)
{
	struct rlimit now = {0};
	int err = 0;

	if (getrlimit(RLIMIT_STACK, &now))
		err = -errno;
	*ret_old = now;
	if (!err && now.rlim_cur < STACK_LEAST) {
		now.rlim_cur = STACK_LEAST;
		now.rlim_max = MAX(now.rlim_max, STACK_LEAST); /* takes CAP_SYS_RESOURCE */
		err = setrlimit(RLIMIT_STACK, &now) ? -ENOMEM : 0;
	}
	err = err ? err : prepare_threads();
	if (err)
		return log_error(err,
				 "a stack may have only %llu KiB here, and %u are needed: raise "
				 "the limit (ulimit -s, LimitSTACK=)",
				 (unsigned long long)ret_old->rlim_max >> 10, STACK_LEAST >> 10);
	return 0;
}

int limits_prepare(struct limits *ret_old)
{
	int err = prepare_stack(&ret_old->stack);

	return err ? err : prepare_files(&ret_old->files);
}

void limits_restore(const struct limits *old)
{
	(void)setrlimit(RLIMIT_NOFILE, &old->files);
	(void)setrlimit(RLIMIT_STACK, &old->stack);
}
