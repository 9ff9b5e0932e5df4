/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The facade: which probes the rates call for, and what is attached of them. capture.h has the
 * contract; program.h, probes.h, procs.h, decode.h and pump.h do the work, capture_file.c sees to
 * it that the file is the one that was decoded.
 */
#include "core/capture/capture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/capture/capture_internal.h"
#include "core/capture/decode.h"
#include "core/capture/plugins.h"
#include "core/capture/probes.h"
#include "core/capture/procs.h"
#include "core/capture/program.h"
#include "core/capture/pump.h"
#include "core/capture/runners.h"
#include "core/model/control.h"
#include "core/target/process.h"

static unsigned wanted(const uint32_t rates[RATES])
{
	unsigned bits = 0;

	for (unsigned t = 0; t < EVENT_TYPES; t++)
		bits |= rates[t] ? 1u << t : 0;
	return bits;
}

/* While allocations are looked at they are sampled too: that sees what events do not (append,
 * strings, closures), and costs next to nothing beside them. */
unsigned capture_wanted(const struct capture *c, const uint32_t rates[RATES])
{
	unsigned bits = c->paused ? 0 : wanted(rates);

	if (c->program->samples &&
	    (c->samples_alone || bits & (WANT_SLICES | WANT_MAPS | WANT_OBJECTS)))
		bits |= WANT_SAMPLES;
	return bits;
}

int capture_check_rates(const uint32_t rates[RATES])
{
	for (unsigned t = 0; t < RATES; t++)
		if (rates[t] > RATE_ONE)
			return -EINVAL;
	return 0;
}

void capture_publish_rates(struct capture *c, const uint32_t rates[RATES])
{
	volatile struct wire_control *control = c->program->control;
	bool states = rates[EVENT_CASGSTATUS];

	pthread_mutex_lock(&c->lock);
	control->creations_by_newproc =
		!states && rates[EVENT_NEWGOROUTINE] && !target_creations_by_states(c->target);
	control->exits_by_gdestroy =
		!states && rates[EVENT_GOEXIT] && !target_exits_by_states(c->target);
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		control->rates[t] = rates[t];
	control->goroutines = rates[RATE_GOROUTINES];
	/* Of who misses some changes the length of no stay is known. */
	control->watched_ns = rates[EVENT_CASGSTATUS] == RATE_ONE ? monotonic_ns() : UINT64_MAX;
	pthread_mutex_unlock(&c->lock);
}

/* --- attaching ------------------------------------------------------------------------------- */

void capture_get_rates(struct capture *c, uint32_t ret[RATES])
{
	pthread_mutex_lock(&c->lock);
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		ret[t] = c->program->control->rates[t];
	ret[RATE_GOROUTINES] = c->program->control->goroutines;
	pthread_mutex_unlock(&c->lock);
}

int capture_drop_probes(struct capture *c)
{
	int err, more;

	c->program->control->watched_ns = UINT64_MAX;
	program_keep_nothing(c->program);
	err = probes_keep(c->probes, NULL, 0);
	more = c->plugins ? plugins_apply(c->plugins, 0) : 0;
	return err ? err : more;
}

/* The same with those of the plugins behind `sites`; frees that and returns a longer one. */
static struct probe_site *with_plugins(struct capture *c, struct probe_site *sites, size_t *n)
{
	size_t more = c->plugins ? plugins_sites(c->plugins, NULL, 0) : 0;
	struct probe_site *all = more ? reallocarray(sites, *n + more, sizeof(*all)) : NULL;

	if (!all)
		return sites;
	*n += plugins_sites(c->plugins, all + *n, more);
	return all;
}

void capture_show_sites(struct capture *c)
{
	struct probe_site *sites = NULL, *old;
	uint32_t rates[RATES];
	size_t n = 0;

	capture_get_rates(c, rates);
	if (target_sites(c->target, wanted(rates) | capture_wanted(c, rates), &sites, &n))
		n = 0;
	for (size_t i = 0; i < n; i++)
		sites[i].attached = probes_attached(c->probes, &sites[i]);
	sites = with_plugins(c, sites, &n);
	pthread_mutex_lock(&c->lock);
	old = c->shown;
	c->shown = sites;
	c->n_shown = n;
	pthread_mutex_unlock(&c->lock);
	free(old);
}

static void set_paused(struct capture *c, bool paused)
{
	pthread_mutex_lock(&c->lock);
	c->paused = paused;
	pthread_mutex_unlock(&c->lock);
}

static void set_samples_alone(struct capture *c, bool on)
{
	pthread_mutex_lock(&c->lock);
	c->samples_alone = on;
	pthread_mutex_unlock(&c->lock);
}

/* Whatever of ours came or went: if every end of a goroutine is seen from now on, so it is said. */
void capture_may_keep(struct capture *c)
{
	uint32_t rates[RATES];

	capture_get_rates(c, rates);
	if (rates[EVENT_CASGSTATUS] == RATE_ONE && rates[RATE_GOROUTINES] == RATE_ONE &&
	    c->attached && !c->over && capture_wanted(c, rates) & WANT_STATES && !c->plugins &&
	    target_states_in_one_place(c->target))
		program_may_keep(c->program);
}

/* Makes the attached probes those that `rates` need (none while paused, or while the file is not
 * ours), then publishes the rates. */
static int apply_rates(struct capture *c, const uint32_t rates[RATES])
{
	cleanup_free_ struct probe_site *sites = NULL;
	unsigned bits = capture_wanted(c, rates);
	size_t n = 0;
	int err;

	if (bits) {
		err = target_sites(c->target, bits, &sites, &n);
		if (err)
			return err;
	}
	if (!c->attached || (c->paused && !bits) || c->over || !capture_file_is_ours(c, sites, n)) {
		capture_publish_rates(c, rates);
		return 0;
	}
	err = probes_attach(c->probes, sites, n);
	if (err == -ESTALE || (!err && !capture_file_is_ours(c, sites, n))) {
		(void)capture_drop_probes(c); /* who watches over it sees it, too */
		capture_publish_rates(c, rates);
		return 0;
	}
	if (err)
		return err;
	capture_publish_rates(c, rates);
	err = probes_keep(c->probes, sites, n);
	if (!err && c->plugins)
		err = plugins_apply(c->plugins, bits);
	if (!err)
		capture_may_keep(c);
	return err;
}

int capture_change_rates(struct capture *c, const uint32_t rates[RATES])
{
	int err = apply_rates(c, rates);

	capture_show_sites(c);
	return err;
}

bool capture_let_go(const struct capture *c)
{
	return (!c->probes || probes_gone(c->probes)) && (!c->plugins || plugins_gone(c->plugins));
}

void capture_detach(struct capture *c)
{
	(void)capture_drop_probes(c);
	capture_show_sites(c);
}

/* --- from outside ---------------------------------------------------------------------------- */

static int attach_all(struct capture *c)
{
	uint32_t rates[RATES];
	int err;

	pthread_mutex_lock(&c->changing);
	capture_get_rates(c, rates);
	c->attached = true;
	c->enter_err = -ESRCH;
	err = capture_change_rates(c, rates);
	if (err)
		c->attached = false;
	pthread_mutex_unlock(&c->changing);
	if (err || !c->runners)
		return err;
	runners_look(c->runners);
	err = c->pid ? c->enter_err : 0;
	return err == -ESRCH ? log_error(err, "process %d is gone", c->pid) : err;
}

/* What it executed after its file was opened and before it was told of here, no record tells. */
static void doubt_process(struct capture *c)
{
	char path[PATH_MAX];

	process_binary(c->pid, path, sizeof(path));
	if (path[0] && !procs_runs(c->procs, c->pid))
		procs_doubt(c->procs);
}

int capture_attach(struct capture *c)
{
	int err = program_watch_execs(c->program);

	if (err)
		log_warn("it is not noticed when a process executes another program: %s",
			 strerror(-err));
	err = attach_all(c);
	if (err)
		return err;
	if (!c->pid)
		return procs_scan(c->procs, monotonic_ns());
	err = procs_add(c->procs, c->pid, monotonic_ns());
	if (!err)
		doubt_process(c);
	if (err) {
		pthread_mutex_lock(&c->changing);
		capture_detach(c);
		c->attached = false;
		pthread_mutex_unlock(&c->changing);
		if (err == -ESRCH)
			return log_error(err, "process %d is gone", c->pid);
	}
	return err;
}

/* `changing` is held. The links for a process are those for the thread that was its first. They
 * must be gone before there are others, or both would tell of a hit. */
static int follow_exec(struct capture *c)
{
	uint32_t rates[RATES];
	int err = 0;

	c->left = procs_left_behind(c->procs, c->pid) || c->left;
	if (!c->left)
		return 0;
	if (c->runners) {
		cleanup_free_ struct probe_site *sites = NULL;
		size_t n = 0;

		(void)probes_remove_process(c->probes, c->pid);
		capture_get_rates(c, rates);
		if (capture_wanted(c, rates))
			err = target_sites(c->target, capture_wanted(c, rates), &sites, &n);
		if (!err)
			err = capture_enter(c, c->pid, sites, n);
	} else if (!c->paused || c->samples_alone) {
		capture_get_rates(c, rates);
		err = probes_keep(c->probes, NULL, 0);
		if (!err)
			err = apply_rates(c, rates);
	}
	c->left = err != 0;
	capture_show_sites(c);
	return err;
}

int capture_executed(struct capture *c)
{
	char path[PATH_MAX];
	int err;

	pthread_mutex_lock(&c->changing);
	process_binary(c->pid, path, sizeof(path));
	if (c->over)
		err = -ECANCELED;
	else if (!procs_runs(c->procs, c->pid))
		err = path[0] ? -ESTALE : -ESRCH;
	else
		err = follow_exec(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

int capture_start(struct capture *c)
{
	int err = pump_start(c->pump);

	if (!err && c->runners)
		err = runners_start(c->runners);
	return err;
}

void capture_stop(struct capture *c)
{
	bool over;

	pthread_mutex_lock(&c->changing);
	over = c->over;
	c->over = true;
	if (c->cpu)
		(void)cpu_sampler_switch(c->cpu, false);
	capture_detach(c);
	pthread_mutex_unlock(&c->changing);
	if (!over)
		pump_stop(c->pump);
}

int capture_set_rates(struct capture *c, const uint32_t rates[RATES])
{
	int err = capture_check_rates(rates);

	if (err)
		return err;
	pthread_mutex_lock(&c->changing);
	err = capture_change_rates(c, rates);
	pthread_mutex_unlock(&c->changing);
	return err;
}

/* `changing` is held. */
static uint64_t attaching_cpu_ns(const struct capture *c)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) + probes_cpu_ns(c->probes);
}

static void book_switching(struct capture *c, uint64_t start_ns)
{
	pthread_mutex_lock(&c->lock);
	c->switching_ns += sub_u64(attaching_cpu_ns(c), start_ns);
	pthread_mutex_unlock(&c->lock);
}

/* Puts in, or takes out, what is called for by now; `changing` is held. */
static int switch_probes(struct capture *c)
{
	uint32_t rates[RATES];
	int err;

	if (c->paused && !c->samples_alone) {
		err = capture_drop_probes(c);
		capture_show_sites(c);
		return err;
	}
	capture_get_rates(c, rates);
	return capture_change_rates(c, rates);
}

int capture_set_paused(struct capture *c, bool paused)
{
	uint64_t start_ns;
	bool was;
	int err = 0;

	pthread_mutex_lock(&c->changing);
	start_ns = attaching_cpu_ns(c);
	was = c->paused;
	if (!paused && c->file == CAPTURE_UNTOUCHED) {
		pthread_mutex_unlock(&c->changing);
		return -ENOTSUP;
	}
	set_paused(c, paused);
	if (paused || was)
		err = switch_probes(c);
	if (err && !paused)
		set_paused(c, true);
	book_switching(c, start_ns);
	pthread_mutex_unlock(&c->changing);
	return err;
}

int capture_sample_allocations(struct capture *c, bool on)
{
	uint64_t start_ns;
	bool was;
	int err = 0;

	pthread_mutex_lock(&c->changing);
	start_ns = attaching_cpu_ns(c);
	was = c->samples_alone;
	if (on && !c->program->samples)
		err = -ENOTSUP;
	else if (on && !was && c->paused && !capture_let_go(c))
		err = -EBUSY;
	if (!err && was != on) {
		set_samples_alone(c, on);
		err = switch_probes(c);
		if (err && on)
			set_samples_alone(c, false);
	}
	book_switching(c, start_ns);
	pthread_mutex_unlock(&c->changing);
	return err;
}

void capture_sample_window(struct capture *c, unsigned scale, unsigned window)
{
	volatile struct wire_control *control = c->program->control;

	pthread_mutex_lock(&c->lock);
	control->sample_window = window;
	control->sample_scale = scale;
	pthread_mutex_unlock(&c->lock);
}

bool capture_needs_admin(const struct capture *c)
{
	return !c->program->multi;
}

bool capture_get_paused(struct capture *c)
{
	bool paused;

	pthread_mutex_lock(&c->lock);
	paused = c->paused;
	pthread_mutex_unlock(&c->lock);
	return paused;
}

void capture_low_latency(struct capture *c, bool on)
{
	pump_low_latency(c->pump, on);
}

/* --- plugins --------------------------------------------------------------------------------- */

/* What is attached in the program now is to be so in its plugins. */
static int apply_to_plugins(struct capture *c)
{
	uint32_t rates[RATES];
	bool on = c->attached && !c->paused && !c->over &&
		  (c->file == CAPTURE_HELD || c->file == CAPTURE_FOLLOWED);

	capture_get_rates(c, rates);
	return plugins_apply(c->plugins, on ? capture_wanted(c, rates) : 0);
}

int capture_add_part(struct capture *c, unsigned k, const struct target *part, int fd)
{
	int err = 0;

	pthread_mutex_lock(&c->changing);
	program_keep_nothing(c->program);
	if (!c->plugins)
		err = plugins_new(c->program, c->asked, &c->plugins);
	if (!err)
		err = plugins_add(c->plugins, k, part, fd);
	if (!err)
		err = apply_to_plugins(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

int capture_enter_part(struct capture *c, unsigned k, pid_t pid, uint64_t part_bias)
{
	/* Before the first record that needs it. */
	int err = decode_part(c->decode, pid, k, part_bias);

	pthread_mutex_lock(&c->changing);
	if (!err)
		err = c->plugins && !c->over ? plugins_enter(c->plugins, k, pid) : -ECANCELED;
	capture_show_sites(c);
	pthread_mutex_unlock(&c->changing);
	return err;
}

void capture_leave_parts(struct capture *c, pid_t pid)
{
	pthread_mutex_lock(&c->changing);
	if (c->plugins)
		plugins_leave(c->plugins, pid);
	pthread_mutex_unlock(&c->changing);
}

unsigned capture_changed_parts(struct capture *c)
{
	unsigned bits = 0;

	pthread_mutex_lock(&c->changing);
	if (c->plugins) {
		bits = plugins_changed(c->plugins);
		if (bits)
			capture_show_sites(c);
	}
	pthread_mutex_unlock(&c->changing);
	return bits;
}

/* --- what it did ----------------------------------------------------------------------------- */

/* By what the sites that are attached now are there for; and what switching them cost. */
static void price_types(struct capture *c, struct capture_stats *s)
{
	pthread_mutex_lock(&c->lock);
	s->switching_ns = c->switching_ns;
	s->price = c->price;
	for (size_t i = 0; i < c->n_shown; i++) {
		const struct probe_site *site = &c->shown[i];
		uint64_t ns = site->emulated ? c->price.trap_ns : c->price.step_ns;

		for (unsigned type = 0; type < EVENT_TYPES; type++) {
			if (site->attached && site->wants >> type & 1)
				s->hit_ns[type] = MAX(s->hit_ns[type], ns);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

void capture_set_price(struct capture *c, const struct capture_price *price)
{
	pthread_mutex_lock(&c->lock);
	c->price = *price;
	pthread_mutex_unlock(&c->lock);
}

void capture_stats(struct capture *c, struct capture_stats *ret)
{
	struct program_counters counters;
	struct wire_cpu_counts cpu;
	struct capture_stats s = {.readers = c->program->n_rings,
				  .ring_bytes = c->program->ring_bytes};

	program_counters(c->program, &counters);
	s.hits = counters.hits;
	s.skipped = counters.skipped;
	s.faulted = counters.faulted;
	s.refused = counters.refused;
	s.cancelled = counters.cancelled;
	s.misnamed = counters.misnamed;
	s.hidden = counters.hidden;
	s.absent = counters.absent;
	s.outside = counters.outside;
	s.prog_ns_sum = counters.prog_ns_sum;
	s.prog_ns_samples = counters.prog_ns_samples;
	for (unsigned t = 0; t < EVENT_TYPES; t++) {
		s.lost[t] = counters.lost[t];
		s.unchosen[t] = counters.unchosen[t];
	}
	pump_stats(c->pump, &s);
	s.stepped = counters.stepped;
	s.sample_hits = counters.sample_hits;
	cpu_sampler_counts(c->cpu, &cpu);
	s.cpu_samples = cpu.hits;
	s.cpu_samples_ns = cpu.ns;
	price_types(c, &s);
	*ret = s;
}

bool capture_sample_cpu(struct capture *c, bool on)
{
	pthread_mutex_lock(&c->changing);
	on = cpu_sampler_switch(c->cpu, on && !c->over);
	pthread_mutex_unlock(&c->changing);
	return on;
}

bool capture_cpus_changed(struct capture *c)
{
	return cpu_sampler_outdated(c->cpu);
}

void capture_cpu_sampling(struct capture *c, char *ret, size_t size)
{
	cpu_sampler_is(c->cpu, ret, size);
}

void capture_sampling(struct capture *c, char *ret, size_t size)
{
	const char *is = "off: no event of an allocation is wanted";
	uint32_t rates[RATES];

	capture_get_rates(c, rates);
	pthread_mutex_lock(&c->lock);
	if (!c->program->samples)
		is = c->program->own ? "off: without BPF"
				     : "off: this kernel does not take the BPF programs for it";
	else if (capture_wanted(c, rates) & WANT_SAMPLES)
		is = "on";
	else if (c->paused)
		is = "off: no probes now";
	pthread_mutex_unlock(&c->lock);
	snprintf(ret, size, "%s", is);
}

uint64_t capture_delivered(struct capture *c, uint64_t wanted_ns)
{
	return pump_delivered(c->pump, wanted_ns);
}

size_t capture_sites(struct capture *c, struct probe_site *ret, size_t max)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = MIN(c->n_shown, max);
	for (size_t i = 0; i < n; i++)
		ret[i] = c->shown[i];
	pthread_mutex_unlock(&c->lock);
	return n;
}
