/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See notify.h. */
#include "app/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/log.h"
#include "core/base/util.h"

void notify_open(struct notify *ret)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;

	ret->fd = -1;
	if ((path && *path != '/' && *path != '@') || len >= sizeof(addr.sun_path))
		log_debug("NOTIFY_SOCKET is no socket's name");
	else if (len > 1) {
		memcpy(addr.sun_path, path, len);
		if (*path == '@') /* an abstract one */
			addr.sun_path[0] = '\0';
		ret->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (ret->fd >= 0 &&
		    connect(ret->fd, (const struct sockaddr *)&addr,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
			notify_close(ret);
	}
	unsetenv("NOTIFY_SOCKET");
}

void notify_send(const struct notify *n, const char *state)
{
	if (n->fd >= 0)
		(void)send(n->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_close(struct notify *n)
{
	close_fd(&n->fd);
	n->fd = -1;
}
