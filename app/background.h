/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -daemon: the process forks before it makes any thread; the parent waits until the child is ready
 * and ends with 0, or with the status of a child that failed. Main thread only.
 */
#ifndef XGOTOPFS_APP_BACKGROUND_H
#define XGOTOPFS_APP_BACKGROUND_H

/* Returns in the child only, in a session of its own; *ret_fd is for background_ready(). -errno
 * when it cannot fork (logged). */
int background_start(int *ret_fd);
/* Everything works: lets the parent go and gives up the terminal. */
void background_ready(int fd);

#endif
