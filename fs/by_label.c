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
#include "fs/label_numbers.h"

#define KEEP_NS (250 * 1000000ull) /* how long one reading serves */

/* Of one tree, the last that was asked for. */
struct by_labels {
	pthread_mutex_t lock;
	/* All below is protected by lock. */
	unsigned tree;
	uint64_t made_ns; /* 0: none */
	struct view_labels labels;
	struct label_numbers *numbers; /* of each label */
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
	free(b->numbers);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* Under the lock. */
static int refresh(struct fs *fs, unsigned tree)
{
	struct by_labels *b = fs->by_labels;
	struct label_numbers *numbers;
	struct view_labels labels;
	int err;

	if (b->made_ns && b->tree == tree && monotonic_ns() - b->made_ns < KEEP_NS)
		return 0;
	err = view_labels(fs->view, fs_proc(fs, tree), &labels);
	if (err)
		return err;
	err = label_numbers(labels.list, labels.n, label_hash, &numbers);
	if (err) {
		view_labels_done(&labels);
		return err;
	}
	view_labels_done(&b->labels);
	free(b->numbers);
	b->labels = labels;
	b->numbers = numbers;
	b->tree = tree;
	b->made_ns = monotonic_ns();
	return 0;
}

/* The text of label i if it names a folder in `dir`, and the number of that; NULL: it does not. */
static const char *entry_of(const struct by_labels *b, struct node_id dir, size_t i,
			    uint64_t *ret_number)
{
	if (dir.row == ROW_BY_LABEL) {
		*ret_number = b->numbers[i].key;
		return b->labels.list[i].key;
	}
	*ret_number = b->numbers[i].value;
	return b->numbers[i].key == dir.key ? b->labels.list[i].value : NULL;
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
		uint64_t number;
		const char *text = entry_of(b, dir, i, &number);

		if (!text || !label_is(fs->nodes, dir.row, text, number, name))
			continue;
		*ret = (struct node_id){row, dir.tree, number};
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
		uint64_t number;
		const char *text = entry_of(b, dir, i, &number);

		if (!text || (last && !strcmp(last, text)))
			continue;
		last = text;
		label_name(fs->nodes, dir.row, text, number, name);
		dirlist_add(list, i, (struct node_id){row, dir.tree, number}, name);
	}
	pthread_mutex_unlock(&b->lock);
	return err;
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
		found = b->labels.list[i].goid == goid && b->numbers[i].value == dir.key;
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

		if (b->numbers[i].value == dir.key && l->goid <= NODE_KEY_MAX)
			dirlist_add(list, l->goid,
				    (struct node_id){ROW_LABEL_LINK, dir.tree, l->goid}, NULL);
	}
	pthread_mutex_unlock(&b->lock);
	return err;
}

const struct node_family family_by_label = {ROW_LABEL_KEY, find_folder, list_folders};
const struct node_family family_label_key = {ROW_LABEL_VALUE, find_folder, list_folders};
const struct node_family family_label_value = {ROW_LABEL_LINK, find_member, list_members};
