/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sockets of this very process are, held against what the kernel tells their owner. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/memory/sockets.h"

static struct socket_wanted wanted(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (struct socket_wanted){.inode = st.st_ino, .tag = (uint32_t)fd};
}

static const char *text_of(const struct socket_wanted *list, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].tag == (uint32_t)fd)
			return list[i].text;
	}
	return NULL;
}

static int listener(int family, const struct sockaddr *at, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, at, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static unsigned port_of(int fd)
{
	struct sockaddr_in6 at; /* where a port stands is the same in IPv4 */
	socklen_t len = sizeof(at);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin6_port);
}

static void test_tcp(void **state)
{
	struct sockaddr_in loopback = {.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int serves = listener(AF_INET, (struct sockaddr *)&loopback, sizeof(loopback));
	int calls = socket(AF_INET, SOCK_STREAM, 0), answers,
	    fresh = socket(AF_INET, SOCK_STREAM, 0);
	struct socket_wanted list[5];
	char want[SOCKET_TEXT_MAX];

	loopback.sin_port = htons((uint16_t)port_of(serves));
	assert_int_equal(connect(calls, (struct sockaddr *)&loopback, sizeof(loopback)), 0);
	answers = accept(serves, NULL, NULL);
	assert_true(answers >= 0);
	list[0] = wanted(serves);
	list[1] = wanted(answers);
	list[2] = wanted(calls);
	list[3] = wanted(calls); /* two may wait for one: to read, and to write */
	list[4] = wanted(fresh); /* in no table yet */
	sockets_find(getpid(), list, ARRAY_SIZE(list));
	snprintf(want, sizeof(want), "tcp 127.0.0.1:%u listen", port_of(serves));
	assert_string_equal(text_of(list, ARRAY_SIZE(list), serves), want);
	snprintf(want, sizeof(want), "tcp 127.0.0.1:%u->127.0.0.1:%u", port_of(calls),
		 port_of(serves));
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		if (list[i].tag == (uint32_t)calls)
			assert_string_equal(list[i].text, want);
	}
	snprintf(want, sizeof(want), "tcp 127.0.0.1:%u->127.0.0.1:%u", port_of(serves),
		 port_of(calls));
	assert_string_equal(text_of(list, ARRAY_SIZE(list), answers), want);
	assert_string_equal(text_of(list, ARRAY_SIZE(list), fresh), "");
	/* The other end has closed it: that is worth a word. */
	close(answers);
	list[0] = wanted(calls);
	sockets_find(getpid(), list, 1);
	assert_non_null(strstr(list[0].text, " close_wait"));
	close(calls);
	close(fresh);
	close(serves);
}

static void test_others(void **state)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	struct sockaddr_in loopback = {.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un named = {.sun_family = AF_UNIX};
	int six = socket(AF_INET6, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), un;
	struct socket_wanted list[3];
	char want[SOCKET_TEXT_MAX];
	size_t n = 0;

	snprintf(named.sun_path + 1, sizeof(named.sun_path) - 1, "xgotopfs-test-%d", (int)getpid());
	un = listener(AF_UNIX, (struct sockaddr *)&named,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				  strlen(named.sun_path + 1)));
	assert_int_equal(bind(udp, (struct sockaddr *)&loopback, sizeof(loopback)), 0);
	list[n++] = wanted(un);
	list[n++] = wanted(udp);
	/* Not every machine has IPv6. */
	if (six >= 0 && !bind(six, (struct sockaddr *)&any, sizeof(any)) && !listen(six, 1))
		list[n++] = wanted(six);
	sockets_find(getpid(), list, n);
	snprintf(want, sizeof(want), "unix @%s", named.sun_path + 1);
	assert_string_equal(text_of(list, n, un), want);
	snprintf(want, sizeof(want), "udp 127.0.0.1:%u", port_of(udp));
	assert_string_equal(text_of(list, n, udp), want);
	if (n == 3) {
		snprintf(want, sizeof(want), "tcp [::]:%u listen", port_of(six));
		assert_string_equal(text_of(list, n, six), want);
	}
	close(six);
	close(udp);
	close(un);
}

/* What somebody else has called his sockets looks like a line about ours: whose it is, is not told.
 */
static void test_forged(void **state)
{
	struct sockaddr_un named = {.sun_family = AF_UNIX};
	struct socket_wanted one, *list = &one;
	char *name = named.sun_path + 1;
	int un, others[16];

	snprintf(name, sizeof(named.sun_path) - 1, "xgotopfs-true-%d", (int)getpid());
	un = listener(AF_UNIX, (struct sockaddr *)&named,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		one = wanted(un);
		snprintf(name, sizeof(named.sun_path) - 1,
			 "%u-%d\n0000000000000000: 00000002 00000000 00010000 0001 01 %llu /forged",
			 i, (int)getpid(), (unsigned long long)one.inode);
		others[i] = listener(
			AF_UNIX, (struct sockaddr *)&named,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
	}
	sockets_find(getpid(), list, 1);
	assert_string_equal(one.text, "unix");
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		close(others[i]);
	close(un);
}

static void test_nobody(void **state)
{
	struct socket_wanted one = {.inode = 1};

	sockets_find(1 << 30, &one, 1);
	assert_string_equal(one.text, "");
	sockets_find(getpid(), &one, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
