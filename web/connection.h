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
	struct push_client *client; /* WebSocket */
};

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
