/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One HTTP connection on the socket thread: from headers to a job, from a job to bytes. */
#ifndef XGOTOPFS_WEB_CONNECTION_H
#define XGOTOPFS_WEB_CONNECTION_H

#include <libwebsockets.h>

#include "web/server.h"

/* Per socket; libwebsockets keeps it, zeroed at first. */
struct connection {
	struct lws *wsi;
	struct web *web;
	struct job *job; /* at a worker (waiting) or here (sending) */
	bool waiting;    /* the job is away */
	bool chunked, sending;
	bool upgrading; /* a WebSocket handshake is being answered */
	size_t sent;    /* bytes of the current piece */
	size_t body_expected;
	bool body_unread;           /* the request has one that is not, or not wholly, here */
	struct push_client *client; /* WebSocket */
};

/* From one answer to the next request's last header, in the time that a request has. */
#define KEEPALIVE_TIMES 3

/* Accepted just now. */
void connection_begin(struct lws *wsi);
/* Copies a header. False: not there, or too long; then ret is "". */
bool connection_header(struct lws *wsi, enum lws_token_indexes token, char *ret, size_t size);

/* The headers are there. 0, or -1 to close. */
int connection_request(struct connection *c, const char *path, size_t len);
int connection_body(struct connection *c, const void *data, size_t len);
int connection_body_done(struct connection *c);
/* Its job is back. */
void connection_ready(struct connection *c);
int connection_writable(struct connection *c);
void connection_closed(struct connection *c);
/*
 * A WebSocket handshake: 0 to go on, > 0 when an HTTP error was answered, -1 to close.
 */
int connection_upgrade(struct connection *c, const char *protocol);

#endif
