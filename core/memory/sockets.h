/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the sockets of a process are: "tcp 10.0.0.5:40112->10.0.0.9:5432", "tcp [::]:8080 listen",
 * "udp 127.0.0.1:53", "unix /run/x.sock", from /proc/PID/net (proc(5), proc_pid_net(5)), which is
 * of its network namespace. Nothing of the process is touched: a descriptor taken over with
 * pidfd_getfd(2) would tell as much, and would keep a connection open that the process closes
 * meanwhile. Any thread.
 */
#ifndef XGOTOPFS_MEMORY_SOCKETS_H
#define XGOTOPFS_MEMORY_SOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SOCKET_TEXT_MAX   192
#define SOCKETS_LINES_MAX 65536 /* of one file; what is behind them is not known */

struct socket_wanted {
	uint64_t inode;
	uint32_t tag;               /* the caller's */
	char text[SOCKET_TEXT_MAX]; /* "" as long as it is not known */
};

/* Fills in `text` of each that is found; the list is sorted. */
void sockets_find(pid_t pid, struct socket_wanted *list, size_t n);

#endif
