/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who waits for a descriptor: netpoll.go netpollblock() puts the g into pollDesc.rg or wg. The
 * pollDesc is among the words of the frames of that call; it is the one that has this g, and that
 * points at itself (pollDesc.self, poll_runtime_pollOpen()). What the descriptor is, /proc knows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory/memory.h"
#include "core/memory/sockets.h"
#include "core/memory/wait_reading.h"

#define WORDS_MAX 128
#define FRAMES    6 /* gopark, netpollblock, poll_runtime_pollWait and what calls it */

static uint64_t word(const uint8_t *bytes, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

static int note(struct wait_reading *r, uint32_t g, uint64_t desc, const uint8_t *bytes)
{
	bool read = word(bytes, r->l->poll_rg) == r->gs[g].address;
	uint64_t fd = word(bytes, r->l->poll_fd);
	uint32_t object = 0;
	int err = reading_edge(r, g, desc, WAIT_POLL, read ? WAIT_READ : WAIT_WRITE);

	if (!err)
		err = reading_object(r, desc, WAIT_POLL, &object);
	if (!err && fd <= INT32_MAX) {
		r->objects[object].poll.fd = (int32_t)fd;
		r->objects[object].state_known = true;
	}
	return err;
}

int reading_poll(struct wait_reading *r, uint32_t g, const struct stack_copy *copy)
{
	const struct go_layout *l = r->l;
	size_t frames = MIN(copy->trace->n, (size_t)FRAMES), n = 0;
	uint64_t end = frames ? stack_copy_end(copy, frames - 1) : copy->sp;
	uint64_t own = r->gs[g].address, last = 0;
	uint8_t bytes[GO_WAIT_SIZE_MAX];

	if (!l->poll_size)
		return 1;
	for (uint64_t at = copy->sp; at + 8 <= end && n < WORDS_MAX; at += 8) {
		uint64_t desc = stack_copy_word(copy, at);
		int err;

		if (desc < 4096 || desc % 8 || desc >= 1ull << 56 || desc == last ||
		    (desc >= r->gs[g].stack_lo && desc < r->gs[g].stack_hi))
			continue;
		n++;
		last = desc;
		err = memory_read(r->pid, desc, bytes, l->poll_size);
		if (err == -EFAULT)
			continue;
		if (err)
			return err;
		if (word(bytes, l->poll_self) == desc &&
		    (word(bytes, l->poll_rg) == own || word(bytes, l->poll_wg) == own))
			return note(r, g, desc, bytes);
	}
	return 1;
}

/* "socket:[1234]", "pipe:[77]", "/var/log/x": as ls -l /proc/PID/fd has it. False: it was closed
 * meanwhile. */
static bool read_link(pid_t pid, int32_t fd, char *ret, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, (int)fd);
	len = readlink(path, ret, size - 1);
	if (len <= 0)
		return false;
	ret[len] = '\0';
	return true;
}

static int name_sockets(struct wait_reading *r, struct socket_wanted *sockets, size_t n)
{
	int err = 0;

	sockets_find(r->pid, sockets, n);
	for (size_t i = 0; i < n && !err; i++)
		err = reading_text(r, sockets[i].text, &r->objects[sockets[i].tag].poll.socket);
	return err;
}

int reading_descriptors(struct wait_reading *r)
{
	cleanup_free_ struct socket_wanted *sockets = NULL;
	size_t n = 0, cap = 0;
	char link[512];
	int err = 0;

	for (size_t i = 0; i < r->n_objects && !err; i++) {
		struct wait_object *o = &r->objects[i];
		unsigned long long inode;

		if (o->kind != WAIT_POLL || !o->state_known ||
		    !read_link(r->pid, o->poll.fd, link, sizeof(link)))
			continue;
		err = reading_text(r, link, &o->poll.what);
		/* More are not found either. */
		if (err || n == SOCKETS_LINES_MAX || sscanf(link, "socket:[%llu]", &inode) != 1)
			continue;
		if (n == cap) {
			struct socket_wanted *more;

			cap = cap ? 2 * cap : 64;
			more = reallocarray(sockets, cap, sizeof(*more));
			if (!more)
				return -ENOMEM;
			sockets = more;
		}
		sockets[n++] = (struct socket_wanted){.inode = inode, .tag = (uint32_t)i};
	}
	return err || !n ? err : name_sockets(r, sockets, n);
}
