/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a level asks for, done. See levels.h. */
#include "core/engine/levels.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/util.h"

/* Who reads a file again and again, as watch(1) does, needs no probes put in each time. */
#define LINGER_NS (2 * NS_PER_SEC)

struct levels {
	const struct source *source;
	struct probe_switch *probes;
	struct sampling *sampling;

	pthread_mutex_t changing; /* held while the kernel attaches and detaches */
	_Atomic int level;        /* changed by who holds it */
	_Atomic uint64_t since_ns;
	_Atomic bool out; /* OFF_LEVEL holds; the same */
	bool paused;      /* protected by changing: OFF_PAUSED holds */
	_Atomic unsigned readers;
	_Atomic uint64_t left_ns; /* the last one of them */
};

int levels_new(const struct source *source, struct probe_switch *probes, struct sampling *sampling,
	       enum probe_level level, struct levels **ret)
{
	struct levels *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->source = source;
	l->probes = probes;
	l->sampling = sampling;
	atomic_init(&l->level, (int)level);
	atomic_init(&l->since_ns, monotonic_ns());
	pthread_mutex_init(&l->changing, NULL);
	*ret = l;
	return 0;
}

void levels_free(struct levels *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->changing);
	free(l);
}

enum probe_level levels_get(struct levels *l, uint64_t *ret_since_ns)
{
	if (ret_since_ns)
		*ret_since_ns = atomic_load(&l->since_ns);
	return (enum probe_level)atomic_load(&l->level);
}

/* Should the probes of the events be out? */
static bool wants_out(struct levels *l, enum probe_level level)
{
	switch (probe_levels[level].events) {
	case PROBE_EVENTS_ALWAYS:
		return false;
	case PROBE_EVENTS_NEVER:
		return true;
	case PROBE_EVENTS_READ:
		break;
	}
	if (atomic_load(&l->readers))
		return false;
	return atomic_load(&l->out) || !atomic_load(&l->left_ns) ||
	       monotonic_ns() - atomic_load(&l->left_ns) >= LINGER_NS;
}

/* Nothing was prepared for it at the start. */
static int refuse(void)
{
	return log_error(
		-ENOTSUP,
		"nothing can be attached: with -probes none no BPF program was loaded, and "
		"the rights for it were given up; start xgotopfs with -probes none "
		"-raisable, or with another level");
}

/* Holding `changing`. Those two come when all is done, and only the kernel is not (capture.h). */
static int switch_events(struct levels *l, bool out)
{
	int err = probe_switch_set(l->probes, OFF_LEVEL, out);

	if (err && err != -ETIMEDOUT && err != -EBUSY)
		return err;
	if (err && !out)
		return err;
	atomic_store(&l->out, out);
	return 0;
}

static int sample(struct levels *l, bool on)
{
	if (on && l->paused)
		return 0; /* when that is over */
	if (l->source->sample_allocations)
		return sampling_set(l->sampling, on);
	if (!on)
		return 0;
	return log_error(-ENOTSUP, "-probes light: allocations cannot be sampled here");
}

/* Holding `changing`. Nothing of it is in the program, so that only who wants nothing at all has
 * none. */
static void sample_cpu(struct levels *l)
{
	bool on = !l->paused && !probe_levels[levels_get(l, NULL)].without_bpf;

	if (l->source->sample_cpu)
		l->source->sample_cpu(l->source->ctx, on);
}

/* Holding `changing`: from one level to another, all or nothing. */
static int enter(struct levels *l, enum probe_level level)
{
	bool had = probe_levels[levels_get(l, NULL)].samples_allocations;
	bool has = probe_levels[level].samples_allocations;
	int err = has && !had ? sample(l, true) : 0;

	if (err)
		return err;
	if (had && !has) /* what comes with the events is taken all of the time */
		sampling_release(l->sampling);
	err = switch_events(l, wants_out(l, level));
	if (err && has != had)
		(void)sample(l, had);
	if (err)
		return err;
	if (had && !has)
		(void)sample(l, false);
	return 0;
}

int levels_prepare(struct levels *l)
{
	enum probe_level level = levels_get(l, NULL);
	int err = 0;

	pthread_mutex_lock(&l->changing);
	if (probe_levels[level].samples_allocations)
		err = sample(l, true);
	if (!err)
		err = switch_events(l, wants_out(l, level));
	if (!err)
		sample_cpu(l);
	pthread_mutex_unlock(&l->changing);
	return err;
}

int levels_pause(struct levels *l, bool paused)
{
	int err;

	pthread_mutex_lock(&l->changing);
	err = probe_switch_set(l->probes, OFF_PAUSED, paused);
	if (!err || err == -ETIMEDOUT || err == -EBUSY) {
		l->paused = paused;
		if (probe_levels[levels_get(l, NULL)].samples_allocations)
			(void)sample(l, !paused);
		sample_cpu(l);
	}
	pthread_mutex_unlock(&l->changing);
	return err;
}

int levels_set(struct levels *l, enum probe_level level)
{
	int err = 0;

	if (l->source->without_bpf && !probe_levels[level].without_bpf)
		return refuse();
	pthread_mutex_lock(&l->changing);
	if (level != levels_get(l, NULL)) {
		err = enter(l, level);
		if (!err) {
			atomic_store(&l->level, (int)level);
			atomic_store(&l->since_ns, monotonic_ns());
			sample_cpu(l);
			log_info("probes: %s (%s)", probe_levels[level].name,
				 probe_levels[level].is);
		}
	}
	pthread_mutex_unlock(&l->changing);
	return err;
}

void levels_reader(struct levels *l, bool on)
{
	if (!on)
		atomic_store(&l->left_ns, monotonic_ns());
	if (on)
		atomic_fetch_add(&l->readers, 1);
	else
		atomic_fetch_sub(&l->readers, 1);
}

unsigned levels_readers(struct levels *l)
{
	return atomic_load(&l->readers);
}

static bool probes_are_due(struct levels *l)
{
	return wants_out(l, levels_get(l, NULL)) != atomic_load(&l->out);
}

static bool cpus_have_changed(struct levels *l)
{
	return l->source->cpus_changed && l->source->cpus_changed(l->source->ctx);
}

bool levels_are_due(struct levels *l)
{
	return probes_are_due(l) || cpus_have_changed(l);
}

int levels_apply(struct levels *l)
{
	int err = 0;

	pthread_mutex_lock(&l->changing);
	if (cpus_have_changed(l))
		sample_cpu(l);
	if (probes_are_due(l)) {
		err = switch_events(l, !atomic_load(&l->out));
		if (err)
			log_warn("the probes could not be changed, which is tried again: %s",
				 strerror(-err));
	}
	pthread_mutex_unlock(&l->changing);
	return err;
}
