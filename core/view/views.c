/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of views: what a row is, view.h says. A new view is a function and a row here. */
#include "core/view/view.h"

#define BOTH   (VIEW_HAS(VIEW_TEXT) | VIEW_HAS(VIEW_JSON))
#define TEXT   VIEW_HAS(VIEW_TEXT)
#define JSON   VIEW_HAS(VIEW_JSON)
#define BINARY VIEW_HAS(VIEW_BINARY)
#define GZIP   .content_type = "application/octet-stream"

static bool has_stacks(const struct view *v)
{
	return v->live->stacks;
}

static bool has_stack(const struct view *v)
{
	return v->live->stack;
}

/* What a row does not name is nothing. */
#define ROW(name_, scope_, forms_, cost_, fn_, ...)                                                \
	{                                                                                          \
		.name = (name_), .scope = VIEW_##scope_, .forms = (forms_), .cost = VIEW_##cost_,  \
		.fn = (fn_), __VA_ARGS__                                                           \
	}

const struct view_row views[] = {
	ROW("README", PROCESS, TEXT, QUICK, view_readme, .help = "what is here"),
	ROW("health", PROCESS, BOTH, HEAVY, view_health,
	    .help = "read this first: what is lost, what is not covered, what tracing costs"),
	ROW("stats", PROCESS, BOTH, QUICK, view_stats,
	    .help = "the program's counts, one `key value` a line"),
	ROW("metrics", PROCESS, TEXT, QUICK, view_metrics, .all_procs = true,
	    .content_type = "text/plain; version=0.0.4; charset=utf-8",
	    .help = "the same for Prometheus"),
	ROW("goroutines", PROCESS, BOTH, HEAVY, view_goroutines, .suffix = ".tsv",
	    .takes = "filter goids sort desc limit offset full",
	    .help = "all goroutines as one table with a header line"),
	ROW("rows", PROCESS, JSON, HEAVY, view_rows, .no_file = true,
	    .takes = "since after limit filter goids",
	    .help = "goroutines that changed, compact, for the UI; columns below"),
	ROW("types", PROCESS, BOTH, HEAVY, view_allocations, .suffix = ".tsv",
	    .help = "what was allocated, by type"),
	ROW("stacks", PROCESS, TEXT, COSTLY, view_stacks, .here = has_stacks,
	    .help = "every goroutine's stack, as Go prints it (debug=2)"),
	ROW("pprof/goroutine", PROCESS, BINARY, COSTLY, view_pprof_goroutine, GZIP,
	    .download = "xgotop-goroutine.pb.gz",
	    .help = "where goroutines are, for go tool pprof FILE"),
	ROW("pprof/allocs", PROCESS, BINARY, COSTLY, view_pprof_allocs, GZIP,
	    .download = "xgotop-allocs.pb.gz", .help = "what they allocate, and where"),
	ROW("pprof/offcpu", PROCESS, BINARY, COSTLY, view_pprof_offcpu, GZIP,
	    .download = "xgotop-offcpu.pb.gz", .help = "where they spend time not running"),

	ROW("", GOROUTINE, JSON, HEAVY, view_goroutine, .no_file = true,
	    .help = "`status` and `stats` at once, and the children still known"),
	ROW("status", GOROUTINE, BOTH, QUICK, view_status,
	    .help = "state, why it waits, since when, who created it"),
	ROW("stats", GOROUTINE, BOTH, QUICK, view_goroutine_stats,
	    .help = "events, bytes, time in each state, time waiting for a processor"),
	ROW("events", GOROUTINE, JSON, HEAVY, view_goroutine_events, .no_file = true,
	    .takes = "from to limit format", .content_type = "application/x-ndjson",
	    .help = "the newest of its retained events"),
	ROW("spans", GOROUTINE, JSON, HEAVY, view_spans, .no_file = true,
	    .takes = "from to limit newest", .help = "its stays in a state, exact"),
	ROW("allocations", GOROUTINE, BOTH, QUICK, view_allocations,
	    .help = "what it allocated, by type"),
	ROW("stack", GOROUTINE, TEXT, COSTLY, view_stack, .here = has_stack,
	    .help = "its stack, as Go prints it"),
};

const unsigned n_views = ARRAY_SIZE(views);
