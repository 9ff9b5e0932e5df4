/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tree holds: static entries from the node table, families of goroutines, processes and
 * sessions from the model. Any thread.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"

unsigned fs_proc(const struct fs *fs, unsigned tree)
{
	return tree ? tree - 1 : view_root(fs->view);
}

static bool fs_row_here(const struct fs *fs, unsigned row)
{
	const struct view *v = fs->config.view;
	const struct node *n = &fs->nodes->rows[row];

	if (n->control)
		return n->control->here(v->control);
	if (n->view)
		return !n->view->here || n->view->here(v);
	if (row == ROW_BY_LABEL)
		return v->live->stacks;
	if (row == ROW_BY_OBJECT)
		return v->live->waits;
	if (row == ROW_SESSIONS)
		return fs->config.sessions != NULL;
	return true;
}

/* A session has events.pb or not, and is left without any by and by when it is deleted. */
static bool session_file_here(struct fs *fs, struct node_id id)
{
	const struct fs_sessions *s = fs->config.sessions;
	const char *name = fs_session_id(fs, id.key);
	uint64_t size, mtime_ns;

	return name && !s->stat(s->ctx, name, fs_node(fs, id)->name, false, &size, &mtime_ns);
}

/* Entries that are there for some goroutines or sessions only. */
static bool entry_here(struct fs *fs, struct node_id id)
{
	const struct node *n = fs_node(fs, id);
	bool living = n->view && n->view->living;
	struct view_about g;

	if (!fs_row_here(fs, id.row))
		return false;
	if (n->kind == NODE_SESSION)
		return session_file_here(fs, id);
	if (id.row != ROW_G_PARENT && !living)
		return true;
	if (view_about(fs->view, fs_proc(fs, id.tree), id.key, &g))
		return false;
	return living ? g.lives : g.parent != 0;
}

static struct node_id child_of(struct node_id dir, unsigned row)
{
	return (struct node_id){.row = row, .tree = dir.tree, .key = dir.key};
}

bool fs_is_here(struct fs *fs, struct node_id id)
{
	return entry_here(fs, id);
}

int fs_find(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	const struct node_family *family = fs_node(fs, dir)->family;
	int row = node_static_child(fs->nodes, dir.row, name);

	if (row >= 0) {
		*ret = child_of(dir, (unsigned)row);
		return entry_here(fs, *ret) ? 0 : -ENOENT;
	}
	return family ? family->find(fs, dir, name, ret) : -ENOENT;
}

int fs_list(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	const struct node_family *family = fs_node(fs, dir)->family;
	struct view_about g;
	int err;

	/* A folder whose goroutine is gone is no longer there. */
	if (fs_node(fs, dir)->flags & NODE_GOROUTINE) {
		err = view_about(fs->view, fs_proc(fs, dir.tree), dir.key, &g);
		if (err)
			return err;
	}
	for (unsigned row = 0; row < fs->nodes->n; row++) {
		struct node_id id = child_of(dir, row);

		if (node_is_child(fs->nodes, dir.row, id.row) && node_is_listed(fs->nodes, row) &&
		    entry_here(fs, id))
			dirlist_add(list, row, id, fs->nodes->rows[row].name);
	}
	err = family ? family->list(fs, dir, list) : 0;
	return err ? err : list->err;
}

/* --- goroutines/ and children/ ----------------------------------------------------------- */

_Static_assert(NODE_KEY_MAX == VIEW_FOLDER_GOID_MAX, "the views count those without a folder");

static int find_goroutine(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	struct view_about g;
	uint64_t goid;
	int err;

	if (parse_u64_name(name, &goid) || goid > NODE_KEY_MAX)
		return -ENOENT;
	err = view_about(fs->view, fs_proc(fs, dir.tree), goid, &g);
	if (err)
		return err;
	if (dir.row == ROW_G_CHILDREN && g.parent != dir.key)
		return -ENOENT;
	*ret = (struct node_id){
		.row = fs_node(fs, dir)->family->row, .tree = dir.tree, .key = goid};
	return 0;
}

int fs_list_goids(struct fs *fs, struct node_id dir, enum view_by by, uint64_t key,
		  struct dirlist *list)
{
	uint64_t *goids cleanup_free_ = NULL;
	size_t n;
	int err;

	view_await(fs->view, fs_proc(fs, dir.tree));
	err = view_members(fs->view, fs_proc(fs, dir.tree), by, key, &goids, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && goids[i] <= NODE_KEY_MAX; i++)
		dirlist_add(list, goids[i],
			    (struct node_id){fs_node(fs, dir)->family->row, dir.tree, goids[i]},
			    NULL);
	return 0;
}

static int list_goroutines(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	return fs_list_goids(fs, dir, VIEW_BY_NOTHING, 0, list);
}

static int list_children(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	return fs_list_goids(fs, dir, VIEW_BY_PARENT, dir.key, list);
}

const struct node_family family_goroutines = {ROW_GOROUTINE, find_goroutine, list_goroutines};
const struct node_family family_children = {ROW_G_CHILD, find_goroutine, list_children};

/* --- wait/ ------------------------------------------------------------------------------ */

static int find_condition(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	struct view_condition c;
	int err = view_condition_named(name, &c);

	if (!err)
		*ret = (struct node_id){fs_node(fs, dir)->family->row, dir.tree,
					(uint64_t)c.row << VIEW_CONDITION_BITS | c.number};
	return err;
}

struct view_condition fs_condition(struct node_id id)
{
	return (struct view_condition){
		.row = (unsigned)(id.key >> VIEW_CONDITION_BITS),
		.number = id.key & ((1ull << VIEW_CONDITION_BITS) - 1),
	};
}

/* Each would make who reads all that he finds wait: node_is_listed(). */
static int list_conditions(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	(void)fs;
	(void)dir;
	(void)list;
	return 0;
}

const struct node_family family_conditions = {ROW_CONDITION, find_condition, list_conditions};

_Static_assert(VIEW_CONDITIONS_MAX <= 1 << (NODE_KEY_BITS - VIEW_CONDITION_BITS),
	       "a condition fits a key");

/* --- processes/ ------------------------------------------------------------------------- */

static int find_process(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	int proc = view_proc_named(fs->view, name);

	if (proc < 0)
		return proc;
	*ret = (struct node_id){.row = ROW_PROCESS, .tree = (unsigned)proc + 1};
	return 0;
}

static int list_processes(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	unsigned procs = view_procs(fs->view);
	char name[32];

	for (unsigned p = 0; p < procs; p++) {
		struct node_id id = {.row = ROW_PROCESS, .tree = p + 1};

		if (!view_proc_name(fs->view, p, name, sizeof(name)))
			dirlist_add(list, p, id, name);
	}
	return 0;
}

const struct node_family family_processes = {ROW_PROCESS, find_process, list_processes};

/* --- sessions/ -------------------------------------------------------------------------- */

/* The key of a session id: they are few and stay, so each is given one for good. */
static int session_key(struct fs *fs, const char *id, uint64_t *ret)
{
	char **ids;
	size_t i;
	int err = 0;

	pthread_mutex_lock(&fs->sessions_lock);
	for (i = 0; i < fs->n_session_ids && strcmp(fs->session_ids[i], id); i++)
		;
	if (i == fs->n_session_ids) {
		ids = realloc(fs->session_ids, (i + 1) * sizeof(*ids));
		if (ids) {
			fs->session_ids = ids;
			ids[i] = strdup(id);
		}
		if (ids && ids[i])
			fs->n_session_ids++;
		else
			err = -ENOMEM;
	}
	pthread_mutex_unlock(&fs->sessions_lock);
	*ret = i;
	return err;
}

const char *fs_session_id(struct fs *fs, uint64_t key)
{
	const char *id;

	pthread_mutex_lock(&fs->sessions_lock);
	id = key < fs->n_session_ids ? fs->session_ids[key] : NULL;
	pthread_mutex_unlock(&fs->sessions_lock);
	return id;
}

static int find_session(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret)
{
	const struct fs_sessions *s = fs->config.sessions;
	uint64_t size, mtime_ns, key;
	int err = s->stat(s->ctx, name, NULL, false, &size, &mtime_ns);

	if (!err)
		err = session_key(fs, name, &key);
	if (err)
		return err;
	*ret = (struct node_id){.row = ROW_SESSION, .key = key};
	return 0;
}

struct session_list {
	struct fs *fs;
	struct dirlist *list;
};

static void add_session(void *arg, const char *name)
{
	struct session_list *l = arg;
	uint64_t key;
	int err = session_key(l->fs, name, &key);

	if (err)
		l->list->err = err;
	else
		dirlist_add(l->list, key, (struct node_id){.row = ROW_SESSION, .key = key}, name);
}

static int list_sessions(struct fs *fs, struct node_id dir, struct dirlist *list)
{
	struct session_list l = {fs, list};
	const struct fs_sessions *s = fs->config.sessions;
	int err = s->list(s->ctx, add_session, &l);

	dirlist_sort(list);
	return err;
}

int fs_remove(struct fs *fs, struct node_id dir, const char *name, bool folder)
{
	const struct fs_sessions *s = fs->config.sessions;
	const char *session = dir.row == ROW_SESSION ? fs_session_id(fs, dir.key) : NULL;

	if (dir.row == ROW_FROZENS && folder)
		return frozen_remove(fs, name);
	if (dir.row == ROW_SESSIONS && folder && s->rmdir)
		return s->rmdir(s->ctx, name);
	if (session && !folder && s->unlink)
		return s->unlink(s->ctx, session, name);
	return -EPERM;
}

const struct node_family family_sessions = {ROW_SESSION, find_session, list_sessions};

/* --- links ------------------------------------------------------------------------------ */

int fs_readlink(struct fs *fs, struct node_id id, struct buf *out)
{
	struct view_about g;
	int err;

	switch (id.row) {
	case ROW_G_PARENT:
		err = view_about(fs->view, fs_proc(fs, id.tree), id.key, &g);
		if (err)
			return err;
		buf_addf(out, "../%llu", (unsigned long long)g.parent);
		break;
	case ROW_LABEL_LINK:
		buf_addf(out, "../../../goroutines/%llu", (unsigned long long)id.key);
		break;
	case ROW_G_CHILD:
		buf_addf(out, "../../%llu", (unsigned long long)id.key);
		break;
	default:
		buf_addf(out, "../../goroutines/%llu", (unsigned long long)id.key);
		break;
	}
	return buf_error(out);
}
