/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The node table and the code of inode numbers. Once made, it is only read: any thread. */
#include "fs/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define J NODE_JSON
#define G NODE_GOROUTINE
#define H NODE_HEAVY
#define F NODE_FIND_HEAVY
#define S NODE_SLOW

/* What a row does not name is nothing. */
#define NODE(name_, parent_, kind_, flags_, ...)                                                   \
	{                                                                                          \
		.name = (name_), .parent = (parent_), .kind = (kind_), .flags = (flags_),          \
		__VA_ARGS__                                                                        \
	}

static const struct node fixed[ROWS_FIXED] = {
	[ROW_ROOT] = NODE("", ROW_ROOT, NODE_DIR, 0),
	[ROW_EVENTS] = NODE("events", ROW_ROOT, NODE_LOG, 0),
	[ROW_EVENTS_JSONL] = NODE("events.jsonl", ROW_ROOT, NODE_LOG, J),
	[ROW_EVENTS_WALL] = NODE("events_wall", ROW_ROOT, NODE_LOG, NODE_WALL),
	[ROW_EVENTS_PIPE] = NODE("events_pipe", ROW_ROOT, NODE_PIPE, 0),
	[ROW_GOROUTINES] = NODE("goroutines", ROW_ROOT, NODE_DIR, H, .family = &family_goroutines),
	[ROW_BY_STATE] = NODE("by-state", ROW_ROOT, NODE_DIR, 0, .family = &family_states),
	[ROW_BY_WAIT] = NODE("by-wait", ROW_ROOT, NODE_DIR, H | F, .family = &family_waits),
	[ROW_BY_FUNC] = NODE("by-func", ROW_ROOT, NODE_DIR, H | F, .family = &family_funcs),
	[ROW_BY_OBJECT] =
		NODE("by-object", ROW_ROOT, NODE_DIR, H | F | S, .family = &family_objects),
	[ROW_BY_LABEL] =
		NODE("by-label", ROW_ROOT, NODE_DIR, H | F | S, .family = &family_by_label),
	[ROW_TYPES] = NODE("types", ROW_ROOT, NODE_DIR, H | F, .family = &family_types),
	[ROW_CONDITIONS] = NODE("wait", ROW_ROOT, NODE_DIR, 0, .family = &family_conditions),
	[ROW_CONTROL] = NODE("control", ROW_ROOT, NODE_DIR, NODE_ROOT_ONLY),
	[ROW_PROCESSES] =
		NODE("processes", ROW_ROOT, NODE_DIR, NODE_ROOT_ONLY, .family = &family_processes),
	[ROW_SESSIONS] = NODE("sessions", ROW_ROOT, NODE_DIR, H | NODE_ROOT_ONLY,
			      .family = &family_sessions),

	[ROW_FROZENS] =
		NODE("snapshots", ROW_ROOT, NODE_DIR, NODE_ROOT_ONLY, .family = &family_frozens),

	[ROW_GOROUTINE] = NODE(NULL, ROW_GOROUTINES, NODE_DIR, G),
	[ROW_G_EVENTS] = NODE("events", ROW_GOROUTINE, NODE_LOG, G),
	[ROW_G_EVENTS_JSONL] = NODE("events.jsonl", ROW_GOROUTINE, NODE_LOG, G | J),
	[ROW_G_PARENT] = NODE("parent", ROW_GOROUTINE, NODE_LINK, G),
	[ROW_G_CHILDREN] =
		NODE("children", ROW_GOROUTINE, NODE_DIR, G | H, .family = &family_children),
	[ROW_G_CHILD] = NODE(NULL, ROW_G_CHILDREN, NODE_LINK, G),

	[ROW_STATE] = NODE(NULL, ROW_BY_STATE, NODE_DIR, H, .family = &family_state),
	[ROW_STATE_LINK] = NODE(NULL, ROW_STATE, NODE_LINK, G),
	[ROW_WAIT] = NODE(NULL, ROW_BY_WAIT, NODE_DIR, H, .family = &family_wait),
	[ROW_WAIT_LINK] = NODE(NULL, ROW_WAIT, NODE_LINK, G),
	[ROW_FUNC] = NODE(NULL, ROW_BY_FUNC, NODE_DIR, H, .family = &family_func),
	[ROW_FUNC_LINK] = NODE(NULL, ROW_FUNC, NODE_LINK, G),
	[ROW_OBJECT] = NODE(NULL, ROW_BY_OBJECT, NODE_DIR, H | F | S, .family = &family_object),
	[ROW_OBJECT_LINK] = NODE(NULL, ROW_OBJECT, NODE_LINK, G),
	[ROW_LABEL_KEY] =
		NODE(NULL, ROW_BY_LABEL, NODE_DIR, H | F | S, .family = &family_label_key),
	[ROW_LABEL_VALUE] =
		NODE(NULL, ROW_LABEL_KEY, NODE_DIR, H | F | S, .family = &family_label_value),
	[ROW_LABEL_LINK] = NODE(NULL, ROW_LABEL_VALUE, NODE_LINK, G),
	[ROW_TYPE] = NODE(NULL, ROW_TYPES, NODE_TEXT, 0),
	[ROW_CONDITION] = NODE(NULL, ROW_CONDITIONS, NODE_PIPE, 0),

	[ROW_SAMPLE] = NODE("sample", ROW_CONTROL, NODE_TEXT, 0, .control = &control_sample),
	[ROW_PAUSE] = NODE("pause", ROW_CONTROL, NODE_TEXT, 0, .control = &control_pause),
	[ROW_MAX_OVERHEAD] =
		NODE("max_overhead", ROW_CONTROL, NODE_TEXT, 0, .control = &control_max_overhead),
	[ROW_PROBES] = NODE("probes", ROW_CONTROL, NODE_TEXT, 0, .control = &control_probes),
	[ROW_REPLAY] = NODE("replay", ROW_CONTROL, NODE_TEXT, 0, .control = &control_replay),

	[ROW_PROCESS] = NODE(NULL, ROW_PROCESSES, NODE_DIR, 0),
	[ROW_SESSION] = NODE(NULL, ROW_SESSIONS, NODE_DIR, H),
	[ROW_SESSION_METADATA] = NODE("metadata.json", ROW_SESSION, NODE_SESSION, H),
	[ROW_SESSION_EVENTS] = NODE("events.jsonl", ROW_SESSION, NODE_SESSION, H),
	[ROW_SESSION_PB] = NODE("events.pb", ROW_SESSION, NODE_SESSION, H),
	[ROW_FROZEN] = NODE(NULL, ROW_FROZENS, NODE_DIR, 0, .family = &family_frozen),
	[ROW_FROZEN_FOLDER] = NODE(NULL, ROW_FROZEN, NODE_DIR, 0, .family = &family_frozen),
	[ROW_FROZEN_FILE] = NODE(NULL, ROW_FROZEN, NODE_TEXT, 0),
};

_Static_assert(NODE_ROWS_MAX <= 1 << (64 - NODE_KEY_BITS - NODE_TREE_BITS), "a row fits its bits");
_Static_assert(MODEL_PROCS_MAX < 1 << NODE_TREE_BITS, "a tree fits its bits");

static const struct {
	unsigned row, flags;
} scopes[] = {
	[VIEW_PROCESS] = {ROW_ROOT, 0},
	[VIEW_GOROUTINE] = {ROW_GOROUTINE, NODE_GOROUTINE},
};

static const unsigned costs[] = {
	[VIEW_QUICK] = 0,
	[VIEW_HEAVY] = NODE_HEAVY,
	[VIEW_COSTLY] = NODE_HEAVY | NODE_NO_STAT,
};

/* Adds a row named `name` and `suffix`; its number, or -errno. */
static int add(struct nodes *t, struct node node, const char *name, size_t len, const char *suffix)
{
	char *text = t->names[t->n];

	if (t->n == NODE_ROWS_MAX)
		return -E2BIG;
	if (snprintf(text, NODE_NAME_MAX, "%.*s%s", (int)len, name, suffix) >= NODE_NAME_MAX)
		return -ENAMETOOLONG;
	node.name = text;
	t->rows[t->n] = node;
	return (int)t->n++;
}

/* The folder that a view names, made when it is not there yet. */
static int folder_of(struct nodes *t, unsigned parent, const char *name, size_t len)
{
	struct node folder = {.parent = parent, .kind = NODE_DIR, .flags = t->rows[parent].flags};

	for (unsigned row = 0; row < t->n; row++) {
		const char *other = t->rows[row].name;

		if (node_is_child(t, parent, row) && !strncmp(other, name, len) && !other[len])
			return (int)row;
	}
	return add(t, folder, name, len, "");
}

static int add_view(struct nodes *t, const struct view_row *view)
{
	const char *slash = strchr(view->name, '/'), *name = slash ? slash + 1 : view->name;
	struct node node = {.kind = NODE_TEXT, .view = view, .form = VIEW_TEXT};
	int parent, row = 0;

	if (view->no_file)
		return 0;
	if (view->scope == VIEW_TYPE) { /* the files of a family, in text */
		t->rows[ROW_TYPE].view = view;
		t->rows[ROW_TYPE].flags |= costs[view->cost];
		return 0;
	}
	parent = (int)scopes[view->scope].row;
	if (slash)
		parent = folder_of(t, scopes[view->scope].row, view->name,
				   (size_t)(slash - view->name));
	if (parent < 0)
		return parent;
	node.parent = (unsigned)parent;
	node.flags = scopes[view->scope].flags | costs[view->cost];
	if (view->forms & VIEW_HAS(VIEW_BINARY))
		node.form = VIEW_BINARY;
	if (view->forms != VIEW_HAS(VIEW_JSON))
		row = add(t, node, name, strlen(name), view->suffix ? view->suffix : "");
	node.form = VIEW_JSON;
	if (row >= 0 && view->forms & VIEW_HAS(VIEW_JSON))
		row = add(t, node, name, strlen(name), ".json");
	return row < 0 ? row : 0;
}

int nodes_new(const struct view_row *rows, unsigned n_rows, struct nodes **ret)
{
	struct nodes *t = calloc(1, sizeof(*t));
	int err = 0;

	if (!t)
		return -ENOMEM;
	memcpy(t->rows, fixed, sizeof(fixed));
	t->n = ROWS_FIXED;
	for (unsigned i = 0; i < n_rows && !err; i++)
		err = add_view(t, &rows[i]);
	if (err) {
		free(t);
		return err;
	}
	*ret = t;
	return 0;
}

/* The key of a row that stands for itself. FUSE wants the root to have inode 1. */
static uint64_t own_key(unsigned row)
{
	return row == ROW_ROOT ? 1 : 0;
}

uint64_t node_ino(struct node_id id)
{
	uint64_t key = id.key | own_key(id.row);

	return (uint64_t)id.row << (NODE_KEY_BITS + NODE_TREE_BITS) |
	       (uint64_t)id.tree << NODE_KEY_BITS | key;
}

bool node_decode(const struct nodes *t, uint64_t ino, struct node_id *ret)
{
	unsigned row = (unsigned)(ino >> (NODE_KEY_BITS + NODE_TREE_BITS));

	if (row >= t->n || !ino)
		return false;
	ret->row = row;
	ret->tree = (unsigned)(ino >> NODE_KEY_BITS) & ((1u << NODE_TREE_BITS) - 1);
	ret->key = (ino & NODE_KEY_MAX) & ~own_key(row);
	return true;
}

bool node_is_child(const struct nodes *t, unsigned dir, unsigned row)
{
	const struct node *n = &t->rows[row];

	if (row == ROW_ROOT || !n->name)
		return false;
	if (dir == ROW_PROCESS)
		return n->parent == ROW_ROOT && !(n->flags & NODE_ROOT_ONLY);
	return n->parent == dir;
}

int node_static_child(const struct nodes *t, unsigned dir, const char *name)
{
	for (unsigned row = 0; row < t->n; row++) {
		if (node_is_child(t, dir, row) && !strcmp(t->rows[row].name, name))
			return (int)row;
	}
	return -1;
}

bool node_is_listed(const struct nodes *t, unsigned row)
{
	return t->rows[row].kind != NODE_PIPE && !(t->rows[row].flags & NODE_WALL);
}

mode_t node_mode(const struct nodes *t, unsigned row)
{
	const struct node *n = &t->rows[row];

	if (n->kind == NODE_DIR) /* a session can be deleted, with its files; a snapshot made */
		return S_IFDIR |
		       (row == ROW_SESSIONS || row == ROW_SESSION || row == ROW_FROZENS ? 0755
											: 0555);
	if (n->kind == NODE_LINK)
		return S_IFLNK | 0777;
	return S_IFREG | (n->control ? 0644 : 0444);
}
