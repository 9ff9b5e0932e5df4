/*
 * Sessions as files; see files.h. A rendered events.jsonl is made chunk by chunk. Where records
 * start is noted every CHECKPOINT bytes of text, so that reading backwards renders at most that
 * much again.
 */
#include "core/session/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "core/session/reader.h"

#define CHECKPOINT (1u << 20)
#define SIZES_KEPT 256

struct size_entry {
	char id[SESSION_ID_LEN + 1];
	uint64_t events_bytes, jsonl_bytes;
};

struct session_files {
	struct store *store;
	pthread_mutex_t lock;
	/* protected by lock */
	struct size_entry sizes[SIZES_KEPT];
	unsigned next_size;
};

struct checkpoint {
	uint64_t text, record; /* offsets in the rendered text and in the events file */
};

struct handle {
	int fd; /* a file as it is; -1: rendered */
	struct names *names;
	struct session_reader *reader;
	struct buf piece;  /* the last chunk rendered … */
	uint64_t piece_at; /* … and where it stands in the text */
	bool in_record;
	struct checkpoint *checkpoints;
	size_t n_checkpoints;
};

int session_files_new(struct store *store, struct session_files **ret)
{
	struct session_files *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->store = store;
	pthread_mutex_init(&v->lock, NULL);
	*ret = v;
	return 0;
}

void session_files_free(struct session_files *v)
{
	if (!v)
		return;
	pthread_mutex_destroy(&v->lock);
	free(v);
}

int session_files_list(void *ctx, void (*each)(void *arg, const char *id), void *arg)
{
	struct session_files *v = ctx;
	cleanup_free_ struct session_info *list = NULL;
	size_t n;
	int err = store_list(v->store, &list, &n);

	for (size_t i = 0; !err && i < n; i++)
		each(arg, list[i].meta.id);
	return err;
}

/* --- rendering -------------------------------------------------------------------------------- */

static void handle_free(struct handle *h)
{
	if (!h)
		return;
	if (h->fd >= 0)
		close(h->fd);
	session_reader_close(h->reader);
	names_free(h->names);
	buf_free(&h->piece);
	free(h->checkpoints);
	free(h);
}

static int handle_new(int dir, const char *name, struct handle **ret)
{
	struct handle *h = calloc(1, sizeof(*h));
	int err = 0;

	if (!h)
		return -ENOMEM;
	h->fd = -1;
	if (name) {
		h->fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (h->fd < 0)
			err = -errno;
	} else {
		err = names_new(1u << 20, &h->names);
		if (!err)
			err = session_reader_open(dir, h->names, NULL, &h->reader);
	}
	if (err) {
		handle_free(h);
		return err;
	}
	*ret = h;
	return 0;
}

static int note_checkpoint(struct handle *h, uint64_t text, uint64_t record)
{
	struct checkpoint *grown;
	uint64_t last = h->n_checkpoints ? h->checkpoints[h->n_checkpoints - 1].text : 0;

	if (text < last + CHECKPOINT)
		return 0;
	if ((h->n_checkpoints & (h->n_checkpoints - 1)) == 0) {
		grown = realloc(h->checkpoints,
				MAX((size_t)1, 2 * h->n_checkpoints) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		h->checkpoints = grown;
	}
	h->checkpoints[h->n_checkpoints++] = (struct checkpoint){text, record};
	return 0;
}

/* Renders the next chunk. 1, 0 at the end, -errno. */
static int next_piece(struct handle *h)
{
	uint64_t at = h->piece_at + h->piece.len;
	struct session_chunk chunk;
	int more = session_reader_next(h->reader, &chunk), err = 0;

	if (more <= 0)
		return more;
	h->piece_at = at;
	buf_reset(&h->piece);
	for (size_t i = 0; i < chunk.n; i++)
		session_reader_json(h->reader, &chunk, i, &h->piece);
	if (!h->in_record)
		err = note_checkpoint(h, at, chunk.offset);
	h->in_record = chunk.more;
	if (!err)
		err = buf_error(&h->piece);
	return err ? err : 1;
}

static int go_back(struct handle *h, uint64_t offset)
{
	struct checkpoint to = {0, 0};
	size_t low = 0, high = h->n_checkpoints;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (h->checkpoints[middle].text <= offset) {
			to = h->checkpoints[middle];
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	buf_reset(&h->piece);
	h->piece_at = to.text;
	h->in_record = false;
	return session_reader_seek(h->reader, to.record);
}

static int read_rendered(struct handle *h, uint64_t offset, size_t size, struct buf *out)
{
	int more = offset < h->piece_at ? go_back(h, offset) : 0;

	while (more >= 0 && size) {
		if (offset >= h->piece_at + h->piece.len) {
			more = next_piece(h);
			if (more == 0)
				return 0;
			continue;
		}
		size_t skip = (size_t)(offset - h->piece_at);
		size_t n = MIN(size, h->piece.len - skip);

		buf_add(out, h->piece.data + skip, n);
		offset += n;
		size -= n;
	}
	return more < 0 ? more : buf_error(out);
}

static int read_file(struct handle *h, uint64_t offset, size_t size, struct buf *out)
{
	ssize_t n;

	if (buf_reserve(out, size))
		return -ENOMEM;
	n = pread(h->fd, out->data + out->len, size, (off_t)offset);
	if (n < 0)
		return -errno;
	out->len += (size_t)n;
	out->data[out->len] = '\0';
	return 0;
}

int session_files_read(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out)
{
	struct handle *h = handle;

	return h->fd >= 0 ? read_file(h, offset, size, out) : read_rendered(h, offset, size, out);
}

/* --- files ------------------------------------------------------------------------------------ */

/* The file's name on the disk; NULL: it is rendered. */
static const char *stored_name(const struct session_info *info, enum session_file file)
{
	if (file == SESSION_FILE_METADATA)
		return "metadata.json";
	if (file == SESSION_FILE_PB)
		return "events.pb";
	return info->has_events && info->format == SESSION_PROTOBUF ? NULL : "events.jsonl";
}

int session_files_open(void *ctx, const char *id, enum session_file file, void **ret_handle)
{
	struct session_files *v = ctx;
	cleanup_close_ int dir = -1;
	struct session_info info;
	struct handle *h;
	int err = store_get(v->store, id, &info);

	if (err)
		return err;
	dir = store_open(v->store, id);
	if (dir < 0)
		return dir;
	err = handle_new(dir, stored_name(&info, file), &h);
	if (err)
		return err;
	*ret_handle = h;
	return 0;
}

void session_files_close(void *ctx, void *handle)
{
	handle_free(handle);
}

/* Renders all of it once; the result is kept as long as the events file does not change. */
static int rendered_size(struct session_files *v, const struct session_info *info, uint64_t *ret)
{
	struct size_entry entry = {.events_bytes = info->events_bytes};
	struct handle *h;
	void *handle;
	int err;

	memcpy(entry.id, info->meta.id, sizeof(entry.id));
	pthread_mutex_lock(&v->lock);
	for (unsigned i = 0; i < SIZES_KEPT; i++) {
		if (strcmp(v->sizes[i].id, entry.id) == 0 &&
		    v->sizes[i].events_bytes == entry.events_bytes) {
			*ret = v->sizes[i].jsonl_bytes;
			pthread_mutex_unlock(&v->lock);
			return 0;
		}
	}
	pthread_mutex_unlock(&v->lock);
	err = session_files_open(v, entry.id, SESSION_FILE_JSONL, &handle);
	if (err)
		return err;
	h = handle;
	while ((err = next_piece(h)) > 0)
		;
	entry.jsonl_bytes = h->piece_at + h->piece.len;
	handle_free(h);
	if (err < 0)
		return err;
	*ret = entry.jsonl_bytes;
	pthread_mutex_lock(&v->lock);
	v->sizes[v->next_size++ % SIZES_KEPT] = entry;
	pthread_mutex_unlock(&v->lock);
	return 0;
}

int session_files_stat(void *ctx, const char *id, enum session_file file, uint64_t *ret_size,
		       uint64_t *ret_mtime_ns)
{
	struct session_files *v = ctx;
	cleanup_close_ int dir = -1;
	struct session_info info;
	const char *name;
	struct stat st;
	int err = store_get(v->store, id, &info);

	if (err)
		return err;
	name = stored_name(&info, file);
	if (!name) {
		*ret_mtime_ns = (uint64_t)info.changed_ns;
		return rendered_size(v, &info, ret_size);
	}
	dir = store_open(v->store, id);
	if (dir < 0)
		return dir;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	*ret_mtime_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

int session_files_unlink(void *ctx, const char *id, enum session_file file)
{
	static const char *const names[] = {"metadata.json", "events.jsonl", "events.pb"};
	struct session_files *v = ctx;

	return store_delete_file(v->store, id, names[file]);
}

int session_files_rmdir(void *ctx, const char *id)
{
	struct session_files *v = ctx;

	return store_delete(v->store, id);
}
