/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The node table and its inode numbers: every row is reachable, every number means one node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "fs/node.h"

static int setup(void **state)
{
	return nodes_new(views, n_views, (struct nodes **)state);
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void test_inodes(void **state)
{
	const uint64_t keys[] = {0, 1, 2, 3, 1ull << 32, NODE_KEY_MAX - 1, NODE_KEY_MAX};
	const unsigned trees[] = {0, 1, 2, MODEL_PROCS_MAX};
	const struct nodes *t = *state;
	struct node_id id;

	assert_int_equal(node_ino((struct node_id){.row = ROW_ROOT}), 1); /* FUSE_ROOT_ID */
	assert_true(node_decode(t, 1, &id));
	assert_int_equal(id.row, ROW_ROOT);
	assert_int_equal(id.key, 0);
	assert_false(node_decode(t, 0, &id));
	assert_false(node_decode(t, UINT64_MAX, &id));
	assert_false(node_decode(t, (uint64_t)t->n << (NODE_KEY_BITS + NODE_TREE_BITS), &id));
	for (unsigned row = ROW_ROOT + 1; row < t->n; row++) {
		for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
			for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
				struct node_id want = {row, trees[i], keys[k]};

				assert_true(node_decode(t, node_ino(want), &id));
				assert_int_equal(id.row, want.row);
				assert_int_equal(id.tree, want.tree);
				assert_int_equal(id.key, want.key);
			}
		}
	}
}

/* Controls take commands; a session can be deleted, a snapshot made. */
static mode_t writable(const struct nodes *t, unsigned row)
{
	if (t->rows[row].kind == NODE_LINK)
		return 0222;
	return t->rows[row].control || row == ROW_SESSIONS || row == ROW_SESSION ||
			       row == ROW_FROZENS
		       ? 0200
		       : 0;
}

static void test_table(void **state)
{
	const struct nodes *t = *state;

	for (unsigned row = ROW_ROOT + 1; row < t->n; row++) {
		const struct node *n = &t->rows[row];
		const struct node_family *family = t->rows[n->parent].family;

		/* A row nobody filled in would look like the root. */
		assert_int_equal(t->rows[n->parent].kind, NODE_DIR);
		if (n->name) {
			assert_true(n->name[0] != '\0');
			assert_int_equal(node_static_child(t, n->parent, n->name), row);
			assert_true(node_is_child(t, n->parent, row));
			assert_int_equal(node_is_child(t, ROW_PROCESS, row),
					 n->parent == ROW_ROOT && !(n->flags & NODE_ROOT_ONLY));
		} else {
			assert_non_null(family);
			/* A snapshot has files and folders. */
			assert_int_equal(row == ROW_FROZEN_FOLDER ? ROW_FROZEN_FOLDER : family->row,
					 row);
		}
		if (n->kind == NODE_TEXT)
			assert_int_equal(!!n->view + !!n->control, row == ROW_FROZEN_FILE ? 0 : 1);
		assert_int_equal(node_mode(t, row) & 0222, writable(t, row));
	}
	assert_int_equal(node_static_child(t, ROW_ROOT, ""), -1);
	assert_int_equal(node_static_child(t, ROW_ROOT, "nothing"), -1);
	assert_int_equal(node_static_child(t, ROW_GOROUTINE, "control"), -1);
}

/* The row of a path below a folder; -1. */
static int row_of(const struct nodes *t, unsigned dir, const char *folder, const char *name)
{
	int row = (int)dir;

	if (folder)
		row = node_static_child(t, dir, folder);
	return row < 0 ? row : node_static_child(t, (unsigned)row, name);
}

static void is_file(const struct nodes *t, int row, enum view_form form, unsigned flags)
{
	assert_true(row >= ROWS_FIXED);
	assert_int_equal(t->rows[row].kind, NODE_TEXT);
	assert_int_equal(t->rows[row].form, form);
	assert_int_equal(t->rows[row].flags, flags);
}

/* What a row of the views becomes. */
static void test_views(void **state)
{
	static const struct view_row rows[] = {
		{.name = "a", .forms = VIEW_HAS(VIEW_TEXT) | VIEW_HAS(VIEW_JSON)},
		{.name = "t", .forms = VIEW_HAS(VIEW_TEXT) | VIEW_HAS(VIEW_JSON), .suffix = ".tsv"},
		{.name = "d/b", .forms = VIEW_HAS(VIEW_BINARY), .cost = VIEW_COSTLY},
		{.name = "d/j", .forms = VIEW_HAS(VIEW_JSON), .cost = VIEW_HEAVY},
		{.name = "a", .forms = VIEW_HAS(VIEW_TEXT), .scope = VIEW_GOROUTINE},
		{.name = "d/g", .forms = VIEW_HAS(VIEW_TEXT), .scope = VIEW_GOROUTINE},
	};
	const unsigned heavy = NODE_HEAVY, costly = NODE_HEAVY | NODE_NO_STAT, g = NODE_GOROUTINE;
	struct nodes *t;

	assert_int_equal(nodes_new(rows, ARRAY_SIZE(rows), &t), 0);
	is_file(t, row_of(t, ROW_ROOT, NULL, "a"), VIEW_TEXT, 0);
	is_file(t, row_of(t, ROW_ROOT, NULL, "a.json"), VIEW_JSON, 0);
	is_file(t, row_of(t, ROW_ROOT, NULL, "t.tsv"), VIEW_TEXT, 0);
	is_file(t, row_of(t, ROW_ROOT, NULL, "t.json"), VIEW_JSON, 0);
	is_file(t, row_of(t, ROW_ROOT, "d", "b"), VIEW_BINARY, costly);
	is_file(t, row_of(t, ROW_ROOT, "d", "j.json"), VIEW_JSON, heavy);
	is_file(t, row_of(t, ROW_GOROUTINE, NULL, "a"), VIEW_TEXT, g);
	is_file(t, row_of(t, ROW_GOROUTINE, "d", "g"), VIEW_TEXT, g);
	assert_int_equal(row_of(t, ROW_ROOT, "d", "j"), -1);
	assert_int_equal(row_of(t, ROW_ROOT, NULL, "t"), -1);
	assert_int_equal(row_of(t, ROW_GOROUTINE, NULL, "a.json"), -1);
	assert_int_equal(t->n, ROWS_FIXED + 6 + 2 + 2); /* files, folders, files of a goroutine */
	free(t);
}

/* Too many of them, or a name that is too long, is said at the start. */
static void test_too_much(void **state)
{
	struct view_row rows[NODE_ROWS_MAX];
	char names[NODE_ROWS_MAX][NODE_NAME_MAX + 1];
	struct nodes *t;

	for (unsigned i = 0; i < NODE_ROWS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "view%u", i);
		rows[i] = (struct view_row){.name = names[i], .forms = VIEW_HAS(VIEW_TEXT)};
	}
	assert_int_equal(nodes_new(rows, NODE_ROWS_MAX - ROWS_FIXED, &t), 0);
	free(t);
	assert_int_equal(nodes_new(rows, NODE_ROWS_MAX - ROWS_FIXED + 1, &t), -E2BIG);
	memset(names[0], 'x', NODE_NAME_MAX);
	names[0][NODE_NAME_MAX] = '\0';
	assert_int_equal(nodes_new(rows, 1, &t), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inodes),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_too_much),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
