/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* README: for a person who just typed ls. Says what is here, in this mount, and ten things to do
 * with it. Any thread. */
#include <string.h>

#include "core/view/view_internal.h"

static const char about[] =
	"This folder shows a running Go program from the inside. Its files are made when you "
	"look:\n"
	"ls, cat, tail -f, grep, find, awk, watch and tar all work, and looking does not stop the\n"
	"program. What tracing costs it is in `health`.\n\n";

static const char replay[] = "This is a recorded session played back, not a running program.\n\n";

/* What is no view: files and folders that fs makes. */
struct line {
	const char *name, *help;
};

static const struct line of_process[] = {
	{"events", "every event as a line; grows as they happen (tail -f)"},
	{"events_wall", "the same with dates: 2025-11-23T12:13:20.123456789Z; not listed"},
	{"events.jsonl", "the same as JSON lines"},
	{"events_pipe",
	 "the same, but a read waits for the next event (lower delay); not listed, so\n"
	 "                    that cp -a or tar, which read all they find, do not wait"},
	{"by-state/ by-wait/ by-func/",
	 "live goroutines by state, wait reason, function (dead: ended)"},
	{"by-label/KEY/VALUE/", "by profiler label (pprof.Do), read when somebody looks"},
	{"by-object/", "by what they wait on: a folder an address (see waits)"},
	{"wait/goroutines_gt_N",
	 "a read waits until there are more, then gives a line; not listed"},
	{"wait/leaked", "until a goroutine is proven to be leaked"},
	{"wait/blocked_gt_D", "until one has waited for another longer than D, for instance 10s"},
	{"processes/PID/", "the same tree for every traced process"},
};

static const struct line of_goroutine[] = {
	{"events", "its own events only; events.jsonl, too"},
	{"parent children/", "links to its family"},
};

#define HELP_AT 20

static void add_line(struct buf *out, unsigned indent, const char *name, const char *end,
		     const char *help)
{
	int room = HELP_AT - (int)indent - 1 - (int)strlen(end);

	buf_addf(out, "%*s%s%s%*s %s\n", (int)indent, "", name, end,
		 MAX(0, room - (int)strlen(name)), "", help);
}

static void add_lines(struct buf *out, unsigned indent, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_line(out, indent, lines[i].name, "", lines[i].help);
}

/* The rows of the table that are here, a line each. */
static void add_views(const struct view *v, enum view_scope scope, unsigned indent, struct buf *out)
{
	for (unsigned i = 0; i < n_views; i++) {
		const struct view_row *row = &views[i];

		if (row->scope == scope && !row->no_file && row->fn != view_readme &&
		    (!row->here || row->here(v)))
			add_line(out, indent, row->name, row->suffix ? row->suffix : "", row->help);
	}
}

static void add_files(const struct view *v, struct buf *out)
{
	buf_adds(out, "WHAT IS HERE\n");
	add_views(v, VIEW_PROCESS, 2, out);
	add_lines(out, 2, of_process, ARRAY_SIZE(of_process));
	add_line(out, 2, "types/TYPE", "", "what was allocated of one Go type");
	if (v->control->set_rates || v->control->replay)
		add_line(out, 2, "control/", "",
			 "change sampling, probes or pause, as root: echo light > control/probes");
	add_line(out, 2, "snapshots/NAME/", "",
		 "mkdir keeps these tables as they are now, rmdir drops that; diff -r");
	add_line(out, 2, "goroutines/ID/", "", "one folder a goroutine:");
	add_views(v, VIEW_GOROUTINE, 6, out);
	add_lines(out, 6, of_goroutine, ARRAY_SIZE(of_goroutine));
	buf_adds(out, "  Most have a twin in JSON, NAME.json: health.json, goroutines.json, …\n");
}

static const char recipes[] =
	"\nTRY\n"
	"  cat problems                                    what is wrong, and what to look at "
	"next\n"
	"  tail -s 0.1 -f events                           what happens, as it happens\n"
	"  cat goroutines/41/events                        what goroutine 41 did\n"
	"  cat by-wait/COUNTS                              what goroutines wait for, how many "
	"each\n"
	"  find by-state/waiting -mindepth 1 -mmin +5      in one wait for more than five "
	"minutes\n"
	"  head waits.tsv functions.tsv                    where they wait; where they began\n"
	"  sort -t\"$(printf '\\t')\" -k12,12rn goroutines.tsv | head   largest\n"
	"  watch -n1 'grep -E \"^(goroutines|rps|lost)\" stats'\n"
	"  awk '$3==\"makeslice\"' events | grep -o 'caller=[^ ]*' | sort | uniq -c | sort -rn\n"
	"  readlink goroutines/41/parent                   who started it\n"
	"  mkdir snapshots/a && tar czf /tmp/incident.tgz -C snapshots a     keep it for later\n"
	"  cp events trace/perfetto /tmp                                     what happened, too\n";

static const char conventions[] =
	"\nHOW TO READ IT\n"
	"  `?` is what is not known, `-` what there is none of; in the .json twins both are null.\n"
	"  Units are in the key: _ns, _bytes, _percent. _unix_ns is a point in time, other _ns "
	"are\n"
	"  durations: state_since_ns is how long the present state has lasted. Time in a state\n"
	"  includes the stay under way. A goroutine that runs while its stack is copied or "
	"scanned\n"
	"  counts as running. Bytes are those of make and new; what a map takes is not counted.\n"
	"  `state_from memory` means that a goroutine's state was read from the program's memory, "
	"and\n"
	"  not told by an event. `state_since_is at_least`: it was so when it was read, and may "
	"have\n"
	"  been for longer. `about`: the Go runtime says since when (a goroutine stack dump has "
	"it\n"
	"  as \"5 minutes\"), which may be too long by the time between two collections.\n"
	"  A folder's mtime is the goroutine's last change of state, its ctime its creation.\n"
	"  `uncertain yes` means that an event of it may have been lost: its counts are a lower\n"
	"  bound, its times miss stays. `sample_...` lines say which events are only sampled.\n"
	"  Of exited goroutines only the latest are kept (-retain-exited): a table that misses "
	"some\n"
	"  ends with a line that says how many. `..._at_least yes`: the true figure may be "
	"greater.\n"
	"  top: RUN% and RDY% are the share of the time in its first line that a goroutine ran, "
	"or\n"
	"  could run but had no processor; `all` is their sum, 250 as much as 2.5 that always "
	"ran.\n"
	"  HITS/S is what a goroutine's own thread pays for, whomever the events tell of.\n"
	"  stats: retained_events and trimmed_events count one log of all processes; their sum is\n"
	"  all_processes_logged_events, while events_total is of this process.\n"
	"  sched/latency: `from_512_ns 7` counts waits: 7 took 512 ns or more, and less than "
	"1024.\n"
	"  goroutines.tsv, summary, goroutines/, by-state/dead, flame/origin and pprof/offcpu "
	"have\n"
	"  the retained exited ones, too, with state `dead`; all else counts live ones, but where "
	"a\n"
	"  name says created, exited or total.\n"
	"  A goroutine from 2^40 on (no Go program has one; a session from elsewhere may) is in "
	"all\n"
	"  tables, but has no folder and no link in those of by-*; the COUNTS say how many.\n"
	"  A key stands once, but for those that have a line a value: warning, limit, loss, "
	"probe,\n"
	"  difference, meaning. In `events` a reason is always in quotes; the name of a type or a\n"
	"  function is when it has a space, a quote or `=` in it.\n"
	"  What is written once stays: keys are never renamed.\n";

int view_readme(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct emit e;

	buf_adds(&text, about);
	if (v->replay)
		buf_adds(&text, replay);
	add_files(v, &text);
	buf_adds(&text, recipes);
	buf_adds(&text, conventions);
	if (buf_error(&text))
		return buf_error(&text);
	if (q->form == VIEW_TEXT) {
		buf_add(out, text.data, text.len);
		return buf_error(out);
	}
	emit_begin(&e, q->form, out);
	emit_string(&e, "text", text.data);
	return emit_end(&e);
}
