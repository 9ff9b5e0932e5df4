/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of views: what a row is, view.h says. A new view is a function and a row here. */
#include "core/view/view.h"

#define BOTH   (VIEW_HAS(VIEW_TEXT) | VIEW_HAS(VIEW_JSON))
#define TEXT   VIEW_HAS(VIEW_TEXT)
#define JSON   VIEW_HAS(VIEW_JSON)
#define BINARY VIEW_HAS(VIEW_BINARY)
#define OCTETS .content_type = "application/octet-stream"

/* Of the time pyramid. */
#define BUCKETS .no_file = true, .in_path = {"level", "from"}
#define FLAME   .own_format = true
#define TILE    OCTETS, .no_file = true, .in_path = {"level", "index"}

static bool has_stacks(const struct view *v)
{
	return v->live->stacks;
}

static bool has_stack(const struct view *v)
{
	return v->live->stack;
}

static bool has_waits(const struct view *v)
{
	return v->live->waits;
}

static bool has_runtime(const struct view *v)
{
	return v->live->runtime;
}

static bool has_heap(const struct view *v)
{
	return v->live->heap_profile;
}

static bool has_leaks(const struct view *v)
{
	return v->live->leaks && v->live->stacks;
}

static bool has_meter(const struct view *v)
{
	return v->meter;
}

/* What a row does not name is nothing. */
#define ROW(name_, scope_, forms_, cost_, fn_, ...)                                                \
	{                                                                                          \
		.name = (name_), .scope = VIEW_##scope_, .forms = (forms_), .cost = VIEW_##cost_,  \
		.fn = (fn_), __VA_ARGS__                                                           \
	}

const struct view_row views[] = {
	ROW("README", PROCESS, TEXT, QUICK, view_readme, .help = "what is here"),
	ROW("health", PROCESS, BOTH, HEAVY, view_health, .soon = true, .moment = true,
	    .help = "can this be relied on: what is lost, what is not covered, what tracing costs"),
	ROW("problems", PROCESS, BOTH, COSTLY, view_problems, .moment = true,
	    .help = "read this first: what is wrong, worst first, and what to look at next"),
	ROW("looked_for", PROCESS, TEXT, QUICK, view_looked_for,
	    .help = "what problems looks for: each kind, with its thresholds"),
	ROW("audit", PROCESS, BOTH, QUICK, view_audit, .moment = true,
	    .help = "what events told, held each second against memory, and the difference"),
	ROW("stats", PROCESS, BOTH, QUICK, view_stats, .moment = true,
	    .help = "the program's counts, one `key value` a line"),
	ROW("metrics", PROCESS, TEXT, QUICK, view_metrics, .all_procs = true, .all_in_root = true,
	    .content_type = "text/plain; version=0.0.4; charset=utf-8",
	    .help = "the same for Prometheus"),
	ROW("losses", PROCESS, BOTH, QUICK, view_losses, .all_procs = true, .suffix = ".tsv",
	    .moment = true,
	    .help = "every way in which something can be lost, how much was, and what helps"),
	ROW("meter", PROCESS, JSON, QUICK, view_meter, .no_file = true, .all_procs = true,
	    .here = has_meter, .takes = "n",
	    .help = "what tracing did and cost, second by second: of the tracer, not of a process"),
	ROW("goroutines", PROCESS, BOTH, HEAVY, view_goroutines, .suffix = ".tsv",
	    .takes = "filter goids sort desc limit offset full", .moment = true,
	    .help = "all goroutines as one table with a header line"),
	ROW("rows", PROCESS, JSON, HEAVY, view_rows, .no_file = true, .soon = true,
	    .takes = "since after limit filter goids numbers",
	    .help = "goroutines that changed, compact, for the UI; columns below"),
	ROW("types", PROCESS, BOTH, HEAVY, view_allocations, .soon = true, .suffix = ".tsv",
	    .moment = true, .help = "what was allocated, by type"),
	ROW("stacks", PROCESS, TEXT, COSTLY, view_stacks, .here = has_stacks, .moment = true,
	    .help = "every goroutine's stack, as Go prints it (debug=2); the last ones when it has "
		    "ended"),
	ROW("pprof/goroutine", PROCESS, BINARY, COSTLY, view_pprof_goroutine, OCTETS,
	    .download = "xgotop-goroutine.pb.gz",
	    .help = "where goroutines are, for go tool pprof FILE"),
	ROW("pprof/allocs", PROCESS, BINARY, COSTLY, view_pprof_allocs, OCTETS,
	    .download = "xgotop-allocs.pb.gz",
	    .help = "what they allocate, and where: sampled, and by events"),
	ROW("pprof/heap", PROCESS, BINARY, COSTLY, view_pprof_heap, OCTETS, .here = has_heap,
	    .download = "xgotop-heap.pb.gz",
	    .help = "what they allocated that is still there: where the program keeps that itself"),
	ROW("pprof/cpu", PROCESS, BINARY, COSTLY, view_pprof_cpu, OCTETS,
	    .takes = "from to filter goids", .download = "xgotop-cpu.pb.gz",
	    .help = "where they spend CPU time, of the last 60 s, by samples"),
	ROW("pprof/cpu_since_start", PROCESS, BINARY, COSTLY, view_pprof_cpu_since_start, OCTETS,
	    .download = "xgotop-cpu-since-start.pb.gz",
	    .help = "the same since tracing began, without goroutines"),
	ROW("alloc_sites", PROCESS, BOTH, HEAVY, view_alloc_sites, .suffix = ".tsv",
	    .help = "who allocates how much, sampled: also append, strings, closures, fmt"),
	ROW("pprof/offcpu", PROCESS, BINARY, COSTLY, view_pprof_offcpu, OCTETS,
	    .download = "xgotop-offcpu.pb.gz", .takes = "system",
	    .help = "where they spend time not running"),
	ROW("pprof/creations", PROCESS, BINARY, COSTLY, view_pprof_creations, OCTETS,
	    .download = "xgotop-creations.pb.gz",
	    .help = "where goroutines are made: counted by go statement, on which ways sampled"),
	ROW("pprof/leaks", PROCESS, BINARY, COSTLY, view_pprof_leaks, OCTETS, .here = has_leaks,
	    .download = "xgotop-leaks.pb.gz",
	    .help = "where those are that nothing can wake any more: leaks, by stack"),
	ROW("waits", PROCESS, BOTH, COSTLY, view_wait_graph, .here = has_waits, .moment = true,
	    .help = "what goroutines wait on, one object a line, and who may hold it"),
	ROW("waits.tsv", PROCESS, BOTH, COSTLY, view_wait_stacks, .moment = true,
	    .help = "where goroutines wait, a stack a row: own frame, object, likely holder"),
	ROW("functions", PROCESS, BOTH, HEAVY, view_functions, .suffix = ".tsv", .moment = true,
	    .help = "by start function: states, started, ended, time, bytes; most live first"),
	ROW("by-state/COUNTS", PROCESS, BOTH, HEAVY, view_count_states, .moment = true,
	    .help = "how many are in each state, of one look"),
	ROW("by-wait/COUNTS", PROCESS, BOTH, HEAVY, view_count_waits, .moment = true,
	    .help = "how many wait for each reason, of one look"),
	ROW("by-func/COUNTS", PROCESS, BOTH, HEAVY, view_count_funcs, .moment = true,
	    .help = "how many live of each start function, at one moment"),
	ROW("by-object/COUNTS", PROCESS, BOTH, COSTLY, view_count_objects, .here = has_waits,
	    .moment = true, .help = "how many wait on each object, of one reading"),
	ROW("by-label/COUNTS", PROCESS, BOTH, COSTLY, view_count_labels, .here = has_stacks,
	    .help = "how many carry each profiler label, of one reading"),
	ROW("top", PROCESS, BOTH, COSTLY, view_top, .takes = "limit",
	    .help = "the busiest goroutines of the last second, and who hits the probes"),
	ROW("summary", PROCESS, BOTH, HEAVY, view_summary, .moment = true,
	    .help = "by start function: goroutines, events, bytes, time in each state"),
	ROW("leaks", PROCESS, BOTH, COSTLY, view_leaks,
	    .help = "goroutines that nothing can wake any more, proven from memory, the culprit "
		    "first"),
	ROW("sites", PROCESS, BOTH, HEAVY, view_sites, .moment = true,
	    .help = "goroutines by where they were made: how many live, what they wait for"),
	ROW("sched/latency", PROCESS, BOTH, QUICK, view_sched_latency, .all_procs = true,
	    .moment = true, .help = "how long goroutines that could run waited for a processor"),
	ROW("sched/procs", PROCESS, BOTH, COSTLY, view_sched_procs, .here = has_runtime,
	    .moment = true,
	    .help = "processors, threads, run queues, as GODEBUG=schedtrace prints them"),
	ROW("sched/cpus", PROCESS, BOTH, COSTLY, view_lanes, .takes = "from to n", .moment = true,
	    .help = "who ran on which CPU, of the last second, and what is not known of it"),
	ROW("heap", PROCESS, BOTH, COSTLY, view_heap, .here = has_runtime, .moment = true,
	    .help = "the heap, its goal and collections, as the runtime counts them"),
	ROW("latency", PROCESS, JSON, QUICK, view_latency, .all_procs = true, .no_file = true,
	    .help = "the counts of sched/latency alone"),
	ROW("flame/stacks", PROCESS, BOTH, COSTLY, view_flame_stacks, FLAME, .here = has_stacks,
	    .takes = "weight filter goids format",
	    .help = "where goroutines are, as folded stacks: for flamegraph.pl and speedscope"),
	ROW("flame/origin", PROCESS, BOTH, COSTLY, view_flame_origin, FLAME,
	    .takes = "weight filter goids format",
	    .help = "the same by start function, go statement and state"),
	ROW("flame/cpu", PROCESS, BOTH, COSTLY, view_flame_cpu, FLAME,
	    .takes = "from to weight filter goids format",
	    .help = "where CPU time is spent, by samples, of up to ten minutes"),
	ROW("flame/alloc", PROCESS, BOTH, COSTLY, view_flame_alloc, FLAME,
	    .takes = "from to weight filter goids format",
	    .help = "allocations that are events, by start function, call site and type"),
	ROW("flame", PROCESS, BOTH, COSTLY, view_flame, FLAME, .no_file = true,
	    .takes = "by from to weight filter goids format",
	    .help = "one of them, by=stack, origin, cpu or alloc"),
	ROW("trace/perfetto", PROCESS, BINARY, COSTLY, NULL, OCTETS, .stream = view_trace,
	    .all_procs = true, .download = "xgotop-live.pftrace",
	    .help = "the retained events, for ui.perfetto.dev"),
	ROW("range", PROCESS, BOTH, COSTLY, view_range, .own_format = true,
	    .takes = "from to filter goids format",
	    .help = "stays in each state: time, number, percentiles, longest"),
	ROW("range_by", PROCESS, BOTH, COSTLY, view_range_by, .suffix = ".tsv",
	    .takes = "by from to filter goids sort offset limit",
	    .help = "the same by reason, function, waker, go statement or caller"),
	ROW("stays", PROCESS, BOTH, COSTLY, view_stays,
	    .takes = "from to state min max limit filter goids",
	    .help = "the longest single stays"),
	ROW("edges", PROCESS, BOTH, COSTLY, view_edges, .no_file = true,
	    .takes = "from to limit filter goids", .help = "who woke or created whom"),
	ROW("latency/{}/{}", PROCESS, JSON, HEAVY, view_heat, BUCKETS, .takes = "n",
	    .help = "sched/latency over time"),
	ROW("series/{}/{}", PROCESS, JSON, HEAVY, view_series, BUCKETS, .takes = "n",
	    .help = "states, events, bytes and latency over time"),
	ROW("utilisation/{}/{}", PROCESS, JSON, HEAVY, view_utilisation, BUCKETS,
	    .takes = "n filter goids", .help = "how busy goroutines were over time"),
	ROW("tiles/{}/{}", PROCESS, BINARY, HEAVY, view_tile, TILE, .takes = "goids",
	    .help = "goroutines over time"),
	ROW("groups/{}/{}", PROCESS, BINARY, HEAVY, view_group_tile, TILE,
	    .takes = "filter goids by key", .help = "a group of goroutines over time"),

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
	    .help = "its stack, as Go prints it; of one that has ended when and how, and its last "
		    "one"),

	ROW("blame", GOROUTINE, BOTH, COSTLY, view_blame, .takes = "at",
	    .help = "why it waits, or waited longest: who ended or holds it, to the root"),
	ROW("ran_instead", GOROUTINE, BOTH, COSTLY, view_ran_instead, .takes = "at",
	    .help = "who ran while it could run and did not, now or the longest time"),
	ROW("waits", GOROUTINE, BOTH, COSTLY, view_goroutine_waits, .here = has_waits,
	    .living = true, .help = "what it waits on, who else does, and who may hold that"),

	ROW("", TYPE, BOTH, QUICK, view_type, .help = "what was allocated of one Go type"),
};

const unsigned n_views = ARRAY_SIZE(views);
