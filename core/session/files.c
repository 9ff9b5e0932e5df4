/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sessions as files; see files.h. A rendered events.jsonl is made chunk by chunk. Where records
 * start is noted every CHECKPOINT bytes of text, so that reading backwards renders at most that
 * much again.
 */
#include "core/session/files.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/safe_file.h"
#include "core/base/text.h"
#include "core/base/util.h"
#include "core/session/reader.h"

#define CHECKPOINT (1u << 20)
#define CONTEXT    3 /* bytes before and after a piece of text that its characters may reach to */
#define SIZES_KEPT 256
#define AMPLE      (1ull << 40) /* bytes; no session's lines are longer */
#define MEASURES   4            /* running sessions whose size is followed at a time */

struct size_entry {
	char id[SESSION_ID_LEN + 1];
	uint64_t events_bytes, jsonl_bytes;
};

/* How far a running session has been rendered to know its size: the next stat goes on there, or
 * each look of a `tail -f` would cost as much as the whole session. */
struct measure {
	char id[SESSION_ID_LEN + 1];
	struct handle *handle; /* NULL: free */
	uint64_t used_ns;
};

struct session_files {
	struct store *store;
	pthread_mutex_t lock;
	/* protected by lock */
	struct size_entry sizes[SIZES_KEPT];
	unsigned next_size;

	pthread_mutex_t measure_lock; /* held while rendering; taken before lock */
	/* protected by measure_lock */
	struct measure measures[MEASURES];
};

struct checkpoint {
	uint64_t text, record; /* offsets in the rendered text and in the events file */
};

struct handle {
	int fd;    /* a file as it is; -1: rendered */
	bool text; /* of it */
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
	pthread_mutex_init(&v->measure_lock, NULL);
	*ret = v;
	return 0;
}

static void handle_free(struct handle *h);

void session_files_free(struct session_files *v)
{
	if (!v)
		return;
	for (unsigned i = 0; i < MEASURES; i++)
		handle_free(v->measures[i].handle);
	pthread_mutex_destroy(&v->measure_lock);
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
		h->fd = file_open_at(dir, name);
		h->text = strcmp(name, "events.pb") != 0;
		err = MIN(h->fd, 0);
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
	size_t i = FIRST_ABOVE(h->checkpoints, h->n_checkpoints, text, offset);

	if (i)
		to = h->checkpoints[i - 1];
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

/* A text is shown so that it does a terminal no harm, byte for byte: whoever wrote it may have been
 * anybody. */
static int read_file(struct handle *h, uint64_t offset, size_t size, struct buf *out)
{
	size_t before = h->text ? MIN(offset, (uint64_t)CONTEXT) : 0, after = h->text ? CONTEXT : 0;
	cleanup_free_ char *data = malloc(size + before + after);
	ssize_t n;

	if (!data)
		return -ENOMEM;
	n = pread(h->fd, data, size + before + after, (off_t)(offset - before));
	if (n < 0)
		return -errno;
	if (h->text)
		text_blank(data, (size_t)n, before);
	if ((size_t)n > before)
		buf_add(out, data + before, MIN((size_t)n - before, size));
	return buf_error(out);
}

int session_files_read(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out)
{
	struct handle *h = handle;

	return h->fd >= 0 ? read_file(h, offset, size, out) : read_rendered(h, offset, size, out);
}

/* --- files ------------------------------------------------------------------------------------ */

/* Is the file rendered from a protobuf session? */
static bool is_rendered(const struct session_info *info, const char *file)
{
	return strcmp(file, "events.jsonl") == 0 && info->has_events &&
	       info->format == SESSION_PROTOBUF;
}

int session_files_open(void *ctx, const char *id, const char *file, void **ret_handle)
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
	err = handle_new(dir, is_rendered(&info, file) ? NULL : file, &h);
	if (err)
		return err;
	*ret_handle = h;
	return 0;
}

void session_files_close(void *ctx, void *handle)
{
	handle_free(handle);
}

static bool known_size(struct session_files *v, const struct session_info *info, uint64_t *ret)
{
	bool found = false;

	pthread_mutex_lock(&v->lock);
	for (unsigned i = 0; i < SIZES_KEPT && !found; i++) {
		found = strcmp(v->sizes[i].id, info->meta.id) == 0 &&
			v->sizes[i].events_bytes == info->events_bytes;
		if (found)
			*ret = v->sizes[i].jsonl_bytes;
	}
	pthread_mutex_unlock(&v->lock);
	return found;
}

static void note_size(struct session_files *v, const struct session_info *info, uint64_t size)
{
	struct size_entry entry = {.events_bytes = info->events_bytes, .jsonl_bytes = size};

	memcpy(entry.id, info->meta.id, sizeof(entry.id));
	pthread_mutex_lock(&v->lock);
	v->sizes[v->next_size++ % SIZES_KEPT] = entry;
	pthread_mutex_unlock(&v->lock);
}

/* Under measure_lock. */
static void measure_end(struct measure *m)
{
	handle_free(m->handle);
	*m = (struct measure){0};
}

/* The one of this session, or a new one in place of that not used for longest. Under measure_lock.
 */
static int measure_of(struct session_files *v, const char *id, struct measure **ret)
{
	struct measure *oldest = &v->measures[0];
	void *handle;
	int err;

	for (unsigned i = 0; i < MEASURES; i++) {
		struct measure *m = &v->measures[i];

		if (m->handle && strcmp(m->id, id) == 0) {
			*ret = m;
			return 0;
		}
		if (m->used_ns < oldest->used_ns)
			oldest = m;
	}
	measure_end(oldest);
	err = session_files_open(v, id, "events.jsonl", &handle);
	if (err)
		return err;
	oldest->handle = handle;
	snprintf(oldest->id, sizeof(oldest->id), "%s", id);
	*ret = oldest;
	return 0;
}

/* Renders what is new since the last look; what it comes to is kept as long as the events file does
 * not change. */
static int rendered_size(struct session_files *v, const struct session_info *info, uint64_t *ret)
{
	struct measure *m;
	int err;

	if (known_size(v, info, ret))
		return 0;
	pthread_mutex_lock(&v->measure_lock);
	err = known_size(v, info, ret) ? -EALREADY : measure_of(v, info->meta.id, &m);
	if (!err) {
		while ((err = next_piece(m->handle)) > 0)
			;
		*ret = m->handle->piece_at + m->handle->piece.len;
		m->used_ns = monotonic_ns();
		if (err || info->state != SESSION_RUNNING) {
			if (!err)
				note_size(v, info, *ret);
			measure_end(m);
		}
	}
	pthread_mutex_unlock(&v->measure_lock);
	return err == -EALREADY ? 0 : err;
}

static uint64_t mtime_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st->st_mtim.tv_nsec;
}

int session_files_stat(void *ctx, const char *id, const char *file, bool measured,
		       uint64_t *ret_size, uint64_t *ret_mtime_ns)
{
	struct session_files *v = ctx;
	cleanup_close_ int dir = store_open(v->store, id);
	struct session_info info;
	struct stat st;
	int err;

	if (dir < 0)
		return dir == -EINVAL ? -ENOENT : dir;
	if (!file) {
		if (fstat(dir, &st) < 0)
			return -errno;
		*ret_size = 0;
		*ret_mtime_ns = store_get(v->store, id, &info) == 0 ? (uint64_t)info.changed_ns
								    : mtime_ns(&st);
		return 0;
	}
	err = file_stat_at(dir, file, &st);
	if (!err && !S_ISREG(st.st_mode))
		return -ENOENT;
	if (!err) {
		*ret_size = (uint64_t)st.st_size;
		*ret_mtime_ns = mtime_ns(&st);
		return 0;
	}
	if (err != -ENOENT || store_get(v->store, id, &info) || !is_rendered(&info, file))
		return err;
	*ret_mtime_ns = (uint64_t)info.changed_ns;
	if (known_size(v, &info, ret_size))
		return 0;
	*ret_size = AMPLE;
	return measured ? rendered_size(v, &info, ret_size) : 0;
}

/* A running session's is kept open for its size; no longer when it is deleted. */
static void forget(struct session_files *v, const char *id)
{
	pthread_mutex_lock(&v->measure_lock);
	for (unsigned i = 0; i < MEASURES; i++) {
		if (strcmp(v->measures[i].id, id) == 0)
			measure_end(&v->measures[i]);
	}
	pthread_mutex_unlock(&v->measure_lock);
}

int session_files_unlink(void *ctx, const char *id, const char *file)
{
	struct session_files *v = ctx;

	return store_delete_file(v->store, id, file);
}

/* rmdir(1) deletes nothing that is seen, as everywhere; rm -r has deleted the files before. */
static int check_empty(struct session_files *v, const char *id)
{
	static const char *const seen[] = {"metadata.json", "events.jsonl", "events.pb"};
	cleanup_close_ int dir = store_open(v->store, id);
	struct session_info info;
	struct stat st;

	if (dir < 0)
		return dir;
	if (store_get(v->store, id, &info) == 0 && info.state == SESSION_RUNNING)
		return -EBUSY;
	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) {
		if (file_stat_at(dir, seen[i], &st) == 0 && S_ISREG(st.st_mode))
			return -ENOTEMPTY;
	}
	return 0;
}

int session_files_rmdir(void *ctx, const char *id)
{
	struct session_files *v = ctx;
	int err = check_empty(v, id);

	if (!err)
		err = store_delete(v->store, id);
	if (!err)
		forget(v, id);
	return err;
}
