/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * by-label/<key>/<value>: links to the goroutines that carry a profiler label (runtime/pprof.Do).
 * Labels are in the program's memory alone: they are read when somebody looks, and serve who looks
 * a moment later, too. Helper threads.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <string.h>

#include "core/base/parse.h"

#define KEEP_NS (250 * 1000000ull) /* how long one reading serves */

/* Of one tree, the last that was asked for. */
struct by_labels {
	pthread_mutex_t lock;
	/* All below is protected by lock. */
	unsigned tree;
	uint64_t made_ns; /* 0: none */
	struct view_labels labels;
};

int by_labels_new(struct by_labels **ret)
{
	struct by_labels *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	pthread_mutex_init(&b->lock, NULL);
	*ret = b;
	return 0;
}

void by_labels_free(struct by_labels *b)
{
	if (!b)
		return;
	view_labels_done(&b->labels);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* Under the lock. */
static int refresh(struct fs *fs, unsigned tree)
{
	struct by_labels *b = fs->by_labels;
	struct view_labels labels;
	int err;

	if (b->made_ns && b->tree == tree && monotonic_ns() - b->made_ns < KEEP_NS)
		return 0;
	err = view_labels(fs->view, fs_proc(fs, tree), &labels);
	if (err)
		return err;
	view_labels_done(&b->labels);
	b->labels = labels;
	b->tree = tree;
	b->made_ns = monotonic_ns();
	return 0;
}

/* What stands for a text: FNV-1a, as many bits as a key has. Two that share them would be one
 * folder; with a thousand different ones that is one chance in two million. */
static uint64_t hash(uint64_t seed, const char *text)
{
	uint64_t h = seed ^ 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return (h ^ h >> NODE_KEY_BITS) & NODE_KEY_MAX;
}

/* The text of a label that names a folder in `dir`, and the key of that folder; NULL: it is not
 * of this folder. */
static const char *entry_of(struct node_id dir, const struct view_label *l, uint64_t *ret_key)
{
	uint64_t key = hash(0, l->key);

	if (dir.row == ROW_BY_LABEL) {
		*ret_key = key;
		return l->key;
	}
	*ret_key = hash(key + 1, l->value);
	return key == dir.key ? l->value : NULL;
}

static int find_folder(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	struct by_labels *b = fs->by_labels;
	unsigned row = fs_node(fs, dir)->family->row;
	bool found = false;
	int err;

	pthread_mutex_lock(&b->lock);
	err = refresh(fs, dir.tree);
	for (size_t i = 0; !err && !found && i < b->labels.n; i++) {
		uint64_t key;
		const char *text = entry_of(dir, &b->labels.list[i], &key);

		if (!text || !escape_is(text, (uint32_t)key, name))
			continue;
		*ret = (struct node_id){row, dir.tree, key};
		found = true;
	}
	pthread_mutex_unlock(&b->lock);
	return err ? err : found ? 0 : -ENOENT;
}

/* The labels come sorted: what is the same stands together. */
static int list_folders(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	struct by_labels *b = fs->by_labels;
	unsigned row = fs_node(fs, dir)->family->row;
	const char *last = NULL;
	int err;

	pthread_mutex_lock(&b->lock);
	err = refresh(fs, dir.tree);
	for (size_t i = 0; !err && i < b->labels.n; i++) {
		char name[ESCAPE_MAX + 1];
		uint64_t key;
		const char *text = entry_of(dir, &b->labels.list[i], &key);

		if (!text || (last && !strcmp(last, text)))
			continue;
		last = text;
		escape_name(text, (uint32_t)key, name);
		dirlist_add(list, i, (struct node_id){row, dir.tree, key}, name);
	}
	pthread_mutex_unlock(&b->lock);
	return err;
}

static bool has_value(const struct view_label *l, struct node_id dir)
{
	return hash(hash(0, l->key) + 1, l->value) == dir.key;
}

static int find_member(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	struct by_labels *b = fs->by_labels;
	uint64_t goid;
	bool found = false;
	int err;

	if (parse_u64_name(name, &goid) || goid > NODE_KEY_MAX)
		return -ENOENT;
	pthread_mutex_lock(&b->lock);
	err = refresh(fs, dir.tree);
	for (size_t i = 0; !err && !found && i < b->labels.n; i++)
		found = b->labels.list[i].goid == goid && has_value(&b->labels.list[i], dir);
	pthread_mutex_unlock(&b->lock);
	*ret = (struct node_id){ROW_LABEL_LINK, dir.tree, goid};
	return err ? err : found ? 0 : -ENOENT;
}

static int list_members(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	struct by_labels *b = fs->by_labels;
	int err;

	pthread_mutex_lock(&b->lock);
	err = refresh(fs, dir.tree);
	for (size_t i = 0; !err && i < b->labels.n; i++) {
		const struct view_label *l = &b->labels.list[i];

		if (has_value(l, dir) && l->goid <= NODE_KEY_MAX)
			dirlist_add(list, l->goid,
				    (struct node_id){ROW_LABEL_LINK, dir.tree, l->goid}, NULL);
	}
	pthread_mutex_unlock(&b->lock);
	return err;
}

const struct node_family family_by_label = {ROW_LABEL_KEY, find_folder, list_folders};
const struct node_family family_label_key = {ROW_LABEL_VALUE, find_folder, list_folders};
const struct node_family family_label_value = {ROW_LABEL_LINK, find_member, list_members};
