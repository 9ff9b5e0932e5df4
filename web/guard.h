/*
 * Who may ask: checks of the listen address, Host, Origin, token and ids. Pure functions.
 *
 * What they are against: a web page the user has open that sends requests here (Origin, Sec-Fetch-
 * Site), one whose name resolves to 127.0.0.1 on its second lookup (Host: DNS rebinding), another
 * machine without the token, and ids that climb out of the sessions' folder.
 */
#ifndef XGOTOPFS_WEB_GUARD_H
#define XGOTOPFS_WEB_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* 127.0.0.0/8, ::1. False for what is no numeric address. */
bool guard_is_loopback(const char *address);
bool guard_is_numeric(const char *address);

/*
 * The Host header: a loopback name or address (any port: a forwarded port is fine), or the address
 * listened on. A name that DNS could point here is refused, unless `token_ok`: who has the token is
 * not a rebinding page.
 */
bool guard_host(const char *host, const char *listen, bool token_ok);

/* The Origin header, when there is one: it must be this very host and port. "null" is foreign. */
bool guard_origin(const char *origin, const char *host);

/* Equal in time that depends on the length given, not on where they differ. */
bool guard_token(const char *given, size_t len, const char *token);

#endif
