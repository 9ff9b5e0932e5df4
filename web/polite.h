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
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
}

#endif
