/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way to and from /dev/fuse. libfuse alone would print and forget: who waits for an answer that
 * could not be written waits for ever, and cannot even be killed (Linux fs/fuse/dev.c,
 * request_wait_answer: a request that was handed out is waited for).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/log.h"
#include "fs/fs_internal.h"

#define TRIES    20
#define PAUSE_MS 5

/* Nobody waits for it any more: interrupted and gone, or the mount is. */
static bool in_vain(int err)
{
	return err == ENOENT || err == ENODEV || err == ECONNABORTED || err == ENOTCONN ||
	       err == EBADF || err == EPIPE /* device_let_go() */;
}

/* With a pause after each try: short of memory, that is what helps. */
static ssize_t try_to_write(int fd, const struct iovec *iov, int count)
{
	ssize_t n = writev(fd, iov, count);

	for (int i = 1; i < TRIES && n < 0 && !in_vain(errno); i++) {
		poll(NULL, 0, PAUSE_MS);
		n = writev(fd, iov, count);
	}
	return n;
}

/* An answer, or what tells the kernel of a change. From any thread. */
static ssize_t device_write(int fd, struct iovec *iov, int count, void *ctx)
{
	struct fuse_out_header head;
	struct fs *fs = ctx;
	ssize_t n = try_to_write(fd, iov, count);
	int err = errno;

	if (n >= 0 || in_vain(err))
		return n;
	memcpy(&head, iov[0].iov_base, sizeof(head));
	log_error(-err, "%s: an answer could not be written: %s", fs->mountpoint, strerror(err));
	n = head.len;
	head = (struct fuse_out_header){.len = sizeof(head), .error = -EIO, .unique = head.unique};
	if (head.unique && try_to_write(fd, &(struct iovec){&head, sizeof(head)}, 1) < 0 &&
	    !in_vain(errno)) {
		/* Only an end lets go of who waits. */
		fs->device_err = -err;
		fs_stop(fs);
	}
	return n; /* it was said: libfuse need not */
}

/* A request. Only what libfuse says nothing about is left to it. */
static ssize_t device_read(int fd, void *buf, size_t size, void *ctx)
{
	struct fs *fs = ctx;
	ssize_t n = read(fd, buf, size);

	if (n >= 0 || errno == EINTR || errno == EAGAIN || errno == ENODEV || errno == ENOENT)
		return n;
	if (errno == ENOMEM) {
		poll(NULL, 0, PAUSE_MS);
		errno = EAGAIN;
		return -1;
	}
	/* An unmount that comes while a request is being taken (fuse_dev_do_read) is no error. */
	if (errno != ECONNABORTED)
		fs->device_err = -errno;
	errno = ENODEV;
	return -1;
}

int device_take(struct fs *fs)
{
	static const struct fuse_custom_io io = {.writev = device_write, .read = device_read};

	return fuse_session_custom_io(fs->session, &io, fuse_session_fd(fs->session));
}

/*
 * libfuse asks the device whether the mount is gone (POLLERR), and if not unmounts it: that it may
 * not do any more, it says, while somebody has a file open in a mount that is gone lazily. A pipe
 * that nobody reads, in place of the device, says POLLERR; the device is closed by that, which ends
 * the connection.
 */
void device_let_go(struct fs *fs)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return;
	close(fds[0]);
	(void)dup3(fds[1], fuse_session_fd(fs->session), O_CLOEXEC);
	close(fds[1]);
}
