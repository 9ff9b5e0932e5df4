/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The node table and its inode numbers: every row is reachable, every number means one node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "fs/node.h"

static void test_inodes(void **state)
{
	const uint64_t keys[] = {0, 1, 2, 3, 1ull << 32, NODE_KEY_MAX - 1, NODE_KEY_MAX};
	const unsigned trees[] = {0, 1, 2, MODEL_PROCS_MAX};
	struct node_id id;

	assert_int_equal(node_ino((struct node_id){.row = ROW_ROOT}), 1); /* FUSE_ROOT_ID */
	assert_true(node_decode(1, &id));
	assert_int_equal(id.row, ROW_ROOT);
	assert_int_equal(id.key, 0);
	assert_false(node_decode(0, &id));
	assert_false(node_decode(UINT64_MAX, &id));
	assert_false(node_decode((uint64_t)ROWS << (NODE_KEY_BITS + NODE_TREE_BITS), &id));
	for (int row = ROW_ROOT + 1; row < ROWS; row++) {
		for (size_t t = 0; t < ARRAY_SIZE(trees); t++) {
			for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
				struct node_id want = {(enum node_row)row, trees[t], keys[k]};

				assert_true(node_decode(node_ino(want), &id));
				assert_int_equal(id.row, want.row);
				assert_int_equal(id.tree, want.tree);
				assert_int_equal(id.key, want.key);
			}
		}
	}
}

/* Controls take commands; a session can be deleted. */
static mode_t writable(enum node_row row)
{
	if (nodes[row].kind == NODE_LINK)
		return 0222;
	return nodes[row].control || row == ROW_SESSIONS || row == ROW_SESSION ? 0200 : 0;
}

static void test_table(void **state)
{
	for (int row = ROW_ROOT + 1; row < ROWS; row++) {
		const struct node *n = &nodes[row];
		const struct node_family *family = nodes[n->parent].family;

		/* A row nobody filled in would look like the root. */
		assert_int_equal(nodes[n->parent].kind, NODE_DIR);
		if (n->name) {
			assert_true(n->name[0] != '\0');
			assert_int_equal(node_static_child(n->parent, n->name), row);
			assert_true(node_is_child(n->parent, (enum node_row)row));
			assert_int_equal(node_is_child(ROW_PROCESS, (enum node_row)row),
					 n->parent == ROW_ROOT && !(n->flags & NODE_ROOT_ONLY));
		} else {
			assert_non_null(family);
			assert_int_equal(family->row, row);
		}
		if (n->kind == NODE_TEXT && row != ROW_TYPE)
			assert_true(!n->view != !n->control);
		assert_int_equal(node_mode((enum node_row)row) & 0222,
				 writable((enum node_row)row));
	}
	assert_int_equal(node_static_child(ROW_ROOT, ""), -1);
	assert_int_equal(node_static_child(ROW_ROOT, "nothing"), -1);
	assert_int_equal(node_static_child(ROW_GOROUTINE, "control"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inodes),
		cmocka_unit_test(test_table),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
