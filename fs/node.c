/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The node table and the code of inode numbers; no state, any thread. */
#include "fs/node.h"

#include <string.h>
#include <sys/stat.h>

#define J NODE_JSON
#define G NODE_GOROUTINE
#define H NODE_HEAVY
#define F NODE_FIND_HEAVY

/* What a row does not name is nothing. */
#define NODE(name_, parent_, kind_, flags_, ...)                                                   \
	{                                                                                          \
		.name = (name_), .parent = (parent_), .kind = (kind_), .flags = (flags_),          \
		__VA_ARGS__                                                                        \
	}

const struct node nodes[ROWS] = {
	[ROW_ROOT] = NODE("", ROW_ROOT, NODE_DIR, 0),
	[ROW_README] = NODE("README", ROW_ROOT, NODE_TEXT, 0, .view = view_readme),
	[ROW_EVENTS] = NODE("events", ROW_ROOT, NODE_LOG, 0),
	[ROW_EVENTS_JSONL] = NODE("events.jsonl", ROW_ROOT, NODE_LOG, J),
	[ROW_EVENTS_PIPE] = NODE("events_pipe", ROW_ROOT, NODE_PIPE, 0),
	[ROW_STATS] = NODE("stats", ROW_ROOT, NODE_TEXT, 0, .view = view_stats),
	[ROW_STATS_JSON] = NODE("stats.json", ROW_ROOT, NODE_TEXT, J, .view = view_stats),
	[ROW_METRICS] = NODE("metrics", ROW_ROOT, NODE_TEXT, 0, .view = view_metrics),
	[ROW_HEALTH] = NODE("health", ROW_ROOT, NODE_TEXT, H, .view = view_health),
	[ROW_HEALTH_JSON] = NODE("health.json", ROW_ROOT, NODE_TEXT, H | J, .view = view_health),
	[ROW_STACKS] = NODE("stacks", ROW_ROOT, NODE_TEXT, H | NODE_NO_STAT, .view = view_stacks),
	[ROW_TABLE] = NODE("goroutines.tsv", ROW_ROOT, NODE_TEXT, H, .view = view_goroutines),
	[ROW_TABLE_JSON] =
		NODE("goroutines.json", ROW_ROOT, NODE_TEXT, H | J, .view = view_goroutines),
	[ROW_GOROUTINES] = NODE("goroutines", ROW_ROOT, NODE_DIR, H, .family = &family_goroutines),
	[ROW_BY_STATE] = NODE("by-state", ROW_ROOT, NODE_DIR, 0, .family = &family_states),
	[ROW_BY_WAIT] = NODE("by-wait", ROW_ROOT, NODE_DIR, H | F, .family = &family_waits),
	[ROW_BY_FUNC] = NODE("by-func", ROW_ROOT, NODE_DIR, H | F, .family = &family_funcs),
	[ROW_TYPES] = NODE("types", ROW_ROOT, NODE_DIR, H | F, .family = &family_types),
	[ROW_PPROF] = NODE("pprof", ROW_ROOT, NODE_DIR, 0),
	[ROW_CONTROL] = NODE("control", ROW_ROOT, NODE_DIR, NODE_ROOT_ONLY),
	[ROW_PROCESSES] =
		NODE("processes", ROW_ROOT, NODE_DIR, NODE_ROOT_ONLY, .family = &family_processes),
	[ROW_SESSIONS] = NODE("sessions", ROW_ROOT, NODE_DIR, H | NODE_ROOT_ONLY,
			      .family = &family_sessions),

	[ROW_GOROUTINE] = NODE(NULL, ROW_GOROUTINES, NODE_DIR, G),
	[ROW_G_STATUS] = NODE("status", ROW_GOROUTINE, NODE_TEXT, G, .view = view_status),
	[ROW_G_STATUS_JSON] =
		NODE("status.json", ROW_GOROUTINE, NODE_TEXT, G | J, .view = view_status),
	[ROW_G_STATS] = NODE("stats", ROW_GOROUTINE, NODE_TEXT, G, .view = view_goroutine_stats),
	[ROW_G_STATS_JSON] =
		NODE("stats.json", ROW_GOROUTINE, NODE_TEXT, G | J, .view = view_goroutine_stats),
	[ROW_G_EVENTS] = NODE("events", ROW_GOROUTINE, NODE_LOG, G),
	[ROW_G_EVENTS_JSONL] = NODE("events.jsonl", ROW_GOROUTINE, NODE_LOG, G | J),
	[ROW_G_ALLOCATIONS] =
		NODE("allocations", ROW_GOROUTINE, NODE_TEXT, G, .view = view_allocations),
	[ROW_G_ALLOCATIONS_JSON] =
		NODE("allocations.json", ROW_GOROUTINE, NODE_TEXT, G | J, .view = view_allocations),
	[ROW_G_STACK] =
		NODE("stack", ROW_GOROUTINE, NODE_TEXT, G | H | NODE_NO_STAT, .view = view_stack),
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
	[ROW_TYPE] = NODE(NULL, ROW_TYPES, NODE_TEXT, 0),

	[ROW_PPROF_GOROUTINE] = NODE("goroutine", ROW_PPROF, NODE_TEXT, H | NODE_NO_STAT,
				     .view = view_pprof_goroutine),
	[ROW_PPROF_ALLOCS] =
		NODE("allocs", ROW_PPROF, NODE_TEXT, H | NODE_NO_STAT, .view = view_pprof_allocs),
	[ROW_PPROF_OFFCPU] =
		NODE("offcpu", ROW_PPROF, NODE_TEXT, H | NODE_NO_STAT, .view = view_pprof_offcpu),

	[ROW_SAMPLE] = NODE("sample", ROW_CONTROL, NODE_TEXT, 0, .control = &control_sample),
	[ROW_PAUSE] = NODE("pause", ROW_CONTROL, NODE_TEXT, 0, .control = &control_pause),
	[ROW_MAX_OVERHEAD] =
		NODE("max_overhead", ROW_CONTROL, NODE_TEXT, 0, .control = &control_max_overhead),
	[ROW_REPLAY] = NODE("replay", ROW_CONTROL, NODE_TEXT, 0, .control = &control_replay),

	[ROW_PROCESS] = NODE(NULL, ROW_PROCESSES, NODE_DIR, 0),
	[ROW_SESSION] = NODE(NULL, ROW_SESSIONS, NODE_DIR, H),
	[ROW_SESSION_METADATA] = NODE("metadata.json", ROW_SESSION, NODE_SESSION, H),
	[ROW_SESSION_EVENTS] = NODE("events.jsonl", ROW_SESSION, NODE_SESSION, H),
	[ROW_SESSION_PB] = NODE("events.pb", ROW_SESSION, NODE_SESSION, H),
};

_Static_assert(ROWS <= 1 << (64 - NODE_KEY_BITS - NODE_TREE_BITS), "a row fits its bits");
_Static_assert(MODEL_PROCS_MAX < 1 << NODE_TREE_BITS, "a tree fits its bits");

/* The key of a row that stands for itself. FUSE wants the root to have inode 1. */
static uint64_t own_key(enum node_row row)
{
	return row == ROW_ROOT ? 1 : 0;
}

uint64_t node_ino(struct node_id id)
{
	uint64_t key = id.key | own_key(id.row);

	return (uint64_t)id.row << (NODE_KEY_BITS + NODE_TREE_BITS) |
	       (uint64_t)id.tree << NODE_KEY_BITS | key;
}

bool node_decode(uint64_t ino, struct node_id *ret)
{
	unsigned row = (unsigned)(ino >> (NODE_KEY_BITS + NODE_TREE_BITS));

	if (row >= ROWS || !ino)
		return false;
	ret->row = (enum node_row)row;
	ret->tree = (unsigned)(ino >> NODE_KEY_BITS) & ((1u << NODE_TREE_BITS) - 1);
	ret->key = (ino & NODE_KEY_MAX) & ~own_key(ret->row);
	return true;
}

bool node_is_child(enum node_row dir, enum node_row row)
{
	const struct node *n = &nodes[row];

	if (row == ROW_ROOT || !n->name)
		return false;
	if (dir == ROW_PROCESS)
		return n->parent == ROW_ROOT && !(n->flags & NODE_ROOT_ONLY);
	return n->parent == dir;
}

int node_static_child(enum node_row dir, const char *name)
{
	for (int row = 0; row < ROWS; row++) {
		if (node_is_child(dir, (enum node_row)row) && !strcmp(nodes[row].name, name))
			return row;
	}
	return -1;
}

mode_t node_mode(enum node_row row)
{
	const struct node *n = &nodes[row];

	if (n->kind == NODE_DIR) /* a session can be deleted, with its files */
		return S_IFDIR | (row == ROW_SESSIONS || row == ROW_SESSION ? 0755 : 0555);
	if (n->kind == NODE_LINK)
		return S_IFLNK | 0777;
	return S_IFREG | (n->control ? 0644 : 0444);
}
