/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The views: every figure and table that a person or a program is shown, each computed once, as
 * text and as JSON, so that what fs shows in files and web in answers cannot differ. Flat keyed
 * text ("key value" a line, lower case, units in the key) and tab-separated tables with a header
 * line; each has a JSON twin with the same keys.
 *
 * views.c is the table of them. Any thread.
 */
#ifndef XGOTOPFS_VIEW_VIEW_H
#define XGOTOPFS_VIEW_VIEW_H

#include "core/base/buf.h"
#include "core/model/control.h"
#include "core/model/meter.h"
#include "core/model/model.h"
#include "core/model/recording.h"
#include "core/view/live.h"

struct problem_memory;
struct pyramid;

struct view {
	struct model *model;
	struct meter *meter;     /* NULL: nobody is tracing, as in a session that is looked at */
	const struct live *live; /* never NULL; its functions may be */
	const struct control *control;   /* never NULL; its functions may be */
	struct pyramid *pyramid;         /* NULL: none is kept, what needs one gives -ENOSYS */
	struct problem_memory *problems; /* NULL: what is wrong is told while it is so */
	bool replay;
	/* The recording of what is seen: under way, or looked at. NULL: there is none. Any thread.
	 */
	void (*recording)(void *ctx, struct recording *ret);
	void *recording_ctx;
};

/* As above; RECORDING_NONE when there is none. */
void view_recording(const struct view *v, struct recording *ret);
/* "recording stopped: No space left on device", for a line; "" while it goes on. */
void view_recording_stop(const struct recording *rec, struct buf *out);

enum view_cost {
	VIEW_QUICK,  /* below a millisecond */
	VIEW_HEAVY,  /* may take milliseconds: by a helper thread */
	VIEW_COSTLY, /* and is not rendered for a stat, which reports the last size */
};

/* Somebody looks at a process, or at all (live.h): where memory alone tells of goroutines it is
 * read, which who can wait (a view that is HEAVY) waits for. */
void view_look(const struct view *v, unsigned proc, enum view_cost cost);
/* Somebody lists goroutines, and can wait: the first reading of very many is waited for. */
void view_await(const struct view *v, unsigned proc);
/* What is attached, for a line: "full", "demand, off"; "" of a recording. Its age is that of the
 * level, or of that it is off: " for 3m12s". */
void view_probes_word(const struct view *v, bool with_age, struct buf *out);

/* " (most by newobject, 2.1%)"; "" while nothing is hit. Also for that line. */
void view_dearest_word(const struct meter_sample *s, struct buf *out);
/* "goroutines:0.1"; "" where all are chosen. */
void view_choice_word(const struct view *v, struct buf *out);
/* What a recording, or what is exported, keeps of the source. */
void view_noted(const struct view *v, struct recording_noted *ret);
/* What -sample chooses, in its form; "": all of it. */
void view_sample(const struct view *v, char *ret, size_t size);
/* "budget 3%: 2.9% spent, …", for the statistics line; "" without a bound. */
void view_budget_word(const struct view *v, struct buf *out);
/* Of all processes together: "agrees", "3 differences", "off", …: the worst that is to be said of
 * one of them, for the statistics line. */
void view_audit_kept(const struct view *v, struct audit_kept *ret);
void view_audit_word(const struct view *v, struct buf *out);

/* The present of a process as views see it: now; when it ended; in a replay the last event's time,
 * at its end until when was recorded, or where there was none yet, that of its beginning. Of
 * VIEW_ALL_PROCS the last event's time, too, once all have ended. */
uint64_t view_now(const struct view *v, unsigned proc);
/* How a process ended: " with exit status 1", ", killed by signal 9 (SIGKILL)"; nothing where that
 * is not known. */
void view_ended_as(const struct proc_info *info, struct buf *out);
/*
 * A goroutine's state, as every view has it: an enum gstate, GSTATE_DEAD once it has exited, and
 * GSTATES when it is not known. The word for it is gstate_name()'s, or "unknown".
 */
unsigned view_state(const struct goroutine *g);
const char *view_state_name(unsigned state); /* "" when out of range */
/* The reverse; "exited" is "dead", too. -EINVAL: there is no such word. */
int view_state_parse(const char *word);

/* Rows with all_procs only: every process, told apart or summed up as the view has it. */
#define VIEW_ALL_PROCS UINT32_MAX

enum view_form { VIEW_TEXT, VIEW_JSON, VIEW_BINARY };

/* One question. Not shared between threads. */
struct view_query {
	unsigned proc; /* index; VIEW_ALL_PROCS where the row allows it */
	uint64_t goid; /* rows of a goroutine; else 0 */
	uint32_t type; /* rows of a type: its number (family.h) */
	enum view_form form;
	/* An argument's text or NULL. NULL: there are none (a file). */
	const char *(*arg)(void *ctx, const char *name);
	void *arg_ctx;
	size_t bytes_max;         /* of a stream; 0: no bound */
	const char *content_type; /* of the answer, when it is not its row's; static */
	/* With -EINVAL, and where it says more with another error: one line for who asked, naming
	 * the argument. "" when there is nothing to say. */
	char why[160];
};

/*
 * Renders one consistent snapshot into `out`; nothing is added when it fails. 0 or -errno: -ENOENT
 * (no such process or goroutine), -EINVAL (an argument: `why`), -ENOSYS (not here, for instance
 * stacks in a replay), -ESRCH (the target has ended), -ENOMEM.
 */
typedef int view_fn(const struct view *v, struct view_query *q, struct buf *out);

/* A long answer, made while it is taken. One thread at a time. */
struct view_stream {
	/* Appends the next piece, some 100 KB. 1: there is more, 0: that was the last, or -errno.
	 */
	int (*next)(void *ctx, struct buf *out);
	void (*free)(void *ctx);
	void *ctx;
};

/* For who wants it in one piece: past so many bytes it ends, and says so in its own format. */
#define VIEW_STREAM_MAX (256u << 20)

/* As a view_fn, but only begins; who asked calls free(). The view outlives it. */
typedef int view_stream_fn(const struct view *v, struct view_query *q, struct view_stream *ret);
enum view_scope { VIEW_PROCESS, VIEW_GOROUTINE, VIEW_TYPE };

/* For view_row.forms. */
#define VIEW_HAS(form) (1u << (form))

/*
 * One row is the file `name` and its twin `name`.json in the mount, the routes /api/live/name and
 * /api/sessions/{id}/name (of a goroutine: …/goroutines/{goid}/name, of a type: …/types/{type}), a
 * line in the mount's README and in docs/api.md, and a case of the test that holds mount and REST
 * against each other.
 */
struct view_row {
	const char *name; /* may hold one folder: "pprof/goroutine"; "": the scope's own path */
	const char *help; /* one line, for README and docs/api.md */
	enum view_scope scope;
	unsigned forms; /* VIEW_HAS() of each */
	enum view_cost cost;
	bool all_procs;   /* may be asked for VIEW_ALL_PROCS, which REST does unless ?proc= is given
			   */
	bool all_in_root; /* so is the file in the mount's root where several processes are traced
			   */
	view_fn *fn;
	view_stream_fn *stream; /* instead of fn: may be longer than is good to hold */
	bool no_file; /* it hangs on its arguments, or the mount has it as something else: REST only
		       */
	const char *takes;                  /* its arguments, between spaces; NULL: none */
	bool (*here)(const struct view *v); /* NULL: always */
	bool soon;   /* of what is known, though goroutines are still being read (view_await()) */
	bool moment; /* it tells of now, so snapshots/ keeps its text */
	bool living; /* of a goroutine: a file only while that lives */
	const char *suffix;       /* of the text's file; NULL: none */
	const char *content_type; /* of text and binary; NULL: text/plain */
	const char *download;     /* the file it is saved as; NULL: it is shown */
	bool own_format;          /* `format` is an argument that the function reads itself */
	/* What {} in the name stand for, as arguments. */
	const char *in_path[2];
};

/* Is an error of a view just that no process has been seen yet? */
bool view_waits(const struct view *v, const struct view_row *row, int err);
/*
 * A row in one piece: what fn gives, or the whole stream within VIEW_STREAM_MAX. While view_waits()
 * a line that says so, {"waiting":true}, or nothing in a binary form, and 0.
 */
int view_render(const struct view_row *row, const struct view *v, struct view_query *q,
		struct buf *out);

extern const struct view_row views[];
extern const unsigned n_views;

view_fn view_readme, view_stats, view_health, view_losses, view_audit, view_stacks, view_stack;
/* Prometheus text exposition format 0.0.4. */
view_fn view_metrics;
/* The self-metrics over time, an array a column. */
view_fn view_meter;
/* A table of goroutines, one a line; all of them unless told otherwise. */
view_fn view_goroutines;
/* The same as compact rows with the texts apart: what the UI follows. */
view_fn view_rows;
view_fn view_status, view_goroutine_stats;
/* Both at once, with the children that are known. */
view_fn view_goroutine;
view_fn view_goroutine_events, view_spans;
/* goid 0: of the whole process. */
view_fn view_allocations;
/* Sampled allocations by call site. */
view_fn view_alloc_sites;
/* Objects that goroutines wait on, a row each, and who may hold them; of one goroutine. */
view_fn view_wait_graph, view_goroutine_waits;
/* Where goroutines wait, a stack a row; start functions, one a row. */
view_fn view_wait_stacks, view_functions;
/* What is wrong, worst first: problems.h; and by which thresholds. */
view_fn view_problems, view_looked_for;
/* How many goroutines there are in each folder of a by-*, of one look. */
view_fn view_count_states, view_count_waits, view_count_funcs, view_count_objects,
	view_count_labels;
/* The runtime's own figures, read from memory. */
view_fn view_heap, view_sched_procs;
view_fn view_type;
/* For `go tool pprof`: gzip of pprof's format (core/pprof). profile.c says what each counts. */
view_fn view_pprof_cpu, view_pprof_cpu_since_start;
view_fn view_pprof_goroutine, view_pprof_allocs, view_pprof_offcpu, view_pprof_heap,
	view_pprof_leaks, view_pprof_creations;

/* The analyses: each says its arguments in views.c and its shape in docs/api.md. */
view_fn view_summary, view_leaks, view_sites, view_range, view_range_by, view_stays, view_flame,
	view_flame_stacks, view_flame_origin, view_flame_cpu, view_flame_alloc, view_edges,
	view_top;
/* Runnable to running: figures and histogram; the histogram alone; over time. */
view_fn view_sched_latency, view_latency, view_heat;
/* Who ran on which CPU; who ran while a goroutine could have; why it waited. */
view_fn view_lanes, view_ran_instead, view_blame;
/* The pyramid's. */
view_fn view_series, view_utilisation, view_tile, view_group_tile;

/* The retained events for ui.perfetto.dev. */
view_stream_fn view_trace;

/* Who takes stacks. The program may end while they are read: what was told then is a part, and is
 * to be forgotten by drop(), 0 or -errno, before all are told again, as they were read last. */
struct stack_taker {
	void *arg;
	live_text_fn *take;
	int (*drop)(void *arg);
};
/* What view_stacks() shows, a goroutine at a time and without a bound of their bytes (live.h).
 * -ESRCH: none, what was told is dropped, too. */
int view_each_stack(const struct view *v, unsigned proc, enum live_stacks what,
		    const struct stack_taker *taker, uint64_t *ret_as_of_ns);
/* "as of 2026-11-28T23:41:07.250Z, 3.2 s before the program ended", for stacks that are not of now.
 */
void view_stacks_as_of(const struct view *v, unsigned proc, uint64_t as_of_ns, struct buf *out);

#endif
