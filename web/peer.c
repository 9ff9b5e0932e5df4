/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking sock_diag for one socket. See peer.h.
 *
 * What makes an answer good. A lookup that finds no connection falls back to a listening socket of
 * that port, so the answer's addresses are compared. A socket that was closed (it may live on for a
 * minute to send what is left), one in TIME_WAIT, and one being made have no owner any more or yet,
 * and older kernels show that as uid 0: so there must be an inode, and a state in which both ends
 * have met. And the four numbers could belong to another connection by now if ours was reset: so
 * ours must still stand after the answer; as long as it does, there is no second one.
 */
#include "web/peer.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/buf.h"
#include "core/base/parse.h"
#include "core/base/safe_file.h"
#include "core/base/util.h"

#define ANSWERS_MAX 8 /* late ones of earlier questions before the one we wait for */

/* An address and its port; IPv4 as ::ffff:a.b.c.d, whatever family the socket has. */
struct end {
	struct in6_addr address;
	in_port_t port; /* as on the wire */
};

static struct in6_addr mapped(const void *v4)
{
	struct in6_addr ret = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&ret.s6_addr[12], v4, 4);
	return ret;
}

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *len);

static int get_end(name_fn get, int fd, struct end *ret)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u = {0};
	socklen_t len = sizeof(u);

	if (get(fd, &u.sa, &len))
		return -errno;
	if (u.sa.sa_family == AF_INET)
		*ret = (struct end){mapped(&u.v4.sin_addr), u.v4.sin_port};
	else if (u.sa.sa_family == AF_INET6)
		*ret = (struct end){u.v6.sin6_addr, u.v6.sin6_port};
	else
		return -EAFNOSUPPORT;
	return 0;
}

int peer_address(int conn, struct in6_addr *ret)
{
	struct end theirs;
	int err = get_end(getpeername, conn, &theirs);

	if (!err)
		*ret = theirs.address;
	return err;
}

static bool same_end(const struct end *a, const struct end *b)
{
	return a->port == b->port && !memcmp(&a->address, &b->address, sizeof(a->address));
}

static struct end end_of(const struct inet_diag_msg *m, const __be32 *address, __be16 port)
{
	struct end ret = {.port = port};

	if (m->idiag_family == AF_INET)
		ret.address = mapped(address);
	else
		memcpy(&ret.address, address, sizeof(ret.address));
	return ret;
}

static int ask(struct peer_finder *f, const struct end *from, const struct end *to)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&from->address) && IN6_IS_ADDR_V4MAPPED(&to->address);
	size_t skip = v4 ? 12 : 0;
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 rq;
	} question = {
		.header = {.nlmsg_len = sizeof(question),
			   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST,
			   .nlmsg_seq = ++f->seq},
		.rq = {.sdiag_family = v4 ? AF_INET : AF_INET6,
		       .sdiag_protocol = IPPROTO_TCP,
		       .idiag_states = ~0u,
		       .id = {.idiag_sport = from->port,
			      .idiag_dport = to->port,
			      .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	memcpy(question.rq.id.idiag_src, &from->address.s6_addr[skip], 16 - skip);
	memcpy(question.rq.id.idiag_dst, &to->address.s6_addr[skip], 16 - skip);
	if (sendto(f->fd, &question, sizeof(question), 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

/* The kernel has answered by the time the question is sent: there is nothing to wait for. */
static int answer(struct peer_finder *f, struct inet_diag_msg *ret)
{
	union {
		struct nlmsghdr header;
		uint8_t bytes[1024];
	} u;

	for (int i = 0; i < ANSWERS_MAX; i++) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(f->fd, &u, sizeof(u), MSG_DONTWAIT, (struct sockaddr *)&from,
				     &from_len);

		if (n < 0)
			return -errno;
		if (from.nl_pid || n < (ssize_t)sizeof(u.header) ||
		    u.header.nlmsg_len > (size_t)n || u.header.nlmsg_seq != f->seq)
			continue;
		if (u.header.nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = NLMSG_DATA(&u.header);

			return u.header.nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error < 0
				       ? e->error
				       : -EPROTO;
		}
		if (u.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		    u.header.nlmsg_len < NLMSG_LENGTH(sizeof(*ret)))
			return -EPROTO;
		memcpy(ret, NLMSG_DATA(&u.header), sizeof(*ret));
		return 0;
	}
	return -EPROTO;
}

/* The socket whose own end is `from`, connected to `to`. */
static int look_up(struct peer_finder *f, const struct end *from, const struct end *to,
		   struct inet_diag_msg *ret)
{
	struct end have_from, have_to;
	int err = ask(f, from, to);

	if (!err)
		err = answer(f, ret);
	if (err)
		return err;
	have_from = end_of(ret, ret->id.idiag_src, ret->id.idiag_sport);
	have_to = end_of(ret, ret->id.idiag_dst, ret->id.idiag_dport);
	return same_end(&have_from, from) && same_end(&have_to, to) ? 0 : -ENOENT;
}

/* Bits of the states in which a connection's end may be. */
#define OPEN_OR_HALF (1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2)

static bool still_stands(int conn)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return !getsockopt(conn, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       (info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_CLOSE_WAIT);
}

int peer_uid(struct peer_finder *f, int conn, uid_t *ret)
{
	struct inet_diag_msg m;
	struct end ours, theirs;
	int err;

	if (f->fd < 0)
		return -ENOENT;
	err = get_end(getpeername, conn, &theirs);
	if (!err)
		err = get_end(getsockname, conn, &ours);
	if (!err)
		err = look_up(f, &theirs, &ours, &m);
	if (err)
		return err;
	if (!m.idiag_inode || m.idiag_state >= 32 || !(1u << m.idiag_state & OPEN_OR_HALF) ||
	    m.idiag_uid == f->unmapped || !still_stands(conn))
		return -ENOENT;
	*ret = m.idiag_uid;
	return 0;
}

/* --- whether it works ------------------------------------------------------------------------- */

/* The numbers of a file of the kernel's. How many there were; 0 also when it cannot be read. */
static size_t kernel_numbers(const char *path, uint64_t *ret, size_t max)
{
	cleanup_close_ int fd = file_open(path);
	cleanup_buf_ struct buf text = BUF_INIT;
	char *save = NULL;
	size_t n = 0;

	if (fd < 0 || file_load(fd, 65536, &text))
		return 0;
	buf_addc(&text, '\0');
	if (buf_error(&text))
		return 0;
	for (char *word = strtok_r(text.data, " \n", &save); word && n < max;
	     word = strtok_r(NULL, " \n", &save)) {
		if (parse_u64(word, &ret[n++]))
			return 0;
	}
	return n;
}

/* In a user namespace all users it does not have look like one, and one of them may be him. */
static int64_t unmapped_uid(void)
{
	uint64_t map[3], uid;

	if (kernel_numbers("/proc/self/uid_map", map, 3) == 3 && !map[0] && !map[1] &&
	    map[2] == UINT32_MAX)
		return -1;
	return kernel_numbers("/proc/sys/kernel/overflowuid", &uid, 1) ? (int64_t)uid : 65534;
}

int peer_finder_open(struct peer_finder *f, int listen_fd)
{
	struct inet_diag_msg m;
	struct end ours, none = {0};
	int err;

	*f = (struct peer_finder){.unmapped = unmapped_uid()};
	f->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	if (f->fd < 0)
		return -errno;
	err = get_end(getsockname, listen_fd, &ours);
	if (!err && IN6_IS_ADDR_V4MAPPED(&ours.address))
		none.address = mapped(&(uint32_t){0});
	if (!err)
		err = look_up(f, &ours, &none, &m);
	if (!err && (m.idiag_state != TCP_LISTEN || !m.idiag_inode))
		err = -ENOENT;
	if (err)
		peer_finder_close(f);
	return err;
}

void peer_finder_close(struct peer_finder *f)
{
	close_fd(&f->fd);
	f->fd = -1;
}
