/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is connected: one `struct peer` a connection, made when it is accepted and valid until it
 * closes, and how many each user (or, where the user is not known, each address) has. So that one
 * of them cannot take all the places: of N connections he has a quarter at most, all who are not
 * owners three quarters together.
 *
 * Owners are root and the user this process runs as: they are held by the total only.
 * The socket thread's, but for peers_new() and peers_free().
 */
#ifndef XGOTOPFS_WEB_PEERS_H
#define XGOTOPFS_WEB_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peers;
struct peer_group;

struct peer {
	struct peer_group *group;
	bool trusted; /* passes without the token */
	bool push;    /* it is, or becomes, a WebSocket */
};

struct peers_config {
	unsigned max_connections, max_pushes; /* WebSockets are pushes */
	int listen_fd;
	bool loopback;        /* listens on one: uids count */
	const uid_t *trusted; /* borrowed; besides root and our own */
	size_t n_trusted;
};

/* Says in the log when the kernel does not tell who connects. -ENOMEM, -EIO (no random
 * numbers). */
int peers_new(const struct peers_config *config, struct peers **ret);
void peers_free(struct peers *p);

/* 0; -EBUSY: too many connections, of him or of all; -ENOMEM. */
int peers_enter(struct peers *p, int conn, struct peer **ret);
void peers_leave(struct peers *p, struct peer *peer);

/* A place for one more WebSocket, until it leaves: 0 or -EBUSY. */
int peers_push(struct peers *p, struct peer *peer);

/*
 * The cookie that stands for the token when the same user comes again (those who are not known are
 * one). For others it is worth nothing: a browser hands a host's cookies to every port of it,
 * whoever listens there.
 */
#define PEERS_SECRET_LEN 32
const char *peers_cookie(const struct peers *p, const struct peer *peer);
/* As many hexadecimal digits, random, and a NUL. 0 or -EIO. */
int peers_secret(char ret[PEERS_SECRET_LEN + 1]);

#endif
