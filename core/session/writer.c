/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Framing and writing; see writer.h. */
#include "core/session/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/safe_file.h"
#include "core/model/event_format.h"

#define FRAME   8 /* marker and length */
#define LOCK_NS (5 * NS_PER_SEC)

struct writer {
	int fd;
	enum session_format format;
	struct encoder *encoder;
	struct model *model;
	bool many;
	struct event_format json;
	struct buf buf;
	uint64_t size;
};

/* Whoever lists sessions may hold it for a moment to see whether this one runs; no longer. */
static int lock(int fd)
{
	uint64_t until_ns = monotonic_ns() + LOCK_NS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EINTR && (errno != EWOULDBLOCK || monotonic_ns() > until_ns))
			return -errno;
		(void)poll(NULL, 0, 1);
	}
	return 0;
}

int writer_new(int dir_fd, enum session_format format, const struct names *names,
	       struct model *model, bool many, struct writer **ret)
{
	struct writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->format = format;
	w->model = model;
	w->many = many;
	w->json.names = names;
	w->fd = file_create_at(dir_fd, session_format_file(format), 0600);
	if (w->fd < 0) {
		err = w->fd;
		goto out;
	}
	err = lock(w->fd);
	if (err)
		goto out;
	if (format == SESSION_PROTOBUF) {
		err = encoder_new(names, &w->encoder);
		if (err)
			goto out;
	}
	*ret = w;
	return 0;
out:
	(void)writer_close(w, false);
	return err;
}

int writer_close(struct writer *w, bool sync)
{
	int err = 0;

	if (!w)
		return 0;
	if (w->fd >= 0) {
		if (sync && fdatasync(w->fd) < 0)
			err = -errno;
		close(w->fd);
	}
	encoder_free(w->encoder);
	buf_free(&w->buf);
	free(w);
	return err;
}

struct encoder *writer_encoder(struct writer *w)
{
	return w->encoder;
}

uint64_t writer_size(const struct writer *w)
{
	return w->size;
}

static int write_buf(struct writer *w)
{
	size_t done = 0;
	int err = writer_check(w);

	if (err)
		return err;
	while (done < w->buf.len) {
		ssize_t n = write(w->fd, w->buf.data + done, w->buf.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = -errno;
			/* A torn record is legal, but whoever can avoid one should. */
			if (done && ftruncate(w->fd, (off_t)w->size) < 0)
				w->size += done;
			return err;
		}
		done += (size_t)n;
	}
	w->size += w->buf.len;
	return 0;
}

int writer_check(struct writer *w)
{
	struct statx st;

	/* By what the kernel knows: a server that is asked may not answer, and NFS writes all out
	 * first. */
	if (statx(w->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE | STATX_NLINK, &st))
		return -errno;
	if (!st.stx_nlink)
		return -ENOENT;
	return st.stx_size == w->size ? 0 : -ESTALE;
}

const char *writer_strerror(int err)
{
	switch (err) {
	case -ENOENT:
		return "its events file was deleted";
	case -ESTALE:
		return "its events file was changed by somebody else";
	default:
		return strerror(-err);
	}
}

static void begin(struct writer *w)
{
	buf_reset(&w->buf);
	if (w->format == SESSION_PROTOBUF)
		buf_add(&w->buf, "\xff\xff\xff\xff\0\0\0\0", FRAME);
}

static int finish(struct writer *w)
{
	size_t len = w->buf.len - FRAME;

	if (buf_error(&w->buf))
		return buf_error(&w->buf);
	if (w->format == SESSION_PROTOBUF) {
		if (len >= UINT32_MAX)
			return -EFBIG;
		for (unsigned i = 0; i < 4; i++)
			w->buf.data[4 + i] = (char)(len >> (8 * i));
	}
	return write_buf(w);
}

/* What the one process that is asked for has become by executing. */
static int later_pid_of(void *model, unsigned proc)
{
	return proc ? model_pid_of(model, proc) : 0;
}

int writer_batch(struct writer *w, const struct event *events, size_t n,
		 uint64_t by_type[EVENT_TYPES])
{
	int err;

	begin(w);
	if (w->format == SESSION_PROTOBUF) {
		err = encoder_batch(w->encoder, events, n, by_type, &w->buf);
		if (err)
			return err;
		return finish(w);
	}
	w->json.nth_of = w->model ? model_nth_of : NULL;
	w->json.pid_of = !w->model ? NULL : w->many ? model_pid_of : later_pid_of;
	w->json.ctx = w->model;
	for (size_t i = 0; i < n; i++)
		event_format_json(&w->json, &events[i], &w->buf);
	return finish(w);
}
