/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which user is at the other end of a TCP connection: the uid that the kernel keeps with the peer's
 * socket, asked for with sock_diag(7). Linux has no SO_PEERCRED for TCP.
 *
 * It answers only for a peer in this network namespace whose socket is open while we ask. One that
 * is gone, in another namespace, or behind an address that was rewritten on the way is not known.
 */
#ifndef XGOTOPFS_WEB_PEER_H
#define XGOTOPFS_WEB_PEER_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

/* One thread at a time. */
struct peer_finder {
	int fd; /* -1: the kernel does not tell */
	uint32_t seq;
	int64_t unmapped; /* the uid shown for users that this user namespace does not have; -1:
			     none */
};

/* Opened before a thread is confined, which may then use it. Tries it on our listening socket.
 * -errno: it does not work here; then nobody is known and fd is -1. */
int peer_finder_open(struct peer_finder *f, int listen_fd);
void peer_finder_close(struct peer_finder *f);

/*
 * The owner of the socket at the other end of `conn`, which accept() gave. It stays so for the
 * connection's whole life: who is handed the descriptor acts for the one who connected. -ENOENT:
 * not known; or what netlink gave.
 */
int peer_uid(struct peer_finder *f, int conn, uid_t *ret);

/* The address at the other end; IPv4 as ::ffff:a.b.c.d, whatever family the socket has. 0, -errno.
 */
int peer_address(int conn, struct in6_addr *ret);

#endif
