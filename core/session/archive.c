/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tar, as far as two files of known names need it; see archive.h. */
#include "core/session/archive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/safe_file.h"
#include "core/base/util.h"

#define BLOCK  512
#define META   "metadata.json"
#define EVENTS "events.pb"

/* POSIX.1-2017, pax: "ustar Interchange Format". Numbers are octal digits. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[8], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "one block");

/* The sum of all bytes, those of the sum itself as spaces. */
static unsigned sum_of(const struct header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		bool own =
			i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);

		sum += own ? ' ' : p[i];
	}
	return sum;
}

static void add_member(const char *name, const char *data, size_t len, struct buf *out)
{
	static const char zeros[BLOCK];
	struct header h = {.type = '0'};

	snprintf(h.name, sizeof(h.name), "%s", name);
	memcpy(h.mode, "0000600", 8);
	memcpy(h.uid, "0000000", 8);
	memcpy(h.gid, "0000000", 8);
	snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)len);
	memcpy(h.mtime, "00000000000", 12);
	memcpy(h.magic,
	       "ustar\0"
	       "00",
	       8);
	snprintf(h.checksum, sizeof(h.checksum), "%06o", sum_of(&h));
	h.checksum[7] = ' ';
	buf_add(out, &h, sizeof(h));
	buf_add(out, data, len);
	buf_add(out, zeros, (BLOCK - len % BLOCK) % BLOCK);
}

int archive_write(const struct session_meta *meta, const struct buf *events, struct buf *out)
{
	static const char end[2 * BLOCK];
	cleanup_buf_ struct buf text = BUF_INIT;

	session_meta_render(meta, &text);
	add_member(META, text.data, text.len, out);
	add_member(EVENTS, events->data, events->len, out);
	buf_add(out, end, sizeof(end));
	return buf_error(&text) ? buf_error(&text) : buf_error(out);
}

/* Octal digits, then a NUL or a space. */
static bool read_octal(const char *text, size_t size, uint64_t *ret)
{
	size_t i = 0;

	*ret = 0;
	for (; i < size && text[i] >= '0' && text[i] <= '7'; i++)
		*ret = *ret << 3 | (uint64_t)(text[i] - '0');
	return i && i < size && (!text[i] || text[i] == ' ');
}

static int bad(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EBADMSG;
}

static bool is_end(const struct header *h)
{
	static const struct header zero;

	return !memcmp(h, &zero, sizeof(zero));
}

/* One member, which begins at `at`. */
static int check_member(const struct header *h, uint64_t at, uint64_t bytes, struct archive *ret,
			uint64_t *ret_size, char *why, size_t size)
{
	uint64_t sum;
	bool meta, events;

	if (memcmp(h->magic, "ustar", 5) != 0 ||
	    !read_octal(h->checksum, sizeof(h->checksum), &sum) || sum != sum_of(h))
		return bad(why, size, "it is no tar archive, or damaged");
	meta = !strncmp(h->name, META, sizeof(h->name));
	events = !strncmp(h->name, EVENTS, sizeof(h->name));
	if ((!meta && !events) || h->prefix[0] || h->type != '0')
		return bad(why, size, "it has something else than " META " and " EVENTS);
	if (meta ? ret->meta_at : ret->events_at)
		return bad(why, size, "it has a file twice");
	if (!read_octal(h->size, sizeof(h->size), ret_size) || *ret_size > bytes - at - BLOCK)
		return bad(why, size, "a file in it is longer than the archive");
	if (meta && *ret_size > SESSION_META_MAX)
		return bad(why, size, META " is larger than 1 MiB");
	if (meta) {
		ret->meta_at = at + BLOCK;
		ret->meta_size = *ret_size;
	} else {
		ret->events_at = at + BLOCK;
		ret->events_size = *ret_size;
	}
	return 0;
}

int archive_check(int fd, struct archive *ret, char *why, size_t size)
{
	uint64_t at = 0, len;
	struct header h;
	struct stat st;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > ARCHIVE_BYTES_MAX) {
		snprintf(why, size, "it is larger than 1 GiB");
		return -EFBIG;
	}
	while (at + BLOCK <= (uint64_t)st.st_size) {
		ssize_t n = pread(fd, &h, sizeof(h), (off_t)at);

		if (n < 0)
			return -errno;
		if (n < BLOCK || is_end(&h))
			break;
		err = check_member(&h, at, (uint64_t)st.st_size, ret, &len, why, size);
		if (err)
			return err;
		at += BLOCK + (len + BLOCK - 1) / BLOCK * BLOCK;
	}
	return ret->meta_at && ret->events_at
		       ? 0
		       : bad(why, size, "it has not both " META " and " EVENTS);
}

static int extract(int fd, uint64_t at, uint64_t size)
{
	cleanup_close_ int to = memfd_create("session", MFD_CLOEXEC);
	char piece[65536];

	if (to < 0)
		return -errno;
	while (size) {
		ssize_t n = pread(fd, piece, MIN(size, sizeof(piece)), (off_t)at);
		int err = n < 0 ? -errno : !n ? -EBADMSG : file_write(to, piece, (size_t)n);

		if (err)
			return err;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return lseek(to, 0, SEEK_SET) < 0 ? -errno : move_fd(&to);
}

int archive_open(int fd, bool events)
{
	struct archive a;
	char why[80];
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOTDIR;
	err = archive_check(fd, &a, why, sizeof(why));
	if (err)
		return err;
	return events ? extract(fd, a.events_at, a.events_size)
		      : extract(fd, a.meta_at, a.meta_size);
}
