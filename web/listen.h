/* The listening socket, made by us rather than by libwebsockets: exact errors, and a limit. */
#ifndef XGOTOPFS_WEB_LISTEN_H
#define XGOTOPFS_WEB_LISTEN_H

/*
 * A non-blocking listening TCP socket on a numeric address. Returns the descriptor and its port, or
 * -errno with one line logged.
 */
int listen_open(const char *address, unsigned port, unsigned *ret_port);

/* One connection, or -EAGAIN. When `refuse`, it is answered 503 and closed here: -EBUSY. */
int listen_accept(int fd, int refuse);

#endif
