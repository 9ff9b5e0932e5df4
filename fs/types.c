/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * types/<type>: what a process allocated of one Go type. Two types may share a name; the one known
 * first has it, the others have "%~" and their number after it. Any thread.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int by_type(const void *a, const void *b)
{
	const struct allocation *x = a, *y = b;

	if (x->type_id != y->type_id)
		return x->type_id < y->type_id ? -1 : 1;
	return (int)x->event_type - (int)y->event_type;
}

/* The rows of a process by ascending type; the caller frees. */
static int totals(struct fs *fs, unsigned tree, struct allocation **ret, size_t *ret_n)
{
	int err = model_type_totals(fs->model, fs_proc(fs, tree), ret, ret_n);

	if (err == -ENOENT) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	if (!err && *ret_n > 1)
		qsort(*ret, *ret_n, sizeof(**ret), by_type);
	return err;
}

static const char *type_name(const struct fs *fs, uint32_t id)
{
	return names_type(model_names(fs->model), id)->name;
}

/* The name of a type's file: with its number when `shared` with one known before. */
static void file_name(const struct fs *fs, uint32_t id, bool shared, char ret[ESCAPE_MAX + 1])
{
	size_t keep;

	escape_name(type_name(fs, id), id, ret);
	if (!shared)
		return;
	keep = MIN(strlen(ret), (size_t)ESCAPE_MAX - 12);
	snprintf(ret + keep, ESCAPE_MAX + 1 - keep, "%%~%x", id);
}

/* An entry while the folder is put together: sorted by name to find those that share one. */
struct type_entry {
	const char *name;
	uint32_t id;
};

static int by_name(const void *a, const void *b)
{
	const struct type_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

static int list_types(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	struct allocation *rows cleanup_free_ = NULL;
	struct type_entry *entries cleanup_free_ = NULL;
	char name[ESCAPE_MAX + 1];
	size_t n, types = 0;
	int err = totals(fs, dir.tree, &rows, &n);

	if (err)
		return err;
	entries = calloc(n + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!i || rows[i].type_id != rows[i - 1].type_id)
			entries[types++] = (struct type_entry){type_name(fs, rows[i].type_id),
							       rows[i].type_id};
	}
	qsort(entries, types, sizeof(*entries), by_name);
	for (size_t i = 0; i < types; i++) {
		bool shared = i && !strcmp(entries[i].name, entries[i - 1].name);

		file_name(fs, entries[i].id, shared, name);
		dirlist_add(list, entries[i].id,
			    (struct node_id){ROW_TYPE, dir.tree, entries[i].id}, name);
	}
	dirlist_sort(list);
	return 0;
}

static bool was_allocated(struct fs *fs, unsigned tree, uint32_t id)
{
	struct allocation rows[3];

	return model_type_rows(fs->model, fs_proc(fs, tree), id, rows) > 0;
}

static int find_type(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	uint32_t n = names_types(model_names(fs->model));
	bool numbered = strstr(name, "%~");
	char other[ESCAPE_MAX + 1];

	for (uint32_t id = 0; id <= n; id++) {
		bool same = escape_is(type_name(fs, id), id, name);

		if (!same && numbered) {
			file_name(fs, id, true, other);
			same = !strcmp(other, name);
		}
		if (same && was_allocated(fs, dir.tree, id)) {
			*ret = (struct node_id){ROW_TYPE, dir.tree, id};
			return 0;
		}
	}
	return -ENOENT;
}

const struct node_family family_types = {ROW_TYPE, find_type, list_types};

int render_type(struct fs *fs, struct node_id id, struct buf *out)
{
	const struct go_type *type = names_type(model_names(fs->model), (uint32_t)id.key);
	struct allocation rows[3];
	uint64_t count = 0, bytes = 0;
	size_t n = model_type_rows(fs->model, fs_proc(fs, id.tree), (uint32_t)id.key, rows);

	buf_addf(out, "type %s\nkind %s\nsize_bytes %llu\n", type->name, go_kind_name(type->kind),
		 (unsigned long long)type->size);
	for (size_t i = 0; i < n; i++) {
		count += rows[i].count;
		bytes += rows[i].bytes;
		buf_addf(out, "%s_count %llu\n%s_bytes %llu\n", event_type_name(rows[i].event_type),
			 (unsigned long long)rows[i].count, event_type_name(rows[i].event_type),
			 (unsigned long long)rows[i].bytes);
	}
	buf_addf(out, "count %llu\nbytes %llu\n", (unsigned long long)count,
		 (unsigned long long)bytes);
	return n ? buf_error(out) : -ENOENT;
}
