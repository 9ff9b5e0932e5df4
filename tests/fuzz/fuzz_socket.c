/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes to the real server through a socket: requests, handshakes and WebSocket frames.
 * libwebsockets parses them; what it makes of them, and when, is what our callbacks must stand.
 * Whatever came, the next proper request is answered, and nothing stays open.
 *
 * An input's first byte says what goes before the rest: nothing; a request line and Host; a whole
 * handshake for one of the sub-protocols, which the rest follows as frames. Its high bits say in
 * how many pieces the rest is sent.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_web.h"

#define ANSWER_MS 30000 /* a machine with much else to do may stand still for long */
#define LOOK_MS   2     /* what has not come by then is not waited for */

static struct web *web;
static char answer[65536];

static int open_connection(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)web_port(web)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger at_once = {
		.l_onoff = 1}; /* no TIME_WAIT: thousands of them would use up the ports */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	FUZZ_ASSERT(fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)));
	FUZZ_ASSERT(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	return fd;
}

/* The other end may have closed it already. */
static void put(int fd, const void *data, size_t size)
{
	(void)!send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The engine looks with an alarm how long an input takes, and that interrupts what waits. */
static bool comes(int fd, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&pfd, 1, ms);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Appends what comes within so many milliseconds to `answer`. False at its end. */
static bool get(int fd, size_t *len, int ms)
{
	ssize_t n;

	if (!comes(fd, ms))
		return false;
	n = recv(fd, answer + *len, sizeof(answer) - 1 - *len, MSG_DONTWAIT);
	if (n > 0)
		*len += (size_t)n;
	answer[*len] = '\0';
	return n > 0 && *len < sizeof(answer) - 1;
}

/* The server still answers. */
static void check_alive(void)
{
	static const char request[] =
		"GET /api/control HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
	size_t len = 0;
	int fd = open_connection();

	answer[0] = '\0'; /* what an input was answered may have the word, too */
	put(fd, request, strlen(request));
	while (!strstr(answer, "\"paused\"") && get(fd, &len, ANSWER_MS))
		;
	FUZZ_ASSERT(!strncmp(answer, "HTTP/1.1 200 ", 13) && strstr(answer, "\"paused\""));
	close(fd);
}

/* Files are opened by what an input may ask for: recorded sessions. */
static unsigned open_sockets(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char to[8];
	unsigned n = 0;

	FUZZ_ASSERT(dir);
	while ((entry = readdir(dir)))
		n += readlinkat(dirfd(dir), entry->d_name, to, sizeof(to)) >= 7 &&
		     !memcmp(to, "socket:", 7);
	closedir(dir);
	return n;
}

/* Connections that are closed here are closed there, too, if not at once. */
static void check_closed(unsigned sockets)
{
	for (int tries = 0; open_sockets() > sockets; tries++) {
		FUZZ_ASSERT(tries < ANSWER_MS / 10);
		usleep(10000);
	}
}

static size_t prefix(uint8_t kind, char *ret, size_t size)
{
	static const char *const forms[] = {"/ws", "/ws?format=protobuf", "/ws?format=ticks", "/"};

	switch (kind & 7) {
	case 0:
		return 0;
	case 1:
		return (size_t)snprintf(ret, size, "GET /");
	case 2:
		return (size_t)snprintf(ret, size,
					"GET /api/control HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	case 3:
		return (size_t)snprintf(
			ret, size,
			"POST /api/config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n");
	case 4:
		return (size_t)snprintf(
			ret, size,
			"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
	default:
		return (size_t)snprintf(
			ret, size,
			"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: "
			"Upgrade\r\n"
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: "
			"13\r\n\r\n",
			forms[kind & 3]);
	}
}

static void talk(int fd, struct fuzz_input *in)
{
	uint8_t kind = fuzz_u8(in);
	size_t len = 0, n, pieces = 1u + (kind >> 4) % 4;
	char head[512] = "";

	answer[0] = '\0';
	put(fd, head, prefix(kind, head, sizeof(head)));
	if ((kind & 7) > 4) { /* frames come after the handshake */
		while (len < 13 && get(fd, &len, ANSWER_MS))
			;
		/* 429: those of earlier inputs are closed, but the server has yet to hear of it. */
		FUZZ_ASSERT(
			!strncmp(answer, (kind & 3) < 3 ? "HTTP/1.1 101 " : "HTTP/1.1 404 ", 13) ||
			!strncmp(answer, "HTTP/1.1 429 ", 13));
	}
	for (; pieces; pieces--) {
		n = fuzz_left(in) / pieces;
		put(fd, in->p, n);
		in->p += n;
		if (pieces > 1)
			get(fd, &len, LOOK_MS);
	}
	while (len < 4096 && get(fd, &len, LOOK_MS))
		;
	FUZZ_ASSERT(!memcmp(answer, "HTTP/1.", MIN(len, 7u)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	static unsigned sockets, n;
	int fd;

	if (!web) {
		web = fuzz_web();
		sockets = open_sockets();
		check_alive();
	}
	fd = open_connection();
	talk(fd, &in);
	close(fd);
	check_alive(); /* each time: so an input that fails does so by itself, too */
	if (++n % 128 == 0)
		check_closed(sockets);
	return 0;
}
