/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose socket is at the other end of a TCP connection: our own, in all the ways there are to
 * connect. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "web/listen.h"
#include "web/peer.h"

struct pair {
	struct peer_finder finder;
	int listener, client, conn;
	unsigned port;
};

static bool has_v6(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0),
	    err = bind(fd, (struct sockaddr *)&any, sizeof(any));

	if (fd >= 0)
		close(fd);
	return fd >= 0 && !err;
}

/* Connects to `to` on the port of a listener on `address`. False: this kernel does not tell. */
static bool open_pair(struct pair *p, const char *address, const char *to)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool is_v4 = inet_pton(AF_INET, to, &v4.sin_addr) == 1;

	p->listener = listen_open(address, 0, &p->port);
	assert_true(p->listener >= 0);
	if (peer_finder_open(&p->finder, p->listener)) {
		close(p->listener);
		return false;
	}
	v4.sin_port = v6.sin6_port = htons((uint16_t)p->port);
	if (!is_v4)
		assert_int_equal(inet_pton(AF_INET6, to, &v6.sin6_addr), 1);
	p->client = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->client, is_v4 ? (void *)&v4 : (void *)&v6,
				 is_v4 ? sizeof(v4) : sizeof(v6)),
			 0);
	p->conn = listen_accept(p->listener);
	assert_true(p->conn >= 0);
	return true;
}

static void close_pair(struct pair *p)
{
	close(p->conn);
	close(p->listener);
	peer_finder_close(&p->finder);
}

static void finds(void **state)
{
	static const char *const ways[][2] = {
		{"127.0.0.1", "127.0.0.1"},
		{"127.0.0.1", "::ffff:127.0.0.1"},
		{"127.3.2.1", "127.3.2.1"},
		{"0.0.0.0", "127.0.0.1"},
		{"::1", "::1"},
		{"::", "::1"},
		{"::", "127.0.0.1"},
		{"::", "::ffff:127.0.0.1"},
	};
	struct pair p;
	uid_t uid;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strchr(ways[i][0], ':') && !has_v6())
			continue;
		uid = (uid_t)-2;
		if (!open_pair(&p, ways[i][0], ways[i][1]))
			skip();
		assert_int_equal(peer_uid(&p.finder, p.conn, &uid), 0);
		assert_int_equal(uid, geteuid());
		/* Half closed is still his. */
		shutdown(p.client, SHUT_WR);
		assert_int_equal(peer_uid(&p.finder, p.conn, &uid), 0);
		/* Closed is nobody's, though the kernel keeps it a while. */
		close(p.client);
		assert_true(peer_uid(&p.finder, p.conn, &uid) < 0);
		close_pair(&p);
	}
}

static void a_reset_one_is_nobodys(void **state)
{
	struct linger at_once = {.l_onoff = 1};
	struct pair p;
	uid_t uid;

	if (!open_pair(&p, "127.0.0.1", "127.0.0.1"))
		skip();
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(p.client);
	assert_true(peer_uid(&p.finder, p.conn, &uid) < 0);
	assert_true(peer_uid(&p.finder, p.listener, &uid) < 0);
	assert_true(peer_uid(&p.finder, 0, &uid) < 0);
	close_pair(&p);
	p.finder.fd = -1;
	assert_int_equal(peer_uid(&p.finder, 0, &uid), -ENOENT);
}

static void costs_little(void **state)
{
	enum { TIMES = 10000 };
	struct pair p;
	uint64_t begin;
	uid_t uid;

	if (!open_pair(&p, "127.0.0.1", "127.0.0.1"))
		skip();
	begin = monotonic_ns();
	for (unsigned i = 0; i < TIMES; i++)
		assert_int_equal(peer_uid(&p.finder, p.conn, &uid), 0);
	begin = monotonic_ns() - begin;
	print_message("# one look-up: %llu ns\n", (unsigned long long)(begin / TIMES));
	/* Once for each connection; far more than it takes, for a loaded machine and sanitizers. */
	assert_true(begin / TIMES < 1000000);
	close(p.client);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(finds),
					   cmocka_unit_test(a_reset_one_is_nobodys),
					   cmocka_unit_test(costs_little)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
