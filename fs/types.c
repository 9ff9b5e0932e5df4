/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * types/<type>: what a process allocated of one Go type. Two types may share a name; the one known
 * first has it, the others have "%~" and their number after it. Any thread.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The name of a type's file: with its number when `shared` with one known before. */
static void file_name(const char *type, uint32_t id, bool shared, char ret[ESCAPE_MAX + 1])
{
	size_t keep;

	escape_name(type, id, ret);
	if (!shared)
		return;
	keep = MIN(strlen(ret), (size_t)ESCAPE_MAX - 12);
	snprintf(ret + keep, ESCAPE_MAX + 1 - keep, "%%~%x", id);
}

static int list_types(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	struct view_type_name *types cleanup_free_ = NULL;
	char name[ESCAPE_MAX + 1];
	size_t n;
	int err = view_types(fs->view, fs_proc(fs, dir.tree), &types, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		file_name(types[i].name, types[i].id, types[i].shared, name);
		dirlist_add(list, types[i].id, (struct node_id){ROW_TYPE, dir.tree, types[i].id},
			    name);
	}
	dirlist_sort(list);
	return 0;
}

static int find_type(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	bool numbered = strstr(name, "%~");
	char other[ESCAPE_MAX + 1];
	const char *type;

	for (uint32_t id = 0; view_type_at(fs->view, id, &type); id++) {
		bool same = escape_is(type, id, name);

		if (!same && numbered) {
			file_name(type, id, true, other);
			same = !strcmp(other, name);
		}
		if (same && view_type_used(fs->view, fs_proc(fs, dir.tree), id)) {
			*ret = (struct node_id){ROW_TYPE, dir.tree, id};
			return 0;
		}
	}
	return -ENOENT;
}

const struct node_family family_types = {ROW_TYPE, find_type, list_types};
