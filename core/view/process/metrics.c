/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prometheus text (exposition format 0.0.4): base units, _total on counters, a pid label, and no
 * label of which there could be very many (goroutines, types). Any thread.
 */
#include <errno.h>
#include <string.h>

#include "core/base/text.h"
#include "core/view/probes.h"
#include "core/view/process/losses.h"
#include "core/view/process/process.h"
#include "core/view/view_internal.h"

/* Of those that have ended, so many are shown, the last ones. */
#define ENDED_MAX 64

struct process {
	struct proc_info info;
	struct model_totals totals;
	unsigned proc;
};

struct exposition {
	const struct view *v;
	struct buf *out;
	struct process *all;
	size_t n;
};

static void head(struct exposition *x, const char *name, const char *type, const char *help)
{
	buf_addf(x->out, "# HELP xgotopfs_%s %s\n# TYPE xgotopfs_%s %s\n", name, help, name, type);
}

/* Label values are UTF-8; backslash and quote are escaped, a line end never comes. */
static void add_label(struct buf *out, const char *name, const char *value)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	text_line(&text, value);
	buf_adds(out, name);
	buf_adds(out, "=\"");
	for (const char *p = text.data ? text.data : ""; *p; p++) {
		if (*p == '\\' || *p == '"')
			buf_addc(out, '\\');
		buf_addc(out, *p);
	}
	buf_addc(out, '"');
}

/* "xgotopfs_NAME{pid="12",label="value"} " */
static void series(struct exposition *x, const char *name, const struct process *p,
		   const char *label, const char *value)
{
	buf_addf(x->out, "xgotopfs_%s{pid=\"%d\"", name, p->info.pid);
	if (label) {
		buf_addc(x->out, ',');
		add_label(x->out, label, value);
	}
	buf_adds(x->out, "} ");
}

static void end_u64(struct exposition *x, uint64_t value)
{
	buf_addu(x->out, value);
	buf_addc(x->out, '\n');
}

/* Exact to the nanosecond, which a double would not be after some months. */
static void end_seconds(struct exposition *x, uint64_t ns)
{
	buf_addu(x->out, ns / NS_PER_SEC);
	buf_addc(x->out, '.');
	buf_addu_pad(x->out, ns % NS_PER_SEC, 9);
	buf_addc(x->out, '\n');
}

static void by_type(struct exposition *x, const char *name, const char *help, size_t offset)
{
	head(x, name, "counter", help);
	for (size_t i = 0; i < x->n; i++) {
		const uint64_t *counts = (const void *)((const char *)&x->all[i].totals + offset);

		for (unsigned type = 0; type < EVENT_TYPES; type++) {
			series(x, name, &x->all[i], "event", event_type_name(type));
			end_u64(x, counts[type]);
		}
	}
}

static void one_each(struct exposition *x, const char *name, const char *type, const char *help,
		     size_t offset)
{
	head(x, name, type, help);
	for (size_t i = 0; i < x->n; i++) {
		series(x, name, &x->all[i], NULL, NULL);
		end_u64(x, *(const uint64_t *)(const void *)((const char *)&x->all[i].totals +
							     offset));
	}
}

static void targets(struct exposition *x)
{
	head(x, "target_info", "gauge", "The traced process.");
	for (size_t i = 0; i < x->n; i++) {
		buf_addf(x->out, "xgotopfs_target_info{pid=\"%d\",", x->all[i].info.pid);
		add_label(x->out, "binary", x->all[i].info.binary_path);
		buf_addc(x->out, ',');
		add_label(x->out, "go_version", x->all[i].info.go_version);
		buf_adds(x->out, "} 1\n");
	}
	head(x, "target_up", "gauge", "1 while the process runs, 0 once it has ended.");
	for (size_t i = 0; i < x->n; i++) {
		series(x, "target_up", &x->all[i], NULL, NULL);
		end_u64(x, x->all[i].info.state == PROC_RUNNING);
	}
	head(x, "traced_seconds", "gauge", "Time since the process was attached to.");
	for (size_t i = 0; i < x->n; i++) {
		series(x, "traced_seconds", &x->all[i], NULL, NULL);
		end_seconds(x,
			    view_since(view_now(x->v, x->all[i].proc), x->all[i].info.attached_ns));
	}
}

static void goroutines(struct exposition *x)
{
	head(x, "goroutines", "gauge", "Live goroutines by state.");
	for (size_t i = 0; i < x->n; i++) {
		const struct model_totals *t = &x->all[i].totals;

		if (view_unread(x->v, x->all[i].proc))
			continue; /* a scrape that lacks them is no drop to one */
		for (unsigned s = 0; s < view_n_states; s++) {
			series(x, "goroutines", &x->all[i], "state", gstate_name(view_states[s]));
			end_u64(x, t->live[view_states[s]]);
		}
		series(x, "goroutines", &x->all[i], "state", "unknown");
		end_u64(x, t->live_unknown);
	}
	head(x, "states_in_doubt", "gauge",
	     "1 after a loss, until memory was read: some goroutines may be in other states.");
	for (size_t i = 0; i < x->n; i++) {
		series(x, "states_in_doubt", &x->all[i], NULL, NULL);
		end_u64(x, x->all[i].totals.in_doubt);
	}
#define TOTAL(field) offsetof(struct model_totals, field)
	one_each(x, "goroutines_created_total", "counter", "Goroutines created since the attach.",
		 TOTAL(goroutines_created));
	one_each(x, "goroutines_exited_total", "counter", "Goroutines that ended.",
		 TOTAL(goroutines_exited));
	one_each(x, "goroutines_healed_total", "counter",
		 "Goroutine states corrected from the target's memory after a loss.",
		 TOTAL(healed));
	one_each(x, "allocated_bytes_total", "counter",
		 "Bytes allocated by the calls that are probed (maps count no bytes).",
		 TOTAL(alloc_bytes));
}

/* Below a microsecond and above half a minute nobody looks: those buckets are summed up. */
#define LOWEST_BUCKET  9
#define HIGHEST_BUCKET 34

static void latency(struct exposition *x)
{
	head(x, "runnable_latency_seconds", "histogram",
	     "Time goroutines waited for a processor: runnable to running.");
	for (size_t i = 0; i < x->n; i++) {
		const struct model_totals *t = &x->all[i].totals;
		uint64_t sum = 0;

		for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
			sum += t->runnable_latency[b];
			if (b < LOWEST_BUCKET || b > HIGHEST_BUCKET)
				continue;
			buf_addf(x->out,
				 "xgotopfs_runnable_latency_seconds_bucket{pid=\"%d\",le=\"%llu."
				 "%09llu\"} ",
				 x->all[i].info.pid, (2ull << b) / NS_PER_SEC,
				 (2ull << b) % NS_PER_SEC);
			end_u64(x, sum);
		}
		series(x, "runnable_latency_seconds_bucket", &x->all[i], "le", "+Inf");
		end_u64(x, sum);
		series(x, "runnable_latency_seconds_sum", &x->all[i], NULL, NULL);
		end_seconds(x, t->runnable_sum_ns);
		series(x, "runnable_latency_seconds_count", &x->all[i], NULL, NULL);
		end_u64(x, sum);
	}
}

static void gauge(struct exposition *x, const char *name, const char *help, uint64_t value)
{
	head(x, name, "gauge", help);
	buf_addf(x->out, "xgotopfs_%s ", name);
	end_u64(x, value);
}

static void gauge_seconds(struct exposition *x, const char *name, const char *help, uint64_t ns)
{
	head(x, name, "gauge", help);
	buf_addf(x->out, "xgotopfs_%s ", name);
	end_seconds(x, ns);
}

/* xgotopfs itself: the original's RPS PPS EWP LAT PRC BFL QWL in base units. */
static void self(struct exposition *x)
{
	struct meter_sample s;

	if (!x->v->meter)
		return; /* of a recorded session that is looked at nobody measures anything */
	meter_last(x->v->meter, &s);
	gauge(x, "read_events_per_second", "Events read from the rings in the last second (RPS).",
	      s.rps);
	gauge(x, "processed_events_per_second", "Events applied in the last second (PPS).", s.pps);
	gauge(x, "waiting_events", "Events read and not yet applied (EWP).", s.ewp);
	gauge(x, "probe_hits_per_second", "Probe hits in the last second, counted or not.", s.hits);
	gauge_seconds(x, "program_seconds",
		      "Mean time of a hit in the BPF program, without the trap (LAT).", s.lat_ns);
	gauge_seconds(x, "trap_seconds",
		      "What one emulated hit costs on this machine, measured; 0: not known.",
		      s.trap_ns);
	gauge_seconds(x, "step_seconds",
		      "What a hit costs whose instruction is stepped out of line; 0: not known.",
		      s.step_ns);
	gauge_seconds(x, "process_seconds", "Mean time of applying an event (PRC).", s.prc_ns);
	gauge_seconds(x, "batch_flush_seconds", "Recorder: mean time of flushing a batch (BFL).",
		      s.bfl_ns);
	gauge_seconds(x, "batch_wait_seconds",
		      "Recorder: mean wait of a batch before it is written (QWL).", s.qwl_ns);
	head(x, "overhead_ratio", "gauge",
	     "Estimated cost to the target: hits times (trap or step + program), 1 = one CPU.");
	buf_addf(x->out, "xgotopfs_overhead_ratio %.6f\n", s.overhead_percent / 100);
	head(x, "overhead_seconds_total", "counter",
	     "The same since the start: CPU time that hits took from the target.");
	buf_adds(x->out, "xgotopfs_overhead_seconds_total ");
	end_seconds(x, s.overhead_ns);
}

static void counter(struct exposition *x, const char *name, const char *help, uint64_t value)
{
	head(x, name, "counter", help);
	buf_addf(x->out, "xgotopfs_%s ", name);
	end_u64(x, value);
}

static void recording(struct exposition *x)
{
	struct recording rec;

	view_recording(x->v, &rec);
	if (rec.state == RECORDING_NONE)
		return;
	gauge(x, "recording_running", "1 while a session is recorded.",
	      rec.state == RECORDING_RUNNING);
	gauge(x, "recording_stopped", "1 when an error (a full disk) ended the recording.",
	      rec.state == RECORDING_STOPPED);
	gauge_seconds(x, "recording_stopped_timestamp_seconds",
		      "When that was, as UNIX time; 0: it was not.", (uint64_t)rec.stopped_ns);
	counter(x, "recorded_events_total", "Events in the recording.", rec.events);
	counter(x, "recording_missed_events_total",
		"Events that are not in it, as the recorder could not keep up.", rec.missed);
	counter(x, "not_recorded_events_total",
		"Events that are not in it, as they came after it stopped.", rec.not_recorded);
}

static void sampling(struct exposition *x)
{
	const struct control *c = x->v->control;
	uint32_t rates[RATES];

	if (!c->get_rates)
		return;
	c->get_rates(c->ctx, rates);
	head(x, "sample_ratio", "gauge",
	     "Part of the events of a type that is counted; 0 = not probed.");
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		buf_addf(x->out, "xgotopfs_sample_ratio{event=\"%s\"} ", event_type_name(type));
		control_format_rate(rates[type], x->out);
		buf_addc(x->out, '\n');
	}
	head(x, "sample_goroutines_ratio", "gauge",
	     "Part of the goroutines whose events are counted.");
	buf_adds(x->out, "xgotopfs_sample_goroutines_ratio ");
	control_format_rate(rates[RATE_GOROUTINES], x->out);
	buf_addc(x->out, '\n');
}

static void memory(struct exposition *x)
{
	struct feed *feed = model_feed(x->v->model);
	struct model_totals t;

	model_totals(x->v->model, -1, &t);
	gauge(x, "retained_events", "Events held in memory, of all processes.",
	      feed_head(feed) - feed_tail(feed));
	counter(x, "trimmed_events_total", "Events no longer held in memory, of all processes.",
		t.trimmed);
	gauge(x, "memory_bytes", "Memory of events, goroutines and names, an estimate.",
	      t.memory_bytes);
}

static void audits(struct exposition *x)
{
	struct audit *all = calloc(x->n + 1, sizeof(*all));

	if (!all || !x->v->live->audit) {
		free(all);
		return;
	}
	for (size_t i = 0; i < x->n; i++)
		view_audit_of(x->v, x->all[i].proc, &all[i]);
	head(x, "audit_agrees", "gauge",
	     "1 while what events told agrees with the process's memory; 0: it differs, or nothing "
	     "can be compared.");
	for (size_t i = 0; i < x->n; i++) {
		series(x, "audit_agrees", &x->all[i], NULL, NULL);
		end_u64(x, all[i].state == AUDIT_AGREES);
	}
	head(x, "audit_comparisons_total", "counter", "Comparisons with the process's memory.");
	for (size_t i = 0; i < x->n; i++) {
		series(x, "audit_comparisons_total", &x->all[i], NULL, NULL);
		end_u64(x, all[i].comparisons);
	}
	head(x, "audit_differences_total", "counter",
	     "What events should have told and did not, or told and was not so: the view audit "
	     "explains the kinds.");
	for (size_t i = 0; i < x->n; i++) {
		for (unsigned kind = 0; kind < AUDIT_KINDS; kind++) {
			series(x, "audit_differences_total", &x->all[i], "kind",
			       audit_kind_name(kind));
			end_u64(x, all[i].total[kind]);
		}
	}
	free(all);
}

static void losses(struct exposition *x)
{
	struct losses counts;
	struct recording rec;

	losses_count(x->v, &counts);
	view_recording(x->v, &rec);
	head(x, "losses_total", "counter",
	     "What was lost, each in its unit, by the way it went: the view losses explains them.");
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];

		if (way->recording && rec.state == RECORDING_NONE)
			continue;
		buf_addf(x->out, "xgotopfs_losses_total{way=\"%s\",unit=\"%s\",of=\"%s\"} ",
			 way->name, way->unit, loss_kind_name(way->kind));
		end_u64(x, losses_of(&counts, way));
	}
}

/* How many ended later than this one. */
static unsigned ended_later(const struct exposition *x, const struct process *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < x->n; i++)
		n += x->all[i].info.state == PROC_EXITED &&
		     (x->all[i].info.exited_ns > p->info.exited_ns ||
		      (x->all[i].info.exited_ns == p->info.exited_ns && &x->all[i] > p));
	return n;
}

/* Every process that lives (MODEL_PROCS_MAX at most). */
static void bound(struct exposition *x)
{
	cleanup_free_ uint8_t *left = x->n > ENDED_MAX ? calloc(x->n, 1) : NULL;
	size_t kept = 0;

	for (size_t i = 0; left && i < x->n; i++)
		left[i] = x->all[i].info.state == PROC_EXITED &&
			  ended_later(x, &x->all[i]) >= ENDED_MAX;
	for (size_t i = 0; left && i < x->n; i++) {
		if (left[i])
			continue;
		x->all[kept++] = x->all[i];
	}
	if (left)
		x->n = kept;
}

static int gather(struct exposition *x, unsigned proc)
{
	unsigned procs = model_procs(x->v->model);

	x->all = calloc(MAX(1u, procs), sizeof(*x->all));
	if (!x->all)
		return -ENOMEM;
	for (unsigned i = 0; i < procs; i++) {
		struct process *p = &x->all[x->n];

		if ((proc != VIEW_ALL_PROCS && proc != i) || model_proc(x->v->model, i, &p->info))
			continue;
		/* One pid, one series: the kernel may give a number again. */
		if (proc == VIEW_ALL_PROCS && model_proc_by_pid(x->v->model, p->info.pid) != (int)i)
			continue;
		p->proc = i;
		x->n++;
	}
	bound(x);
	for (size_t i = 0; i < x->n; i++)
		model_totals(x->v->model, (int)x->all[i].proc, &x->all[i].totals);
	return 0;
}

int view_metrics(const struct view *v, struct view_query *q, struct buf *out)
{
	struct exposition x = {.v = v, .out = out};
	int err = gather(&x, q->proc);

	if (err)
		return err;
	targets(&x);
	by_type(&x, "events_total", "Events of the Go runtime.", TOTAL(events));
	by_type(&x, "lost_events_total",
		"Events lost for want of room (of this process or of one that is not known).",
		TOTAL(lost));
	goroutines(&x);
	latency(&x);
	sampling(&x);
	self(&x);
	recording(&x);
	losses(&x);
	audits(&x);
	memory(&x);
	free(x.all);
	return buf_error(out);
}
