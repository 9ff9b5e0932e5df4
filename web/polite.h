/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who looks does not take the CPU from what is looked at: the web server's threads run at a lower
 * priority than the traced program and the capture. Where CPUs are free it changes nothing.
 */
#ifndef XGOTOPFS_WEB_POLITE_H
#define XGOTOPFS_WEB_POLITE_H

#include <sys/resource.h>
#include <unistd.h>

/* For the calling thread (Linux has the nice value per thread). */
static inline void thread_be_polite(void)
{
	const id_t self = (id_t)gettid();

	/* A thread made by a polite one is so already, and may not be allowed to ask. */
	if (getpriority(PRIO_PROCESS, self) < 10)
		(void)setpriority(PRIO_PROCESS, self, 10);
}

#endif
