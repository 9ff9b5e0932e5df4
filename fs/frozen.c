/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * snapshots/<name>/: the views of the first process as they were when somebody made the folder. The
 * bytes are those that an open would have shown (snap.h), held for as long as the folder is there,
 * and by who has a file of it open. Few, and bounded together. Any thread.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <string.h>

#include "core/base/log.h"

#define FROZEN_MAX       32
#define FROZEN_BYTES_MAX ((size_t)256 << 20) /* of all together */
#define FROZEN_NAME_MAX  64

/* A key: which of them, and which row of the table of nodes a file or folder in it shows. */
#define ROW_BITS   16
#define NUMBER_MAX (NODE_KEY_MAX >> ROW_BITS)

_Static_assert(NODE_ROWS_MAX <= 1 << ROW_BITS, "a row fits a key");

struct frozen_file {
	unsigned row;
	struct snap *snap; /* a reference */
};

struct frozen {
	uint64_t number;
	char name[FROZEN_NAME_MAX + 1];
	uint64_t time_ns; /* CLOCK_REALTIME */
	size_t bytes;
	unsigned n;
	struct frozen_file files[NODE_ROWS_MAX];
};

struct frozens {
	pthread_mutex_t lock;
	/* All below is protected by lock. */
	struct frozen *list[FROZEN_MAX]; /* n of them, by number */
	unsigned n;
	size_t bytes;
	uint64_t next;
};

int frozens_new(struct frozens **ret)
{
	struct frozens *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	pthread_mutex_init(&f->lock, NULL);
	*ret = f;
	return 0;
}

static void drop(struct fs *fs, struct frozen *one)
{
	for (unsigned i = 0; one && i < one->n; i++)
		snaps_unref(fs->snaps, one->files[i].snap);
	free(one);
}

void frozens_free(struct fs *fs)
{
	struct frozens *f = fs->frozens;

	if (!f)
		return;
	for (unsigned i = 0; i < f->n; i++)
		drop(fs, f->list[i]);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* --- making ----------------------------------------------------------------------------------- */

static bool name_is_fine(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-+:@";
	size_t len = strlen(name);

	return len && len <= FROZEN_NAME_MAX && name[0] != '.' && name[0] != '-' &&
	       strspn(name, letters) == len;
}

/* Under the lock; -1. */
static int index_of(const struct frozens *f, const char *name, uint64_t number)
{
	for (unsigned i = 0; i < f->n; i++)
		if (name ? !strcmp(f->list[i]->name, name) : f->list[i]->number == number)
			return (int)i;
	return -1;
}

/* Is there room for one of that name and so many bytes? Under the lock. */
static int check_room(const struct frozens *f, const char *name, size_t bytes)
{
	if (index_of(f, name, 0) >= 0)
		return -EEXIST;
	return f->n == FROZEN_MAX || f->next > NUMBER_MAX ||
			       bytes > FROZEN_BYTES_MAX - MIN(f->bytes, FROZEN_BYTES_MAX)
		       ? -ENOSPC
		       : 0;
}

static int may_make(struct frozens *f, const char *name, size_t bytes)
{
	int err;

	pthread_mutex_lock(&f->lock);
	err = check_room(f, name, bytes);
	pthread_mutex_unlock(&f->lock);
	return err;
}

/* What cannot be told just now is left out: no stacks in a replay, no memory of who has ended. */
static bool is_absence(int err)
{
	return err == -ENOSYS || err == -ESRCH || err == -ENOENT;
}

static int render_all(struct fs *fs, struct frozen *one)
{
	int err = 0;

	for (unsigned row = 0; row < fs->nodes->n && !err; row++) {
		const struct node *n = &fs->nodes->rows[row];
		struct node_id id = {.row = row};
		struct snap *snap;

		if (!n->view || !n->view->moment || n->form != VIEW_TEXT || !fs_is_here(fs, id))
			continue;
		snaps_forget(fs->snaps, node_ino(id)); /* not what was shown a moment ago */
		err = fs_snapshot(fs, id, &snap);
		if (is_absence(err)) {
			err = 0;
			continue;
		}
		if (err)
			break;
		one->files[one->n++] = (struct frozen_file){row, snap};
		one->bytes += snap->len;
		err = may_make(fs->frozens, one->name, one->bytes);
	}
	return err;
}

static int make(struct fs *fs, const char *name, struct node_id *ret)
{
	struct frozens *f = fs->frozens;
	struct frozen *one;
	int err = name_is_fine(name) ? may_make(f, name, 0) : -EINVAL;

	if (err)
		return err;
	one = calloc(1, sizeof(*one));
	if (!one)
		return -ENOMEM;
	memcpy(one->name, name, strlen(name) + 1);
	one->time_ns = clock_ns(CLOCK_REALTIME);
	err = render_all(fs, one);
	pthread_mutex_lock(&f->lock);
	if (!err)
		err = check_room(f, name, one->bytes);
	if (!err) {
		one->number = f->next++;
		f->list[f->n++] = one;
		f->bytes += one->bytes;
		*ret = (struct node_id){.row = ROW_FROZEN, .key = one->number << ROW_BITS};
	}
	pthread_mutex_unlock(&f->lock);
	if (err)
		drop(fs, one);
	return err;
}

int frozen_make(struct fs *fs, const char *name, struct node_id *ret)
{
	int err = make(fs, name, ret);

	if (err == -ENOSPC)
		log_warn("snapshots/%s: no room: at most %d of them, and %zu MB together", name,
			 FROZEN_MAX, FROZEN_BYTES_MAX >> 20);
	return err;
}

int frozen_remove(struct fs *fs, const char *name)
{
	struct frozens *f = fs->frozens;
	struct frozen *one = NULL;
	int i;

	pthread_mutex_lock(&f->lock);
	i = index_of(f, name, 0);
	if (i >= 0) {
		one = f->list[i];
		f->bytes -= one->bytes;
		f->n--;
		memmove(&f->list[i], &f->list[i + 1], (f->n - (unsigned)i) * sizeof(f->list[0]));
	}
	pthread_mutex_unlock(&f->lock);
	if (!one)
		return -ENOENT;
	drop(fs, one);
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Under the lock; NULL. */
static struct frozen *frozen_of(struct frozens *f, struct node_id id)
{
	int i = index_of(f, NULL, id.key >> ROW_BITS);

	return i < 0 ? NULL : f->list[i];
}

static unsigned row_of(struct node_id id)
{
	return (unsigned)(id.key & ((1u << ROW_BITS) - 1));
}

static const struct frozen_file *file_of(const struct frozen *one, unsigned row)
{
	for (unsigned i = 0; one && i < one->n; i++)
		if (one->files[i].row == row)
			return &one->files[i];
	return NULL;
}

int frozen_get(struct fs *fs, struct node_id id, struct snap **ret)
{
	struct frozens *f = fs->frozens;
	const struct frozen_file *file;

	pthread_mutex_lock(&f->lock);
	file = file_of(frozen_of(f, id), row_of(id));
	if (file)
		*ret = snaps_ref(fs->snaps, file->snap);
	pthread_mutex_unlock(&f->lock);
	return file ? 0 : -ENOENT;
}

int frozen_time(struct fs *fs, struct node_id id, uint64_t *ret_ns)
{
	struct frozens *f = fs->frozens;
	const struct frozen *one;

	pthread_mutex_lock(&f->lock);
	one = frozen_of(f, id);
	if (one)
		*ret_ns = one->time_ns;
	pthread_mutex_unlock(&f->lock);
	return one ? 0 : -ENOENT;
}

static int find_frozen(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	struct frozens *f = fs->frozens;
	int i;

	(void)dir;
	pthread_mutex_lock(&f->lock);
	i = index_of(f, name, 0);
	if (i >= 0)
		*ret = (struct node_id){.row = ROW_FROZEN, .key = f->list[i]->number << ROW_BITS};
	pthread_mutex_unlock(&f->lock);
	return i < 0 ? -ENOENT : 0;
}

static int list_frozens(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	struct frozens *f = fs->frozens;

	(void)dir;
	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->n; i++) {
		struct node_id id = {.row = ROW_FROZEN, .key = f->list[i]->number << ROW_BITS};

		dirlist_add(list, f->list[i]->number, id, f->list[i]->name);
	}
	pthread_mutex_unlock(&f->lock);
	return 0;
}

/* The folder of the table of nodes that one in a snapshot shows. */
static unsigned shown_by(struct node_id dir)
{
	return dir.row == ROW_FROZEN ? ROW_ROOT : row_of(dir);
}

/* What a snapshot has of a row: the file, or the folder of some; a row of ROW_ROOT: nothing. */
static struct node_id entry_of(const struct fs *fs, const struct frozen *one, struct node_id dir,
			       unsigned row)
{
	struct node_id id = {.row = ROW_ROOT, .key = (dir.key >> ROW_BITS << ROW_BITS) | row};

	if (file_of(one, row))
		id.row = ROW_FROZEN_FILE;
	for (unsigned i = 0; one && i < one->n; i++)
		if (row != ROW_ROOT && fs->nodes->rows[one->files[i].row].parent == row)
			id.row = ROW_FROZEN_FOLDER;
	return id;
}

static int find_in(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	struct frozens *f = fs->frozens;
	int row = node_static_child(fs->nodes, shown_by(dir), name);

	if (row < 0)
		return -ENOENT;
	pthread_mutex_lock(&f->lock);
	*ret = entry_of(fs, frozen_of(f, dir), dir, (unsigned)row);
	pthread_mutex_unlock(&f->lock);
	return ret->row == ROW_ROOT ? -ENOENT : 0;
}

static int list_in(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	struct frozens *f = fs->frozens;
	struct frozen *one;

	pthread_mutex_lock(&f->lock);
	one = frozen_of(f, dir);
	for (unsigned row = 0; one && row < fs->nodes->n; row++) {
		struct node_id id = entry_of(fs, one, dir, row);

		if (id.row != ROW_ROOT && node_is_child(fs->nodes, shown_by(dir), row))
			dirlist_add(list, row, id, fs->nodes->rows[row].name);
	}
	pthread_mutex_unlock(&f->lock);
	return one ? 0 : -ENOENT;
}

const struct node_family family_frozens = {ROW_FROZEN, find_frozen, list_frozens};
const struct node_family family_frozen = {ROW_FROZEN_FILE, find_in, list_in};
