/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The node table: every file and folder there is, one row each. Looking up, listing, attributes
 * and opening all go by it. The views' rows are made from their own table (core/view/views.c), with
 * the folders they name; the others stand in node.c.
 *
 * An inode is row, tree and key: nothing is kept for it, so nothing is to be forgotten. The key is
 * the goroutine, state, wait reason, function or type a row of a family stands for. Tree 0 is the
 * root's, tree p + 1 that of processes/<pid> for the process with index p (two trees for the first
 * process, with different inodes: a folder can have one place only). A number holds as long as the
 * mount: which row a view has hangs on which there are.
 */
#ifndef XGOTOPFS_FS_NODE_H
#define XGOTOPFS_FS_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/view/view.h"

enum node_kind {
	NODE_DIR,
	NODE_LINK,
	NODE_TEXT,    /* a snapshot rendered at open */
	NODE_LOG,     /* events: grows */
	NODE_PIPE,    /* events_pipe: blocks; see node_is_listed() */
	NODE_SESSION, /* a file of a recorded session */
};

enum node_flag {
	NODE_GOROUTINE = 1 << 0, /* the key is a goroutine, which must exist */
	NODE_JSON = 1 << 1,      /* of a log; a view says its form itself */
	NODE_HEAVY = 1 << 2,   /* rendering or listing may take milliseconds: by a helper thread */
	NODE_NO_STAT = 1 << 3, /* not rendered for a stat, which reports the last size */
	NODE_ROOT_ONLY = 1 << 4,  /* not in processes/<pid> */
	NODE_FIND_HEAVY = 1 << 5, /* of a folder: finding an entry may take milliseconds, too */
	NODE_SLOW = 1 << 6,       /* of such a folder: it may take a reading of the target */
	NODE_WALL = 1 << 7,       /* of a log: dates rather than UNIX seconds */
};

/* The rows that code speaks of: those of node.c, in their order. After them come the views. */
enum node_row {
	ROW_ROOT,
	ROW_EVENTS,
	ROW_EVENTS_JSONL,
	ROW_EVENTS_WALL,
	ROW_EVENTS_PIPE,
	ROW_GOROUTINES,
	ROW_BY_STATE,
	ROW_BY_WAIT,
	ROW_BY_FUNC,
	ROW_BY_OBJECT,
	ROW_BY_LABEL,
	ROW_TYPES,
	ROW_CONDITIONS,
	ROW_CONTROL,
	ROW_PROCESSES,
	ROW_SESSIONS,
	ROW_FROZENS,
	/* goroutines/<goid>/ */
	ROW_GOROUTINE,
	ROW_G_EVENTS,
	ROW_G_EVENTS_JSONL,
	ROW_G_PARENT,
	ROW_G_CHILDREN,
	ROW_G_CHILD,
	/* by-state/<state>/<goid> and so on */
	ROW_STATE,
	ROW_STATE_LINK,
	ROW_WAIT,
	ROW_WAIT_LINK,
	ROW_FUNC,
	ROW_FUNC_LINK,
	ROW_OBJECT,
	ROW_OBJECT_LINK,
	ROW_LABEL_KEY,
	ROW_LABEL_VALUE,
	ROW_LABEL_LINK,
	ROW_TYPE,
	ROW_CONDITION, /* wait/<condition>: a pipe that ends with a line */
	ROW_SAMPLE,
	ROW_PAUSE,
	ROW_MAX_OVERHEAD,
	ROW_PROBES,
	ROW_REPLAY,
	ROW_PROCESS, /* processes/<pid>: its children are the root's */
	ROW_SESSION,
	ROW_SESSION_METADATA,
	ROW_SESSION_EVENTS,
	ROW_SESSION_PB,
	ROW_FROZEN, /* snapshots/<name>, and what is in it: frozen.c */
	ROW_FROZEN_FOLDER,
	ROW_FROZEN_FILE,
	ROWS_FIXED,
};

struct node_id {
	unsigned row; /* in the table; < ROWS_FIXED: an enum node_row */
	unsigned tree;
	uint64_t key;
};

struct fs;
struct dirlist;

/* A folder whose entries are not rows: how to find one by name, and all of them. */
struct node_family {
	enum node_row row; /* of the entries */
	/* 0 and the entry, or -ENOENT. */
	int (*find)(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret);
	/* Adds every entry, by ascending key. 0 or -errno. */
	int (*list)(struct fs *fs, struct node_id dir, struct dirlist *list);
};

/* What a control file takes and shows. */
struct node_control {
	bool (*here)(const struct control *c);
	void (*show)(const struct control *c, struct buf *out);
	/* `text` without the newline; 0 or -errno, and then nothing has changed. With -EINVAL a
	 * line says what was wrong and what is taken, in `why` (size bytes). */
	int (*set)(const struct control *c, const char *text, char *why, size_t size);
};

struct node {
	const char *name; /* NULL: given by the parent's family */
	unsigned parent;
	enum node_kind kind;
	unsigned flags;
	const struct view_row *view;        /* NODE_TEXT, unless control, type or frozen */
	enum view_form form;                /* of the view */
	const struct node_family *family;   /* NODE_DIR */
	const struct node_control *control; /* NODE_TEXT, mode 0644 */
};

#define NODE_ROWS_MAX 256
#define NODE_NAME_MAX 48 /* of a view's file or folder, with its end */

struct nodes {
	unsigned n;
	struct node rows[NODE_ROWS_MAX];
	char names[NODE_ROWS_MAX][NODE_NAME_MAX]; /* of the views' rows */
};

/* The whole table: node.c's rows and those of the views (borrowed). 0, -ENOMEM; -E2BIG or
 * -ENAMETOOLONG for more than fits. free() it. */
int nodes_new(const struct view_row *views, unsigned n_views, struct nodes **ret);

/* Defined where they are at home: tree.c, by.c, control.c. */
extern const struct node_family family_goroutines, family_children, family_processes;
extern const struct node_family family_states, family_state, family_waits, family_wait;
extern const struct node_family family_conditions, family_frozens, family_frozen;
extern const struct node_family family_by_label, family_label_key, family_label_value;
extern const struct node_family family_objects, family_object;
extern const struct node_family family_funcs, family_func, family_types, family_sessions;
extern const struct node_control control_sample, control_pause, control_max_overhead;
extern const struct node_control control_probes, control_replay;

/* Bits of an inode number; a goroutine above NODE_KEY_MAX (VIEW_FOLDER_GOID_MAX) has no file. */
#define NODE_KEY_BITS  40
#define NODE_TREE_BITS 16
#define NODE_KEY_MAX   ((1ull << NODE_KEY_BITS) - 1)

uint64_t node_ino(struct node_id id);
/* false when no node can have this number. */
bool node_decode(const struct nodes *t, uint64_t ino, struct node_id *ret);
/* The row of the static entry `name` of folder `dir`; -1 when there is none. */
int node_static_child(const struct nodes *t, unsigned dir, const char *name);
/* Is `row` a static entry of folder `dir`? */
bool node_is_child(const struct nodes *t, unsigned dir, unsigned row);
/*
 * Is it in its folder's listing? A file whose read waits for what comes is not: it is for whom asks
 * by name. To be told from a regular file it would have to be a FIFO or a device, which the kernel
 * would open itself and not ask us; as a regular file it makes cp -a, tar or find -exec cat wait
 * for ever, as tracefs' trace_pipe does. Nor is one that has the lines of another file once more:
 * who copies the tree has them.
 */
bool node_is_listed(const struct nodes *t, unsigned row);
mode_t node_mode(const struct nodes *t, unsigned row); /* type and permissions */

#endif
