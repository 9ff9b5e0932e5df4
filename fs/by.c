/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * by-state, by-wait and by-func: folders of links to the goroutines that are in a state, wait for
 * a reason, or were started with a function now. Nothing is stored: who belongs where is asked of
 * the model at each look. Helper threads, but for the members, which any thread may look up.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <string.h>

#include "core/base/parse.h"

#define NAMES_KEEP_NS (250 * 1000000ull) /* how long a list of names serves lookups */
#define NAMES_MIN_NS  (20 * 1000000ull)  /* a name that is missing asks again after this */

/* The wait reasons or functions in use in one tree, by id: what lookups of names go through. */
struct by_names {
	pthread_mutex_t lock;
	/* All below is protected by lock. */
	unsigned row;
	unsigned tree;
	uint64_t made_ns;
	uint32_t *ids; /* ascending */
	size_t n;
};

int by_names_new(struct by_names **ret)
{
	struct by_names *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	pthread_mutex_init(&b->lock, NULL);
	*ret = b;
	return 0;
}

void by_names_free(struct by_names *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b->ids);
	free(b);
}

static enum view_by by_of(unsigned row)
{
	return row == ROW_STATE ? VIEW_BY_STATE : row == ROW_WAIT ? VIEW_BY_WAIT : VIEW_BY_FUNC;
}

static int find_member(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	uint64_t goid;

	if (parse_u64_name(name, &goid) || goid > NODE_KEY_MAX)
		return -ENOENT;
	*ret = (struct node_id){fs_node(fs, dir)->family->row, dir.tree, goid};
	return view_belongs(fs->view, fs_proc(fs, dir.tree), by_of(dir.row), dir.key, goid)
		       ? 0
		       : -ENOENT;
}

static int list_members(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	return fs_list_goids(fs, dir, by_of(dir.row), dir.key, list);
}

const struct node_family family_state = {ROW_STATE_LINK, find_member, list_members};
const struct node_family family_wait = {ROW_WAIT_LINK, find_member, list_members};
const struct node_family family_func = {ROW_FUNC_LINK, find_member, list_members};

/* --- by-state ---------------------------------------------------------------------------- */

static int find_state(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	for (unsigned state = 0; state <= GSTATES; state++) {
		if (!strcmp(view_state_name(state), name)) {
			*ret = (struct node_id){ROW_STATE, dir.tree, state};
			return 0;
		}
	}
	return -ENOENT;
}

static int list_states(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	for (unsigned state = 0; state <= GSTATES; state++) {
		if (view_state_shown(state))
			dirlist_add(list, state, (struct node_id){ROW_STATE, dir.tree, state},
				    view_state_name(state));
	}
	return 0;
}

const struct node_family family_states = {ROW_STATE, find_state, list_states};

/* --- by-wait, by-func: folders named by what is in use ----------------------------------- */

static const char *name_of(const struct fs *fs, uint32_t id)
{
	return view_key_name(fs->view, id);
}

static int list_names(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	unsigned row = fs_node(fs, dir)->family->row;
	uint32_t *ids cleanup_free_ = NULL;
	char name[ESCAPE_MAX + 1];
	size_t n;
	int err;

	view_await(fs->view, fs_proc(fs, dir.tree));
	err = view_keys(fs->view, fs_proc(fs, dir.tree), by_of(row), &ids, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		escape_name(name_of(fs, ids[i]), ids[i], name);
		dirlist_add(list, ids[i], (struct node_id){row, dir.tree, ids[i]}, name);
	}
	return 0;
}

/* The list serves this lookup when it is of this folder and young enough. */
static int names_refresh(struct fs *fs, struct by_names *b, unsigned row, unsigned tree,
			 uint64_t max_age_ns)
{
	uint64_t now = monotonic_ns();
	uint32_t *ids;
	size_t n;
	int err;

	if (b->made_ns && b->row == row && b->tree == tree && now - b->made_ns < max_age_ns)
		return 0;
	err = view_keys(fs->view, fs_proc(fs, tree), by_of(row), &ids, &n);
	if (err)
		return err;
	free(b->ids);
	b->row = row;
	b->tree = tree;
	b->made_ns = now;
	b->ids = ids;
	b->n = n;
	return 0;
}

static int find_name(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	unsigned row = fs_node(fs, dir)->family->row;
	struct by_names *b = fs->by_names;
	const uint64_t ages[] = {NAMES_KEEP_NS, NAMES_MIN_NS};
	int err = -ENOENT;

	pthread_mutex_lock(&b->lock);
	for (size_t turn = 0; err == -ENOENT && turn < ARRAY_SIZE(ages); turn++) {
		int failed = names_refresh(fs, b, row, dir.tree, ages[turn]);

		if (failed) {
			err = failed;
			break;
		}
		for (size_t i = 0; err && i < b->n; i++) {
			if (!escape_is(name_of(fs, b->ids[i]), b->ids[i], name))
				continue;
			*ret = (struct node_id){row, dir.tree, b->ids[i]};
			err = 0;
		}
	}
	pthread_mutex_unlock(&b->lock);
	return err;
}

const struct node_family family_waits = {ROW_WAIT, find_name, list_names};
const struct node_family family_funcs = {ROW_FUNC, find_name, list_names};
