/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is there, for whoever makes folders of them or carries events: goroutines by what they have
 * in common, types, processes; numbers and times, and never a copy of all goroutines. Any thread.
 */
#ifndef XGOTOPFS_VIEW_FAMILY_H
#define XGOTOPFS_VIEW_FAMILY_H

#include "core/model/event_format.h"
#include "core/view/view.h"

/* --- goroutines --------------------------------------------------------------------------- */

/* The largest number of one that has a folder, and a link in those of by-*: an inode holds no more
 * bits. No Go program comes near: a P takes its numbers 16 at a time, from 1 on. A session from
 * elsewhere may have any; the tables have those, and the COUNTS say how many there are. */
#define VIEW_FOLDER_GOID_MAX ((1ull << 40) - 1)

/* What a folder of one says. Times: UNIX time in ns, 0 when not known. */
struct view_about {
	uint64_t parent; /* 0: none, or not known */
	bool lives;      /* has not exited; when its process has ended: until then */
	uint64_t created_ns, changed_ns, last_event_ns;
};

/* 0 or -ENOENT. */
int view_about(const struct view *v, unsigned proc, uint64_t goid, struct view_about *ret);
/* When it did something last, CLOCK_MONOTONIC; 0: never, or it is gone. */
uint64_t view_last_event(const struct view *v, unsigned proc, uint64_t goid);

/* What they have in common: the folders of a family, each of which is a key. */
enum view_by {
	VIEW_BY_NOTHING, /* all, also exited ones; key 0 */
	VIEW_BY_PARENT,  /* of this goroutine */
	VIEW_BY_STATE,   /* as view_state() has it */
	VIEW_BY_WAIT,    /* why they wait */
	VIEW_BY_FUNC,    /* the start function of those that live */
};

/* Their numbers, ascending; the caller frees. Without such a process there are none. 0, -ENOMEM. */
int view_members(const struct view *v, unsigned proc, enum view_by by, uint64_t key, uint64_t **ret,
		 size_t *ret_n);
bool view_belongs(const struct view *v, unsigned proc, enum view_by by, uint64_t key,
		  uint64_t goid);

/* BY_WAIT, BY_FUNC: the keys in use now, ascending; the caller frees. 0 or -ENOMEM. */
int view_keys(const struct view *v, unsigned proc, enum view_by by, uint32_t **ret, size_t *ret_n);
/* Its name, as long as the model lives; "" when not known. */
const char *view_key_name(const struct view *v, uint32_t key);

/* Is it a state of Go, and one that lasts long enough to have a folder? */
bool view_state_shown(unsigned state);

/* What goroutines wait on, by address, ascending, each once, as the memory of a live process has it
 * (core/memory/wait_graph.h); none where nobody can say. The caller frees. May take a reading of
 * the target. 0 or -ENOMEM. */
int view_objects(const struct view *v, unsigned proc, uint64_t **ret, size_t *ret_n);
/* Who waits on one: their numbers, ascending; the caller frees. 0, -ENOMEM, -ENOENT (nobody). */
int view_object_waiters(const struct view *v, unsigned proc, uint64_t address, uint64_t **ret,
			size_t *ret_n);

/* A profiler label (runtime/pprof.Do) of a goroutine; escaped as all text is. */
struct view_label {
	uint64_t goid;
	const char *key, *value; /* in texts */
};

struct view_labels {
	struct view_label *list; /* by key, value, goid */
	size_t n;
	char *texts;
};

/* Those that goroutines carry now; none where nobody can say. Reads the target. 0 or -ENOMEM;
 * view_labels_done() afterwards. */
int view_labels(const struct view *v, unsigned proc, struct view_labels *ret);
void view_labels_done(struct view_labels *l);

/* Its retained events with numbers in [from, to), oldest first; the caller frees both. 0, -ENOMEM;
 * none of one that is not there. */
int view_events_between(const struct view *v, unsigned proc, uint64_t goid, uint64_t from,
			uint64_t to, struct event **ret, uint64_t **ret_seqs, size_t *ret_n);

/* --- types -------------------------------------------------------------------------------- */

struct view_type_name {
	uint32_t id;
	bool shared;      /* with one that was known before */
	const char *name; /* as long as the model lives; "" when not known */
};

/* Those a process has allocated, by name; the caller frees. 0 or -ENOMEM. */
int view_types(const struct view *v, unsigned proc, struct view_type_name **ret, size_t *ret_n);
/* Those of all processes are numbered from 0 on: the name of `id`, false past the last. */
bool view_type_at(const struct view *v, uint32_t id, const char **ret_name);
/* Has the process allocated any? */
bool view_type_used(const struct view *v, unsigned proc, uint32_t id);
/* The first one with that name that it has. 0 or -ENOENT. */
int view_type_of(const struct view *v, unsigned proc, const char *name, uint32_t *ret);

/* --- processes ---------------------------------------------------------------------------- */

unsigned view_procs(const struct view *v);
int view_proc(const struct view *v, unsigned proc, struct proc_info *ret); /* -ENOENT */
/* The pid of a process by index, also of one that is not kept any more; 0: there was none. */
int view_pid_was(const struct view *v, unsigned proc);
/*
 * A process's name among all: its pid, "4000"; one whose number another has now, since it executed
 * another program or the kernel gave the number again, is "4000.1", the next such "4000.2". 0 or
 * -ENOENT. And the index by that name; -ENOENT.
 */
int view_proc_name(const struct view *v, unsigned proc, char *ret, size_t size);
int view_proc_named(const struct view *v, const char *name);
/* The index of the one that is meant where none is named. */
unsigned view_root(const struct view *v);
bool view_ended(const struct view *v, unsigned proc);

/* --- the log of events -------------------------------------------------------------------- */

struct feed *view_feed(const struct view *v);
struct names *view_names(const struct view *v); /* that its events have numbers of */
/* How its events are written; pid_of is left NULL. */
struct event_format view_event_format(const struct view *v);
/* One as the API gives it: a JSON object, no line end after it; with its pid where there are
 * several processes. */
void view_event_json(const struct view *v, const struct event *ev, struct buf *out);
/* What it and they take: for statfs(2). */
struct view_space {
	uint64_t bytes, used_bytes, goroutines;
};
void view_space(const struct view *v, struct view_space *ret);

#endif
