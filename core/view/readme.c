/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* README: for a person who just typed ls. Says what is here, in this mount, and ten things to do
 * with it. Any thread. */
#include "core/view/view_internal.h"

static const char about[] =
	"This folder shows a running Go program from the inside. Its files are made when you "
	"look:\n"
	"ls, cat, tail -f, grep, find, awk, watch and tar all work, and looking does not stop the\n"
	"program. What tracing costs it is in `health`.\n\n";

static const char replay[] = "This is a recorded session played back, not a running program.\n\n";

static const char files[] =
	"WHAT IS HERE\n"
	"  health            read this first: what is lost, what is not covered, what tracing "
	"costs\n"
	"  events            every event as a line; grows as they happen (tail -f)\n"
	"  events.jsonl      the same as JSON lines\n"
	"  events_pipe       the same, but a read waits for the next event (lower delay)\n"
	"  stats             the program's counts, one `key value` a line\n"
	"  metrics           the same for Prometheus\n"
	"  goroutines.tsv    all goroutines as one table with a header line\n"
	"  goroutines/ID/    one folder a goroutine:\n"
	"      status        state, why it waits, since when, who created it\n"
	"      stats         events, bytes, time in each state, time waiting for a processor\n"
	"      events        its own events only\n"
	"      allocations   what it allocated, by type\n"
	"      parent children/      links to its family\n"
	"  by-state/ by-wait/ by-func/   the same folders, grouped by state, wait reason, "
	"function\n"
	"  types/TYPE        what was allocated of one Go type\n"
	"  pprof/            goroutine, allocs, offcpu: for go tool pprof FILE\n"
	"  processes/PID/    the same tree for every traced process\n";

static const char stacks[] =
	"  stacks            every goroutine's stack, as Go prints it (debug=2)\n"
	"  goroutines/ID/stack       one goroutine's\n";

static const char controls[] = "  control/          change sampling or pause, as root\n";

static const char recipes[] =
	"\nTRY\n"
	"  tail -s 0.1 -f events                           what happens, as it happens\n"
	"  cat goroutines/41/events                        what goroutine 41 did\n"
	"  ls by-wait                                      what goroutines wait for\n"
	"  find goroutines -maxdepth 1 -mmin +5            in one state for more than five "
	"minutes\n"
	"  for d in by-wait/*; do echo \"$(ls \"$d\" | wc -l) $d\"; done | sort -rn   how many "
	"each\n"
	"  awk -F'\\t' 'NR>1{n[$5]++} END{for(f in n)print n[f],f}' goroutines.tsv | sort -rn\n"
	"                                                  goroutines by function: a leak is on "
	"top\n"
	"  sort -t\"$(printf '\\t')\" -k12,12rn goroutines.tsv | head   largest\n"
	"  watch -n1 'grep -E \"^(goroutines|rps|lost)\" stats'\n"
	"  awk '$3==\"makeslice\"' events | grep -o 'caller=[^ ]*' | sort | uniq -c | sort -rn\n"
	"  readlink goroutines/41/parent                   who started it\n"
	"  tar czf /tmp/incident.tgz health stats goroutines.tsv events      keep it for later\n";

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
	"  not told by an event: it has lasted at least as long as state_since_ns says.\n"
	"  A folder's mtime is the goroutine's last change of state, its ctime its creation.\n"
	"  `uncertain yes` means that an event of it may have been lost: its counts are a lower\n"
	"  bound, its times miss stays. `sample_...` lines say which events are only sampled.\n"
	"  goroutines.tsv has the retained exited ones, too, with state `dead`.\n"
	"  What is written once stays: keys are never renamed.\n";

int view_readme(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct emit e;

	buf_adds(&text, about);
	if (v->replay)
		buf_adds(&text, replay);
	buf_adds(&text, files);
	if (v->live->stacks)
		buf_adds(&text, stacks);
	if (v->control->set_rates || v->control->replay)
		buf_adds(&text, controls);
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
