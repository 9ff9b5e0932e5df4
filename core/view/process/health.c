/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Can what the other files say be relied on? A verdict first, then why: what is lost, what is not
 * covered, what tracing costs, where the knowledge about the target comes from, and each probe.
 * For a person at three in the morning; flat keyed all the same. Any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/view/probes.h"
#include "core/view/process/losses.h"
#include "core/view/process/process.h"
#include "core/view/view_internal.h"

struct facts {
	const struct view *v;
	unsigned proc;
	struct proc_info info;
	struct model_totals t;
	struct meter_sample s;
	struct health h;
	bool have_health, sampled, paused;
	bool have_probes;
	struct live_probes probes;
	uint32_t rates[RATES];
	uint64_t lost, events;
	unsigned slow_probes;
	struct recording recording;
	struct losses losses;
	struct audit audit;
};

static void gather(struct facts *x, const struct view *v, unsigned proc)
{
	x->proc = proc;
	model_totals(v->model, (int)proc, &x->t);
	if (v->meter)
		meter_last(v->meter, &x->s);
	x->lost = event_counts_sum(x->t.lost);
	x->events = event_counts_sum(x->t.events);
	view_recording(v, &x->recording);
	losses_count(v, &x->losses);
	view_audit_of(v, proc, &x->audit);
	x->sampled = view_rates(v, x->rates);
	x->paused = v->control->get_paused && v->control->get_paused(v->control->ctx);
	x->have_probes = view_probes(v, proc, &x->probes);
	x->have_health = v->live->health && v->live->health(v->live->ctx, proc, &x->h) == 0;
	for (unsigned i = 0; x->have_health && i < x->h.n_probes; i++)
		x->slow_probes += !x->h.probes[i].emulated;
}

static double lost_percent(const struct facts *x)
{
	uint64_t all = x->lost + x->events;

	return all ? 100.0 * (double)x->lost / (double)all : 0;
}

static void tell(struct emit *e, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void tell(struct emit *e, const char *key, const char *fmt, ...)
{
	char text[1300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit_list_item(e, key, text);
}

/* It makes the figures wrong, or nobody knows whether they are right. */
#define warn(e, ...) tell(e, "warning", __VA_ARGS__)
/* The figures are right, and this is what they are of. */
#define limit(e, ...) tell(e, "limit", __VA_ARGS__)

#define LLU(n) ((unsigned long long)(n))

/* The figures here are right, but not all of it will be there to be looked at again. */
static unsigned recording_warnings(struct emit *e, const struct facts *x)
{
	const struct recording *rec = &x->recording;
	cleanup_buf_ struct buf stop = BUF_INIT;
	unsigned n = 0;

	view_recording_stop(rec, &stop);
	if (stop.len) {
		warn(e, "%s; %llu events that came since are not in it", stop.data,
		     LLU(rec->not_recorded));
		n++;
	}
	if (rec->changed) {
		warn(e, "the session's file was changed in place while it was read: what is shown "
			"may be of two sessions, or of none; look at it anew");
		n++;
	}
	if (rec->torn_bytes) {
		warn(e,
		     "the recorded session is torn: %llu bytes after the last whole record could "
		     "not be read: %s",
		     LLU(rec->torn_bytes), rec->torn_why);
		n++;
	}
	if (rec->missed) {
		warn(e, "the recording could not keep up: %llu events are not in it",
		     LLU(rec->missed));
		n++;
	}
	return n;
}

static unsigned loss_warnings(struct emit *e, const struct facts *x, enum loss_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];
		uint64_t count = losses_of(&x->losses, way);

		if (way->kind != kind || !count || way->said)
			continue;
		tell(e, kind == LOSS_DATA ? "warning" : "limit", "%llu %s %s%s%s", LLU(count),
		     way->unit, way->what, way->knob[0] ? "; what helps: " : "", way->knob);
		n++;
	}
	return n;
}

static unsigned audit_warnings(struct emit *e, const struct facts *x)
{
	cleanup_buf_ struct buf line = BUF_INIT;

	if (!audit_total(&x->audit) && x->audit.state != AUDIT_BLIND)
		return 0;
	view_audit_line(&x->audit, &line);
	warn(e, "the audit %s; see `audit`", line.data ? line.data : "");
	return 1;
}

/* No event is seen, and memory is read. */
static bool from_memory(const struct facts *x)
{
	return x->have_probes && x->probes.off && !x->paused && x->info.state == PROC_RUNNING;
}

/* Nothing speaks against the figures, and nothing proves them. */
static unsigned unproven(struct emit *e, const struct facts *x)
{
	cleanup_buf_ struct buf line = BUF_INIT;
	unsigned n = 0;

	if (from_memory(x) && !x->probes.as_of_ns) {
		warn(e, "memory was not read yet: nothing is known of goroutines");
		n++;
	}
	if (x->v->live->audit &&
	    (x->audit.state == AUDIT_WAITING || x->audit.state == AUDIT_BEHIND)) {
		view_audit_line(&x->audit, &line);
		warn(e, "the audit: %s", line.data ? line.data : "");
		n++;
	}
	return n;
}

/* What went wrong: it makes the figures wrong. */
static unsigned data_warnings(struct emit *e, const struct facts *x)
{
	unsigned n = 0;

	if (x->lost) {
		warn(e,
		     "%llu events lost (%.4f%%): counts are too low by that, times may miss stays",
		     LLU(x->lost), lost_percent(x));
		n++;
	}
	if (x->t.in_doubt) {
		warn(e, "state changes were lost or not watched, or very many goroutines are met "
			"for the first time; memory was not read since: the "
			"states of "
			"goroutines, and which there are, are in doubt");
		n++;
	}
	n += loss_warnings(e, x, LOSS_DATA);
	if (x->have_health && x->h.unseen[0]) {
		warn(e, "not seen: %s", x->h.unseen);
		n++;
	}
	if (x->have_health && x->h.file_trouble) {
		warn(e, "nothing is traced: the file is %s", x->h.file);
		n++;
	}
	if (x->have_health && x->h.path_why[0]) {
		warn(e,
		     "another file is in its place and cannot be traced, whoever runs it is not "
		     "followed: %s",
		     x->h.path_why);
		n++;
	}
	n += audit_warnings(e, x);
	return n + recording_warnings(e, x);
}

/* For how long nobody saw events, where no other limit says that. */
static uint64_t without_probes_ns(const struct facts *x)
{
	if (x->v->replay)
		return x->recording.probes_off_ns;
	return x->have_probes && !x->paused && !from_memory(x) && !view_in_windows(x->v)
		       ? x->probes.off_ns
		       : 0;
}

/* What the reader should know; nothing is wrong. What this release of Go hides is no part of it: it
 * is so of every program, and stands in not_covered. */
static unsigned limits(struct emit *e, const struct facts *x)
{
	cleanup_buf_ struct buf rates = BUF_INIT, line = BUF_INIT, off = BUF_INIT, set = BUF_INIT;
	cleanup_buf_ struct buf ended = BUF_INIT;
	uint64_t off_ns = without_probes_ns(x);
	unsigned n = 0;

	if (x->info.state == PROC_EXITED) {
		view_ended_as(&x->info, &ended);
		if (x->info.execed)
			limit(e, "the process executed %s: everything stands as it was then",
			      x->info.execed_path[0] ? x->info.execed_path : "another program");
		else
			limit(e, "the target has ended%s: everything stands as it was then",
			      ended.data ? ended.data : "");
		n++;
	}
	if (from_memory(x)) {
		view_probes_line(x->v, x->proc, &x->probes, &line);
		limit(e, "goroutines are told by %s; events are neither seen nor counted",
		      line.data ? line.data : "");
		n++;
	}
	if (x->paused) {
		limit(e, "paused: no probe is attached (write 0 to control/pause to go on)");
		n++;
	}
	if (x->v->replay && x->recording.sample[0]) {
		limit(e, "recorded with -sample %s: what was not chosen is not in it",
		      x->recording.sample);
		n++;
	}
	if (off_ns) {
		emit_duration(&off, off_ns);
		limit(e, "no probe was attached for %s in all: of that time there are no events",
		      off.data ? off.data : "a part");
		n++;
	}
	if (x->sampled) {
		control_format_rates(x->rates, &rates);
		limit(e, "sampled (%s): counts are samples, what is not named is not counted%s",
		      rates.len ? rates.data : "nothing",
		      x->rates[RATE_GOROUTINES] < RATE_ONE
			      ? "; goroutines that are not chosen have no events, memory tells "
				"their states and ends; how many began and ended is exact while "
				"probes are in (events_* and not_chosen_* in stats together), "
				"goroutines_created counts the chosen, goroutines_exited also who "
				"memory no longer has"
			      : "; not_chosen_* in stats says how many were not");
		n++;
	}
	if (view_in_windows(x->v)) {
		limit(e,
		      "traced in windows (-max-overhead): counts are of those, what is between is "
		      "estimated (estimated_unseen_* in stats), states there are from memory; "
		      "goroutines_created is of windows alone, goroutines_exited also who memory "
		      "no longer has");
		n++;
	}
	if (x->have_health && x->h.clock_set_ns) {
		emit_duration(&set, (uint64_t)llabs(x->h.clock_set_ns));
		limit(e,
		      "the machine's clock is %s %s what it would be had nobody set it since "
		      "tracing "
		      "began: times of day, here and in what is recorded, go by the clock as it "
		      "was "
		      "then",
		      set.data ? set.data : "far", x->h.clock_set_ns > 0 ? "ahead of" : "behind");
		n++;
	}
	if (x->have_health && x->h.file_limited) {
		limit(e,
		      "the start of a process is not traced: no lease keeps writers off the file "
		      "here");
		n++;
	}
	n += loss_warnings(e, x, LOSS_READER);
	(void)loss_warnings(e, x, LOSS_SAMPLE); /* the verdict has them by number */
	if (x->audit.state == AUDIT_OFF || (x->v->live->audit && x->audit.state == AUDIT_NONE)) {
		limit(e, "not audited%s%s", x->audit.why[0] ? ": " : "", x->audit.why);
		n++;
	}
	if (x->slow_probes) {
		limit(e, "%u probes are stepped out of line: their hits cost about ten times more",
		      x->slow_probes);
		n++;
	}
	return n;
}

/* Whatever is said of the figures, samples are estimates: that some are lost makes those coarser.
 */
static void add_good(struct buf *out, bool limited, uint64_t lost_samples)
{
	buf_addf(out, "good: %s%s lost", limited ? "" : "complete, ",
		 lost_samples ? "no event" : "nothing");
	if (lost_samples)
		buf_addf(out, ", %llu samples lost", LLU(lost_samples));
	if (limited)
		buf_adds(out, ", within the limits");
}

static void emit_verdict(struct emit *e, const struct facts *x)
{
	cleanup_buf_ struct buf text = BUF_INIT, good = BUF_INIT;
	struct emit scratch;
	unsigned wrong, open, limited;

	/* The verdict comes first, and is known last. */
	emit_begin(&scratch, VIEW_TEXT, &text);
	wrong = data_warnings(&scratch, x);
	open = unproven(&scratch, x);
	limited = limits(&scratch, x);
	add_good(&good, limited, losses_samples(&x->losses));
	emit_string(e, "verdict",
		    wrong            ? "incomplete: see the warnings"
		    : open           ? "not known yet: see the warnings"
		    : from_memory(x) ? "from memory: good as of the last reading"
		    : good.data      ? good.data
				     : "good");
	emit_list_begin(e, "warning");
	data_warnings(e, x);
	unproven(e, x);
	emit_list_end(e);
	emit_list_begin(e, "limit");
	limits(e, x);
	emit_list_end(e);
}

static void emit_target(struct emit *e, const struct facts *x, unsigned proc)
{
	cleanup_buf_ struct buf age = BUF_INIT;
	uint64_t age_ns = view_since(view_now(x->v, proc), x->info.attached_ns);

	emit_i64(e, "pid", x->info.pid);
	emit_string(e, "binary", x->info.binary_path);
	emit_string(e, "go_version", x->info.go_version);
	emit_string(e, "state", x->info.state == PROC_RUNNING ? "running" : "exited");
	emit_string(e, "source", x->v->replay ? "replay of a recorded session" : "live");
	emit_u64(e, "attached_for_ns", age_ns);
	emit_duration(&age, age_ns); /* the same for people */
	emit_string(e, "attached_for", age.data ? age.data : "");
}

/* All but none, those that a bound lets go included: they are no warning. */
static void emit_losses(struct emit *e, const struct facts *x)
{
	emit_list_begin(e, "loss");
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];
		char text[96];

		if (!losses_of(&x->losses, way))
			continue;
		snprintf(text, sizeof(text), "%s %llu %s", way->name,
			 LLU(losses_of(&x->losses, way)), way->unit);
		emit_list_item(e, "loss", text);
	}
	emit_list_end(e);
}

/* A recorded session that is looked at has none, as in stats. */
static void emit_metered(struct emit *e, const struct facts *x, const char *key, uint64_t value)
{
	if (x->v->meter)
		emit_u64(e, key, value);
	else
		emit_none(e, key);
}

static void emit_flow(struct emit *e, const struct facts *x, unsigned proc)
{
	cleanup_buf_ struct buf rates = BUF_INIT, audit = BUF_INIT;

	emit_u64(e, "events_total", x->events);
	emit_metered(e, x, "events_per_second", x->s.pps);
	emit_metered(e, x, "events_waiting", x->s.ewp);
	emit_u64(e, "lost_total", x->lost);
	emit_metered(e, x, "lost_per_second", x->s.lost);
	emit_double(e, "lost_percent", lost_percent(x), 4);
	emit_u64(e, "lost_events", losses_events(x->v, &x->losses));
	emit_losses(e, x);
	if (x->v->control->get_rates)
		control_format_rates(x->rates, &rates);
	emit_string(e, "sampling",
		    x->v->replay && x->recording.sample[0] ? x->recording.sample
		    : !x->sampled                          ? "everything"
		    : rates.len                            ? rates.data
							   : "nothing");
	emit_yes(e, "paused", x->paused);
	view_emit_probes(e, x->v, proc);
	view_emit_live(e, x->v, proc, &x->t);
	emit_u64(e, "goroutines_healed", x->t.healed);
	emit_yes(e, "states_in_doubt", x->t.in_doubt);
	view_audit_line(&x->audit, &audit);
	emit_string(e, "audit", audit.data ? audit.data : "");
	emit_u64(e, "memory_bytes", x->t.memory_bytes);
}

/* An estimate, and what it is made of. */
static void emit_cost(struct emit *e, const struct facts *x)
{
	bool trap_known = x->s.trap_ns != 0;
	uint64_t start_trap_ns = 0, start_step_ns = 0;

	if (x->v->replay)
		return; /* nothing is traced */
	if (x->v->meter)
		meter_price_at_start(x->v->meter, &start_trap_ns, &start_step_ns);
	emit_double(e, "overhead_estimate_percent", x->s.overhead_percent, 3);
	view_emit_costs(e, &x->s);
	emit_string(e, "overhead_is",
		    trap_known
			    ? "hits * (trap_ns, or step_ns where stepped, + program_ns), of one CPU"
			    : "hits * program_ns, of one CPU: too low by the trap, whose cost is "
			      "not known here");
	emit_u64(e, "hits_per_second", x->s.hits);
	emit_u64(e, "hits_stepped_per_second", x->s.stepped);
	view_emit_price(e, "trap_ns", x->s.trap_ns);
	view_emit_price(e, "step_ns", x->s.step_ns);
	/* They are measured again and again. */
	view_emit_price(e, "trap_at_start_ns", start_trap_ns);
	view_emit_price(e, "step_at_start_ns", start_step_ns);
	emit_u64(e, "overhead_estimate_total_ns", x->s.overhead_ns);
	emit_u64(e, "program_ns", x->s.lat_ns);
	emit_u64(e, "apply_ns", x->s.prc_ns);
	view_emit_budget(e, x->v);
}

static void emit_coverage(struct emit *e, const struct facts *x)
{
	const struct health *h = &x->h;
	char not_covered[sizeof(h->unseen) + sizeof(h->not_covered) + 2];

	emit_string(e, "symbols_from", h->symbols_from);
	emit_string(e, "offsets_from", h->offsets_from);
	emit_string(e, "goroutines_from", h->goroutines_from);
	snprintf(not_covered, sizeof(not_covered), "%s%s%s", h->unseen,
		 h->unseen[0] && h->not_covered[0] ? "; " : "", h->not_covered);
	emit_string(e, "not_covered", not_covered[0] ? not_covered : "nothing");
	emit_string(e, "alloc_sampling", h->sampling);
	if (strncmp(h->sampling, "off", 3))
		emit_string(
			e, "alloc_sampling_not_seen",
			"what a garbage collection took back in a half used span: the bytes of "
			"small objects are too few, the more so the more often it collects; and "
			"sites that allocate in turn, in a fixed rhythm, can be counted one for "
			"the other, which the errors do not cover");
	emit_string(e, "cpu_sampling", h->cpu_sampling);
	emit_u64(e, "cpu_sampling_hz", h->cpu_hz);
	emit_u64(e, "cpu_sample_ns", h->cpu_samples ? h->cpu_samples_ns / h->cpu_samples : 0);
	emit_string(e, "file", h->file);
	emit_u64(e, "readers", h->readers);
	emit_u64(e, "processors", h->processors);
	emit_u64(e, "ring_bytes", h->ring_bytes);
	emit_u64(e, "hits_total", h->hits);
	emit_u64(e, "hits_skipped", h->skipped_by_filter);
	emit_u64(e, "alloc_sample_hits", h->sample_hits);
	emit_u64(e, "reads_faulted", h->reads_faulted);
	emit_u64(e, "probes_attached", h->n_probes);
	emit_u64(e, "probes_out_of_line", x->slow_probes);
	emit_list_begin(e, "probe");
	for (unsigned i = 0; i < h->n_probes; i++) {
		const struct health_probe *p = &h->probes[i];
		char text[300];

		snprintf(text, sizeof(text), "%s+%llu %s %s \"%s\"", p->symbol, LLU(p->offset),
			 p->event_name ? p->event_name : "-",
			 p->emulated ? "emulated" : "out-of-line", p->instruction);
		emit_list_item(e, "probe", text);
	}
	emit_list_end(e);
}

int view_health(const struct view *v, struct view_query *q, struct buf *out)
{
	struct facts *x = calloc(1, sizeof(*x));
	struct emit e;
	int err;

	if (!x)
		return -ENOMEM;
	x->v = v;
	err = model_proc(v->model, q->proc, &x->info);
	if (err) {
		free(x);
		return err;
	}
	gather(x, v, q->proc);
	emit_begin(&e, q->form, out);
	emit_verdict(&e, x);
	emit_target(&e, x, q->proc);
	emit_flow(&e, x, q->proc);
	view_emit_recording(&e, v);
	emit_cost(&e, x);
	if (x->have_health)
		emit_coverage(&e, x);
	free(x);
	return emit_end(&e);
}
