/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a live run and a replay have in common: the model, the outputs, the end. Main thread. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "app/background.h"
#include "app/run.h"
#include "core/base/confine.h"
#include "core/base/log.h"
#include "core/engine/metrics_file.h"
#include "core/view/problems/problem_memory.h"
#include "core/view/process/losses.h"

/* Any thread that serves: they start after the recording and end before it is freed. */
static void recording(void *ctx, struct recording *ret)
{
	struct run *r = ctx;

	if (r->replay)
		replay_recording(r->replay, ret);
	else if (r->outputs)
		sinks_recording(outputs_sinks(r->outputs), ret);
}

int run_make_model(struct run *r, int64_t wall_offset_ns)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct model_config mc = {
		.retain = r->config->retain,
		.retain_exited = r->config->retain_exited,
		.wall_offset_ns = wall_offset_ns,
	};
	int err;

	r->workers = (unsigned)MIN(r->config->processors, (uint64_t)MAX(cpus, 1));
	mc.workers = r->workers;
	err = r->names ? 0 : names_new(NAMES_MAX, &r->names);
	mc.names = r->names;
	if (!err)
		err = model_new(&mc, &r->model);
	if (!err)
		err = meter_new(&r->meter);
	if (!err)
		err = problem_memory_new(&r->problems);
	if (err)
		return log_error(err, "no memory for %zu events (-retain): %s", mc.retain,
				 strerror(-err));
	r->view = (struct view){
		.model = r->model,
		.meter = r->meter,
		.live = &r->live,
		.control = &r->control,
		.problems = r->problems,
		.replay = r->config->mode == MODE_REPLAY,
		.recording = recording,
		.recording_ctx = r,
	};
	return 0;
}

int run_make_engine(struct run *r)
{
	struct engine_config ec = {
		.model = r->model,
		.meter = r->meter,
		.source = r->traced ? traced_source(r->traced) : NULL,
		.workers = r->workers,
		.audits = true,
		.max_overhead = r->config->max_overhead,
		.level = r->config->level,
		.leaks_every_ns = r->config->leaks ? config_leaks_every_ns(r->config) : 0,
	};

	memcpy(ec.rates, r->config->rates, sizeof(ec.rates));
	return engine_new(&ec, &r->engine);
}

int run_open_outputs(struct run *r, bool many)
{
	struct outputs_config oc = {
		.config = r->config,
		.view = &r->view,
		.loop = r->loop,
		.many = many,
		.look = r->replay ? replay_meta(r->replay)->view : NULL,
		.confine = r->confine,
		.record = r->config->records,
		.pid = r->pid,
		.binary_path = r->binary_path,
	};

	return outputs_open(&oc, &r->outputs);
}

void run_ready(struct run *r, const char *subject)
{
	outputs_announce(r->outputs, subject);
	notify_send(&r->notify, "READY=1");
	if (r->background_fd >= 0)
		background_ready(r->background_fd);
	r->background_fd = -1;
}

static int write_metrics(struct run *r)
{
	struct model_totals totals;

	if (!r->meter || !r->tracing || !config_writes_metrics(r->config))
		return 0;
	model_totals(r->model, -1, &totals);
	return metrics_file_write(r->meter, totals.events, r->config->metrics_prefix,
				  r->config->metrics_untimed);
}

/* --- the second ------------------------------------------------------------------------- */

static void add_words(struct buf *line, const char *before, const struct buf *words)
{
	if (words->len) {
		buf_adds(line, before);
		buf_add(line, words->data, words->len);
	}
}

static void print_sample(const struct view *v, const struct meter_sample *s)
{
	cleanup_buf_ struct buf stop = BUF_INIT, audit = BUF_INIT, probes = BUF_INIT,
				budget = BUF_INIT, choice = BUF_INIT, line = BUF_INIT;
	struct recording rec;

	view_recording(v, &rec);
	view_recording_stop(&rec, &stop);
	view_audit_word(v, &audit);
	view_probes_word(v, true, &probes);
	view_choice_word(v, &choice);
	view_budget_word(v, &budget);
	buf_addf(&line,
		 "RPS %llu/s  PPS %llu/s  EWP %llu  LAT %llu ns  PRC %llu ns  BPS %.1f/s  "
		 "BFL %.2f ms  QWL %.2f ms  lost %llu/s  overhead %.1f%% of a CPU",
		 (unsigned long long)s->rps, (unsigned long long)s->pps, (unsigned long long)s->ewp,
		 (unsigned long long)s->lat_ns, (unsigned long long)s->prc_ns, s->bps,
		 (double)s->bfl_ns / 1e6, (double)s->qwl_ns / 1e6, (unsigned long long)s->lost,
		 s->overhead_percent);
	view_dearest_word(s, &line);
	buf_adds(&line, "  audit ");
	add_words(&line, "", &audit);
	add_words(&line, "  probes ", &probes);
	add_words(&line, "  ", &choice);
	add_words(&line, "  ", &budget);
	add_words(&line, "  ", &stop);
	if (!buf_error(&line))
		log_info("%s", line.data);
}

static bool prints_statistics(const struct run *r)
{
	const struct config *c = r->config;

	/* A command's own stderr stays clean when it goes to a file. */
	if (c->daemon)
		return false;
	return isatty(STDERR_FILENO) || (!c->mount_point && c->mode != MODE_COMMAND);
}

void run_say_losses(const struct run *r)
{
	struct losses losses;

	losses_count(&r->view, &losses);
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];
		uint64_t count = losses_of(&losses, way);

		if (way->kind == LOSS_DATA && count)
			log_warn("lost: %llu %s %s%s%s", (unsigned long long)count, way->unit,
				 way->what, way->knob[0] ? "; what helps: " : "", way->knob);
	}
}

/* A recording that had to stop is no reader any more, for which probes would stay in. */
static void see_to_recording(struct run *r, const struct recorder_stats *recorded)
{
	if (!r->recording_reads || !recorded || !recorded->error)
		return;
	r->recording_reads = false;
	control_reads_events(&r->control, false);
}

void run_tick(struct run *r)
{
	struct recorder_stats stats;
	const struct recorder_stats *recorded = sinks_recorded(outputs_sinks(r->outputs), &stats);
	struct meter_sample sample;

	see_to_recording(r, recorded);
	if (!engine_tick(r->engine, monotonic_ns(), recorded, &sample))
		return;
	if (prints_statistics(r))
		print_sample(&r->view, &sample);
	if (sample.lost && !r->said_lost) {
		r->said_lost = true;
		run_say_losses(r);
	}
}

/* --- the end ---------------------------------------------------------------------------- */

int run_finish(struct run *r)
{
	int err, metrics_err;

	notify_send(&r->notify, "STOPPING=1");
	if (r->model)
		feed_close(model_feed(r->model));
	/* It asks the outputs how far they are, and they ask it for its state. */
	loop_ending(r->loop, "ending the replay");
	replay_stop(r->replay);
	err = outputs_close(r->outputs, &r->left);
	loop_ending(r->loop, "writing the metrics");
	metrics_err = write_metrics(r);
	/* After a start that failed: what was captured up to now still goes to the model and the
	 * healer. */
	traced_end_reading(r->traced);
	loop_ending(r->loop, "taking the probes out");
	engine_tracing_ends(r->engine);
	traced_stop(r->traced);
	if (r->left) {
		/* What a thread still uses is the kernel's to clear away, with the process. */
		launch_abort(&r->launch);
		return err ? err : metrics_err;
	}
	loop_ending(r->loop, "ending what reads the program's memory (its probes are out)");
	replay_free(r->replay);
	confine_free(r->confine); /* the threads that serve have ended */
	engine_free(r->engine);
	loop_ending(r->loop, "giving back what attached the probes, which are out");
	traced_free(r->traced);
	launch_abort(&r->launch);
	model_free(r->model);
	meter_free(r->meter);
	problem_memory_free(r->problems);
	names_free(r->names);
	target_free(r->target);
	go_program_close(&r->program);
	return err ? err : metrics_err;
}
