/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The listening socket. The socket thread accepts. */
#include "web/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/log.h"

int listen_open(const char *address, unsigned port, unsigned *ret_port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	struct sockaddr *sa = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	cleanup_close_ int fd = -1;
	int err, on = 1;

	if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		return log_error(-EINVAL, "-web-listen %s: a numeric address is expected", address);
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err = -errno;
		return log_error(err, "socket: %s", strerror(-err));
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, sa, len) || listen(fd, 128)) {
		err = -errno;
		return log_error(err, "cannot listen on %s port %u: %s%s", address, port,
				 strerror(-err),
				 err == -EADDRINUSE ? " (choose another with -web-port)" : "");
	}
	if (getsockname(fd, sa, &len)) {
		err = -errno;
		return log_error(err, "getsockname: %s", strerror(-err));
	}
	*ret_port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
	return move_fd(&fd);
}

int listen_accept(int fd)
{
	int err, on = 1, conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (conn < 0) {
		err = -errno;
		return err == -EAGAIN || err == -EINTR || err == -ECONNABORTED ? -EAGAIN : err;
	}
	(void)setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return conn;
}

void listen_refuse(int conn)
{
	static const char busy[] =
		"HTTP/1.1 503 Service Unavailable\r\n"
		"content-type: application/json\r\nconnection: close\r\n"
		"content-length: 33\r\n\r\n{\"error\":\"too many connections\"}\n";

	/* What fits into the socket's buffer: nobody waits for this one. */
	(void)send(conn, busy, sizeof(busy) - 1, MSG_NOSIGNAL);
	close(conn);
}
