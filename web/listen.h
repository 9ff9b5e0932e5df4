/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The listening socket, made by us rather than by libwebsockets: exact errors, and a limit. */
#ifndef XGOTOPFS_WEB_LISTEN_H
#define XGOTOPFS_WEB_LISTEN_H

/*
 * A non-blocking listening TCP socket on a numeric address. Returns the descriptor and its port, or
 * -errno with one line logged.
 */
int listen_open(const char *address, unsigned port, unsigned *ret_port);

/* One connection, or -EAGAIN. */
int listen_accept(int fd);

/* Answers a connection 503 and closes it. */
void listen_refuse(int conn);

#endif
