/* The storage folder behind sessions/<id>/. See sessions.h. */
#include "app/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/session/reader.h"
#include "core/session/store.h"

#define NAMES_MAX (1u << 20)

struct sessions {
	struct store *store;
	struct fs_sessions fs;
};

/* A file as it is (fd), or a session that is turned into lines while it is read (reader). */
struct open_file {
	int fd;
	struct names *names;
	struct session_reader *reader;
	struct session_chunk chunk;
	size_t next;       /* event of the chunk to come */
	struct buf lines;  /* made, not yet read */
	uint64_t position; /* of the first byte of lines */
};

static int list(void *ctx, void (*each)(void *arg, const char *id), void *arg)
{
	cleanup_free_ struct session_info *all = NULL;
	struct sessions *s = ctx;
	size_t n = 0;
	int err = store_list(s->store, &all, &n);

	for (size_t i = 0; !err && i < n; i++)
		each(arg, all[i].meta.id);
	return err;
}

static int open_as_is(int dir_fd, enum fs_session_file file)
{
	const char *name = file == FS_SESSION_METADATA ? "metadata.json" : "events.jsonl";
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* The size of what is converted is not known before it was read: 0, as in /proc. */
static int stat_file(void *ctx, const char *id, enum fs_session_file file, uint64_t *ret_size,
		     uint64_t *ret_mtime_ns)
{
	cleanup_close_ int dir_fd = -1, fd = -1;
	struct sessions *s = ctx;
	struct session_info info;
	struct stat st;
	int err = store_get(s->store, id, &info);

	if (err)
		return err;
	*ret_size = 0;
	*ret_mtime_ns = (uint64_t)info.changed_ns;
	if (file == FS_SESSION_EVENTS && (!info.has_events || info.format == SESSION_PROTOBUF))
		return info.has_events ? 0 : -ENOENT;
	dir_fd = store_open(s->store, id);
	if (dir_fd < 0)
		return dir_fd;
	fd = open_as_is(dir_fd, file);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	*ret_mtime_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

static void close_file(void *ctx, void *handle)
{
	struct open_file *f = handle;

	session_reader_close(f->reader);
	names_free(f->names);
	close_fd(&f->fd);
	buf_free(&f->lines);
	free(f);
}

static int open_file(void *ctx, const char *id, enum fs_session_file file, void **ret_handle)
{
	cleanup_close_ int dir_fd = -1;
	struct sessions *s = ctx;
	struct open_file *f;
	int err = 0;

	dir_fd = store_open(s->store, id);
	if (dir_fd < 0)
		return dir_fd;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->fd = open_as_is(dir_fd, file);
	if (f->fd == -ENOENT && file == FS_SESSION_EVENTS) {
		f->fd = -1;
		err = names_new(NAMES_MAX, &f->names);
		if (!err)
			err = session_reader_open(dir_fd, f->names, NULL, &f->reader);
	} else if (f->fd < 0) {
		err = f->fd;
		f->fd = -1;
	}
	if (err) {
		close_file(ctx, f);
		return err;
	}
	*ret_handle = f;
	return 0;
}

/* One more line. 1, 0 at the end, -errno. */
static int convert_one(struct open_file *f)
{
	int got;

	while (f->next == f->chunk.n) {
		got = session_reader_next(f->reader, &f->chunk);
		f->next = 0;
		if (got <= 0) {
			f->chunk.n = 0;
			return got;
		}
	}
	session_reader_json(f->reader, &f->chunk, f->next++, &f->lines);
	return buf_error(&f->lines) ? buf_error(&f->lines) : 1;
}

static void drop_lines(struct open_file *f, size_t n)
{
	memmove(f->lines.data, f->lines.data + n, f->lines.len - n);
	f->lines.len -= n;
	f->position += n;
}

static int read_converted(struct open_file *f, uint64_t offset, size_t size, struct buf *out)
{
	int got = 1;
	size_t skip;

	if (offset < f->position) {
		got = session_reader_seek(f->reader, 0);
		if (got)
			return got;
		f->chunk.n = f->next = 0;
		buf_reset(&f->lines);
		f->position = 0;
		got = 1;
	}
	while (got > 0 && f->position + f->lines.len < offset + size) {
		got = convert_one(f);
		if (f->lines.len >= 1 << 16 && f->position + f->lines.len <= offset)
			drop_lines(f, f->lines.len);
	}
	if (got < 0)
		return got;
	if (f->position + f->lines.len <= offset)
		return 0;
	skip = (size_t)(offset - f->position);
	buf_add(out, f->lines.data + skip, MIN(size, f->lines.len - skip));
	drop_lines(f, MIN(skip + size, f->lines.len));
	return buf_error(out);
}

static int read_file(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out)
{
	struct open_file *f = handle;
	ssize_t n;
	int err;

	if (f->reader)
		return read_converted(f, offset, size, out);
	err = buf_reserve(out, size);
	if (err)
		return err;
	n = pread(f->fd, out->data + out->len, size, (off_t)offset);
	if (n < 0)
		return -errno;
	out->len += (size_t)n;
	out->data[out->len] = '\0';
	return 0;
}

int sessions_new(const char *storage_dir, struct sessions **ret)
{
	struct sessions *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = store_new(storage_dir, &s->store);
	if (err) {
		free(s);
		return err;
	}
	s->fs = (struct fs_sessions){
		.ctx = s,
		.list = list,
		.stat = stat_file,
		.open = open_file,
		.read = read_file,
		.close = close_file,
	};
	*ret = s;
	return 0;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	store_free(s->store);
	free(s);
}

const struct fs_sessions *sessions_fs(struct sessions *s)
{
	return &s->fs;
}
