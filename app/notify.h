/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling a service manager that we are ready or about to stop (sd_notify(3): a datagram to the
 * socket that $NOTIFY_SOCKET names). One datagram of text: libsystemd would be a large library for
 * it. Main thread only.
 */
#ifndef XGOTOPFS_APP_NOTIFY_H
#define XGOTOPFS_APP_NOTIFY_H

struct notify {
	int fd; /* -1: nobody wants to know */
};

/* Takes $NOTIFY_SOCKET, which no command that we start shall see. */
void notify_open(struct notify *ret);
/* "READY=1", "STOPPING=1"; what cannot be sent is not. */
void notify_send(const struct notify *n, const char *state);
void notify_close(struct notify *n);

#endif
