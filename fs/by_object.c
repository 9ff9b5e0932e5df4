/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * by-object: a folder for each thing that goroutines wait on, named by its address, with links to
 * them. Nothing is stored: what is there is asked for at each look, and may take a reading of the
 * target's memory. Helper threads.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"

/* An object lies at a multiple of four: so the bits of its address that a process can use fit a key
 * on amd64. Where they do not (arm64's uppermost ones), two objects would have to differ in those
 * alone to be taken for each other. */
static uint64_t key_of(uint64_t address)
{
	return address >> 2 & NODE_KEY_MAX;
}

static void name_of(uint64_t address, char name[24])
{
	snprintf(name, 24, "0x%llx", (unsigned long long)address);
}

/* The object with a key or, when name is not NULL, with a name. 0, -ENOENT, -ENOMEM. */
static int find_object(struct fs *fs, unsigned tree, const char *name, uint64_t key, uint64_t *ret)
{
	uint64_t *objects cleanup_free_ = NULL;
	char other[24];
	size_t n;
	int err = view_objects(fs->view, fs_proc(fs, tree), &objects, &n);

	for (size_t i = 0; i < n && !err; i++) {
		name_of(objects[i], other);
		if (name ? strcmp(name, other) : key_of(objects[i]) != key)
			continue;
		*ret = objects[i];
		return 0;
	}
	return err ? err : -ENOENT;
}

static int find(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	uint64_t address;
	int err = find_object(fs, dir.tree, name, 0, &address);

	if (!err)
		*ret = (struct node_id){ROW_OBJECT, dir.tree, key_of(address)};
	return err;
}

static int list(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	uint64_t *objects cleanup_free_ = NULL;
	char name[24];
	size_t n;
	int err = view_objects(fs->view, fs_proc(fs, dir.tree), &objects, &n);

	for (size_t i = 0; i < n && !err; i++) {
		name_of(objects[i], name);
		dirlist_add(list, i, (struct node_id){ROW_OBJECT, dir.tree, key_of(objects[i])},
			    name);
	}
	return err;
}

static int waiters(struct fs *fs, struct node_id dir, uint64_t **ret, size_t *ret_n)
{
	uint64_t address;
	int err = find_object(fs, dir.tree, NULL, dir.key, &address);

	*ret = NULL;
	*ret_n = 0;
	return err ? err
		   : view_object_waiters(fs->view, fs_proc(fs, dir.tree), address, ret, ret_n);
}

static int find_waiter(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	uint64_t *goids cleanup_free_ = NULL;
	uint64_t goid;
	size_t n;
	int err;

	if (parse_u64_name(name, &goid) || goid > NODE_KEY_MAX)
		return -ENOENT;
	err = waiters(fs, dir, &goids, &n);
	for (size_t i = 0; i < n && !err; i++) {
		if (goids[i] != goid)
			continue;
		*ret = (struct node_id){ROW_OBJECT_LINK, dir.tree, goid};
		return 0;
	}
	return err ? err : -ENOENT;
}

static int list_waiters(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	uint64_t *goids cleanup_free_ = NULL;
	size_t n;
	int err = waiters(fs, dir, &goids, &n);

	for (size_t i = 0; i < n && !err && goids[i] <= NODE_KEY_MAX; i++)
		dirlist_add(list, goids[i], (struct node_id){ROW_OBJECT_LINK, dir.tree, goids[i]},
			    NULL);
	return err;
}

const struct node_family family_objects = {ROW_OBJECT, find, list};
const struct node_family family_object = {ROW_OBJECT_LINK, find_waiter, list_waiters};
