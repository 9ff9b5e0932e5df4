/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a request may be answered, from its headers and from who is at the other end: what
 * guard.h and peers.h say, for one connection. On the socket thread, before anything else is looked
 * at.
 */
#ifndef XGOTOPFS_WEB_ACCESS_H
#define XGOTOPFS_WEB_ACCESS_H

#include <stdbool.h>

struct connection;

/* False: the refusal is in c->job->rs. */
bool access_check(struct connection *c);

/* "/?token=…": answered with the cookie and the address without the token. */
bool access_login(struct connection *c);

/* A page of an allowed origin asks what it may send (OPTIONS, the Fetch standard's CORS preflight).
 * Answered, or false: it is no such question. */
bool access_preflight(struct connection *c);

#endif
